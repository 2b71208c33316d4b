// The explorer: wires sliders, players and the address of the page together.

import { drawCurves, phaseAt } from "./explorer_curve.js";
import { Loader } from "./explorer_load.js";
import { Pane } from "./explorer_pane.js";
import { fromHash, initialState, MOST_AMOUNT, PANES, toHash, toQuery } from "./explorer_state.js";
import { Clock, frameAt, reasonOf } from "./player.js";

const about = JSON.parse(document.getElementById("about").textContent);
const $ = (id) => document.getElementById(id);
const SLIDER = { min: -MOST_AMOUNT, max: MOST_AMOUNT, step: 0.1 };
const COLORS = { a: "--first", b: "--second" };

let state = fromHash(location.hash.slice(1), about);
const clock = new Clock(onPhase);
const page = {
  phase: () => clock.phase,
  onFilm: () => {
    update();
    onPhase(clock.phase);
  },
  onCurve: (pane) => {
    readOut(pane);
    drawCurve();
  },
  onError: (pane, message) => {
    pane.veil.textContent = message;
    pane.veil.hidden = false;
    say(`Heart ${pane.name.toUpperCase()}: ${message}`, true);
    update();
  },
};
const panes = Object.fromEntries(
  PANES.map((name) => [name, new Pane(name, page, about.segmenter)]),
);
const loader = new Loader({
  say,
  suffixes: about.suffixes,
  onLoaded: (cine) => {
    if (!["superres", "guided"].includes(state.view)) state.view = "superres";
    compare(state.view, cine);
  },
  onChanged: apply,
});

// --- what is shown -------------------------------------------------------------------------------

function shownPanes() {
  return state.view === "one" ? ["a"] : PANES;
}

/** The panes that the sliders move. */
function edited() {
  return state.edit === "both" ? PANES : [state.edit];
}

/** Bring the page in line with the state. */
function apply() {
  $("panes").dataset.view = state.view;
  $("view").value = state.view;
  fillSources();
  for (const name of PANES) {
    fillMotions(name);
    const query = toQuery(state[name]);
    for (const link of $(`downloads-${name}`).querySelectorAll("a")) {
      const form = link.dataset.form;
      const needs = form === "nifti" || form === "dicom";
      const missing = needs && !(state[name].cine ? loader.spacing(state[name].cine) : about.spacing);
      link.toggleAttribute("aria-disabled", missing);
      if (missing) {
        link.setAttribute("aria-disabled", "true");
        link.removeAttribute("href");
        link.title = "needs the distance between pixels, which is not known";
      } else {
        link.href = `/download/${form}?${query}`;
        link.removeAttribute("title");
      }
    }
  }
  const of = state[edited()[0]];
  $("seed").value = of.seed;
  for (const id of ["seed", "previous", "next", "truncation"]) $(id).disabled = Boolean(of.cine);
  setSlider($("truncation"), of.truncation, of.truncation.toFixed(2));
  for (const name of about.directions) {
    const amount = of.amounts[name] || 0;
    setSlider($(`direction-${name}`), amount, signed(amount));
  }
  for (const button of document.querySelectorAll(".edit")) {
    button.setAttribute("aria-pressed", String(button.dataset.edit === state.edit));
  }
  $("speed").value = String(state.speed);
  $("loop").checked = state.loop;
  clock.speed = state.speed;
  clock.loop = state.loop;
  for (const name of shownPanes()) panes[name].show(state[name], loader.pending(state[name]));
  update();
  remember();
}

function setSlider(slider, value, text) {
  slider.value = value;
  slider.setAttribute("aria-valuetext", text);
  slider.parentElement.querySelector("output").textContent = text;
}

function change(edit) {
  edit(state);
  apply();
}

let remembering = 0;

/** Keep the state in the address, so that a link or a reload brings it back. */
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    history.replaceState(null, "", `#${toHash(state, about)}`);
  }, 150);
}

/** Note what hangs on whether films are there. */
function update() {
  const waiting = shownPanes().filter((name) => panes[name].waiting);
  clock.held = waiting.some((name) => !panes[name].pending);
  $("panes").setAttribute("aria-busy", String(waiting.length > 0));
  const film = panes.a.film;
  if (film) clock.beatMs = film.count * film.frameMs;
}

// --- playing -------------------------------------------------------------------------------------

function onPhase(phase) {
  for (const name of shownPanes()) panes[name].draw(phase);
  $("scrub").value = String(Math.round(phase * 999));
  const film = panes.a.film;
  if (film) {
    const frame = frameAt(film, phase);
    const text = `${frame + 1} / ${film.count}`;
    $("position").textContent = text;
    $("scrub").setAttribute("aria-valuetext", `frame ${frame + 1} of ${film.count}`);
  }
  $("play").textContent = clock.playing ? "Pause" : "Play";
  drawCurve();
}

function drawCurve() {
  const curves = shownPanes()
    .filter((name) => panes[name].curve && panes[name].film)
    .map((name) => ({
      color: COLORS[name],
      curve: panes[name].curve,
      beatMs: panes[name].film.count * panes[name].film.frameMs,
    }));
  if (!curves.length) return;
  drawCurves($("curve"), curves, clock.phase);
  const whole = curves.every(({ curve }) => curve.frames.length === curve.count);
  $("curve").dataset.whole = String(whole && curves.length === shownPanes().length);
}

function setPlaying(playing) {
  if (playing) {
    if (clock.phase > 0.97 && !state.loop) clock.phase = 0;
    clock.play();
  } else clock.pause();
  state.paused = playing ? null : clock.phase;
  onPhase(clock.phase);
  remember();
}

function seek(phase) {
  clock.seek(phase);
  if (!clock.playing) state.paused = clock.phase;
  remember();
}

function stepFrames(frames) {
  if (clock.playing) setPlaying(false);
  const count = panes.a.film ? panes.a.film.count : 1;
  const frame = panes.a.film ? frameAt(panes.a.film, clock.phase) : 0;
  seek((((frame + frames) % count) + count) % count / count);
}

function readOut(pane) {
  const { phenotypes, unit, areas, flags } = pane.curve;
  const number = (name, digits) => phenotypes[name] !== null && phenotypes[name].toFixed(digits);
  const ed = number("lv_area_ed_cm2", 1);
  const es = number("lv_area_es_cm2", 1);
  const change = number("lv_fac_percent", 0);
  const index = number("sphericity_index", 2);
  const parts = [
    ed && es && `ED ${ed}, ES ${es} cm²`,
    change && `FAC ${change} %`,
    index && `sphericity ${index}`,
  ].filter(Boolean);
  const said = parts.join(" · ") || "no left ventricle found";
  $(`readout-${pane.name}`).textContent = said;
  const warning = $(`flags-${pane.name}`);
  warning.textContent = flags.length ? `Not to be trusted: ${flags.join("; ")}` : "";
  warning.hidden = !flags.length;
  $("curve-title").textContent = `Area of the left ventricle over the beat, ${unit}`;
  const found = areas.filter((value) => value !== null);
  if (pane.name === "a" && found.length) {
    const range = `${Math.min(...found).toFixed(1)} to ${Math.max(...found).toFixed(1)} ${unit}`;
    $("curve-said").textContent = `Heart A: ${range}`;
  }
}

// --- what can be chosen --------------------------------------------------------------------------

function fillSources() {
  for (const name of PANES) {
    const options = [["", "Generated heart"]];
    for (const [cine, label] of loader.list()) options.push([cine, label]);
    if (state[name].cine && !loader.has(state[name].cine)) options.push([state[name].cine, "…"]);
    fill($(`source-${name}`), options, state[name].cine);
  }
}

function fillMotions(name) {
  const { cine, motion } = state[name];
  const before = cine ? "model's motion: " : "";
  const options = Object.keys(about.motions).map((key) => [key, before + label(key)]);
  if (cine) options.unshift(...Object.entries(about.own));
  fill($(`motion-${name}`), options, motion);
  $(`motion-${name}`).title = about.motions[motion] ?? about.own[motion];
}

function fill(select, options, value) {
  const text = JSON.stringify(options);
  if (select.dataset.options !== text) {
    select.replaceChildren(...options.map(([key, shown]) => new Option(shown, key)));
    select.dataset.options = text;
  }
  select.value = value;
}

/** Set both panes for a comparison. */
function compare(view, cine) {
  const loaded = cine || state.a.cine || state.b.cine || (loader.list()[0] || [""])[0];
  const initial = initialState(about);
  state.view = view;
  const ofCine = view === "superres" || view === "guided";
  if (ofCine && !loaded) {
    say("Open a cine first: drop it on the page, or press o.");
    $("file").focus();
  } else if (ofCine) {
    Object.assign(state.a, { cine: loaded, motion: "original", amounts: {} });
    Object.assign(state.b, { cine: loaded, motion: view === "superres" ? "x2" : "projected" });
    if (view === "superres") state.b.amounts = {};
    state.edit = "b";
  } else {
    for (const name of PANES) {
      if (state[name].cine) Object.assign(state[name], initial[name]);
    }
    if (view === "motions") {
      Object.assign(state.b, structuredClone(state.a), { motion: initial.b.motion });
      state.a.motion = initial.a.motion;
      state.edit = "both";
    } else if (view === "hearts") {
      Object.assign(state.b, { motion: state.a.motion });
      if (state.b.seed === state.a.seed) state.b.seed = state.a.seed + 1;
      state.edit = "b";
    } else state.edit = "a";
  }
  apply();
}

/** lv_area → LV area, ed-to-es → ED-to-ES. */
function label(name) {
  const text = name
    .replaceAll("_", " ")
    .replace(/\b(lv|rv|la|ra|ed|es|ef|fac|edv|esv|pca)\b/g, (word) => word.toUpperCase());
  return text[0].toUpperCase() + text.slice(1);
}

function signed(amount) {
  return amount > 0 ? `+${amount.toFixed(1)}` : amount.toFixed(1);
}

function makeSliders() {
  const template = $("truncation-row");
  for (const name of about.directions) {
    const row = document.createElement("div");
    row.className = "slider";
    const slider = Object.assign(document.createElement("input"), {
      type: "range",
      id: `direction-${name}`,
      ...SLIDER,
    });
    const text = Object.assign(document.createElement("label"), {
      htmlFor: slider.id,
      textContent: label(name),
    });
    row.append(text, slider, document.createElement("output"));
    $("directions").append(row);
    slider.addEventListener("input", () =>
      change(() => edited().forEach((pane) => (state[pane].amounts[name] = Number(slider.value)))),
    );
    onBackspace(slider, 0);
  }
  onBackspace(template.querySelector("input"), about.truncation);
  if (!about.directions.length) $("directions-note").textContent = "none fitted: see gancmri fit";
}

function onBackspace(slider, middle) {
  slider.addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" && event.key !== "Delete") return;
    slider.value = middle;
    slider.dispatchEvent(new Event("input"));
  });
}

function setSeed(seed) {
  if (!Number.isInteger(seed) || seed < 0 || seed > 4294967295) return;
  change(() => edited().forEach((pane) => (state[pane].seed = seed)));
}

function nextSeed(by) {
  change(() =>
    edited().forEach((pane) => {
      state[pane].seed = Math.min(Math.max(state[pane].seed + by, 0), 4294967295);
    }),
  );
}

function reset() {
  change(() =>
    edited().forEach((pane) => {
      Object.assign(state[pane], { truncation: about.truncation, amounts: {} });
    }),
  );
}

/** Let the server find the amounts that give the hearts the phenotypes asked for. */
async function aim(fields) {
  const wanted = [...fields].filter(([, value]) => value !== "");
  if (!wanted.length) return;
  const targets = wanted.map(([name, value]) => `&target=${name}=${encodeURIComponent(value)}`);
  for (const name of edited().filter((pane) => shownPanes().includes(pane))) {
    say(`Heart ${name.toUpperCase()}: looking for it …`);
    const answer = await fetch(`/aim?${toQuery(state[name])}${targets.join("")}`);
    if (!answer.ok) {
      say(`Heart ${name.toUpperCase()}: ${await reasonOf(answer)}`, true);
      return;
    }
    const { amounts, said } = await answer.json();
    say(`Heart ${name.toUpperCase()}: ${said}`);
    change(() => Object.assign(state[name].amounts, amounts));
  }
}

// --- words ---------------------------------------------------------------------------------------

function say(message, bad = false) {
  $("status").textContent = message;
  $("status").classList.toggle("bad", bad);
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied: ${text}`);
  } catch {
    say(text); // where the browser does not let a page copy, the text can be marked by hand
  }
}

async function copyCommand(name) {
  const answer = await fetch(`/command?${toQuery(state[name])}`);
  if (answer.ok) await copy((await answer.json()).command, "Command");
  else say(await reasonOf(answer), true);
}

// --- wiring --------------------------------------------------------------------------------------

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const { target, key } = event;
  const typing = target.matches("input:not([type=range]):not([type=checkbox]), select");
  if (typing) return;
  if (key === " " && target.matches("button, a, input[type=checkbox]")) return;
  const speeds = [...$("speed").options].map((option) => Number(option.value));
  const speed = (by) => {
    const index = speeds.indexOf(state.speed) + by;
    if (speeds[index]) change(() => (state.speed = speeds[index]));
  };
  const actions = {
    " ": () => setPlaying(!clock.playing),
    ",": () => stepFrames(-1),
    ".": () => stepFrames(1),
    "[": () => speed(-1),
    "]": () => speed(1),
    l: () => change(() => (state.loop = !state.loop)),
    n: () => nextSeed(1),
    p: () => nextSeed(-1),
    a: () => change(() => (state.edit = "a")),
    b: () => change(() => (state.edit = "b")),
    s: () => change(() => (state.edit = "both")),
    r: reset,
    o: () => $("file").click(),
    "?": () => $("keys").showModal(),
  };
  if (!(key in actions)) return;
  event.preventDefault();
  actions[key]();
}

function wire() {
  makeSliders();
  document.addEventListener("keydown", onKey);
  $("play").addEventListener("click", () => setPlaying(!clock.playing));
  $("scrub").addEventListener("input", () => seek(Number($("scrub").value) / 999));
  $("curve").addEventListener("pointerdown", (event) => seek(phaseAt($("curve"), event.offsetX)));
  $("curve").addEventListener("pointermove", (event) => {
    if (event.buttons & 1) seek(phaseAt($("curve"), event.offsetX));
  });
  $("speed").addEventListener("change", () =>
    change(() => (state.speed = Number($("speed").value))),
  );
  $("loop").addEventListener("change", () => change(() => (state.loop = $("loop").checked)));
  $("view").addEventListener("change", () => compare($("view").value));
  $("seed").addEventListener("input", () => {
    if ($("seed").value !== "") setSeed(Number($("seed").value));
  });
  $("next").addEventListener("click", () => nextSeed(1));
  $("previous").addEventListener("click", () => nextSeed(-1));
  $("reset").addEventListener("click", reset);
  $("aim")?.addEventListener("submit", (event) => {
    event.preventDefault();
    aim(new FormData($("aim")));
  });
  $("truncation").addEventListener("input", () =>
    change(() =>
      edited().forEach((pane) => (state[pane].truncation = Number($("truncation").value))),
    ),
  );
  for (const button of document.querySelectorAll(".edit")) {
    button.addEventListener("click", () => change(() => (state.edit = button.dataset.edit)));
  }
  for (const name of PANES) {
    $(`motion-${name}`).addEventListener("change", (event) =>
      change(() => (state[name].motion = event.target.value)),
    );
    $(`source-${name}`).addEventListener("change", (event) =>
      change(() => {
        state[name].cine = event.target.value;
        state[name].motion = event.target.value
          ? "original"
          : Object.keys(about.motions)[0];
      }),
    );
    $(`downloads-${name}`)
      .querySelector(".command")
      .addEventListener("click", () => copyCommand(name));
  }
  $("copy-link").addEventListener("click", () => {
    const url = new URL(location.href);
    url.hash = toHash(state, about);
    copy(url.href, "Link");
  });
  $("show-keys").addEventListener("click", () => $("keys").showModal());
  window.addEventListener("resize", drawCurve);
  window.addEventListener("hashchange", () => {
    state = fromHash(location.hash.slice(1), about);
    start();
  });
}

function start() {
  for (const name of PANES) if (state[name].cine) loader.follow(state[name].cine);
  clock.phase = state.paused ?? clock.phase;
  apply();
  if (state.paused === null) clock.play();
  else clock.pause();
}

wire();
start();
