// The reader study: shows a screen, keeps what is marked through reloads, and sends it until it is saved.

import { Clock, frameAt, paint, reasonOf } from "./player.js";

const find = (id) => document.getElementById(id);
const pageToken = document.querySelector("meta[name=page-token]").content;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const RETRY_MS = 2000;

let view = null; // what the server said is next
let draft = null; // what the reader has marked on this screen
let films = [];
let active = 0; // the place that digits rank
let sending = false;
let seenAt = null; // since when the screen is in view
const loaded = new Map(); // pixels by name, of this screen and the next

const clock = new Clock((phase) => {
  films.forEach((film, place) => paint(canvases()[place], film, frameAt(film, phase)));
  if (find("frame")) find("frame").value = frameAt(films[0], phase);
});

const canvases = () => [...find("stimuli").querySelectorAll("canvas")];
const screen = () => view.screens[0];

class Refused extends Error {} // asking again would not help
class Failed extends Error {} // the server said that it could not, and may yet

async function ask(path, sent) {
  const headers = { "X-Gancmri-Token": pageToken };
  const readerToken = location.hash.slice(1);
  if (readerToken) headers.Authorization = `Bearer ${readerToken}`;
  const options = { headers };
  if (sent) {
    options.method = "POST";
    options.body = JSON.stringify(sent);
    headers["Content-Type"] = "application/json";
  }
  const answer = await fetch(path, options);
  if (answer.status === 401) signIn();
  const late = answer.status === 408; // the request came too slowly
  if (answer.status >= 400 && answer.status < 500 && !late) throw new Refused(await reasonOf(answer));
  if (!answer.ok) throw new Failed(await reasonOf(answer));
  return answer;
}

async function untilAnswered(path, sent) {
  for (let troubled = false; ; ) {
    try {
      const answer = await ask(path, sent);
      if (troubled) find("trouble").hidden = true;
      return answer;
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (error instanceof Failed) {
        fail(new Error(`${sent ? "Your answer is not saved yet: " : ""}${error.message}.`));
        troubled = true;
        say("Trying again; what you marked is kept on this page.");
      } else {
        say("The server does not answer. Trying again; what you marked is kept.");
      }
      await new Promise((after) => setTimeout(after, RETRY_MS));
    }
  }
}

const say = (text) => (find("status").textContent = text);

function fail(error) {
  find("trouble").textContent = error.message;
  find("trouble").hidden = false;
}

function signIn() {
  find("screen").hidden = true;
  find("sign-in").hidden = false;
  find("code").focus();
}

async function begin() {
  say("");
  for (const id of ["trouble", "sign-in"]) find(id).hidden = true;
  try {
    await show(await (await untilAnswered("/next")).json());
  } catch (error) {
    if (location.hash || !(error instanceof Refused)) fail(error);
  }
}

async function show(next) {
  clock.pause();
  find("screen").hidden = true; // until its own hearts are there: keys and time are theirs
  seenAt = null;
  view = next;
  find("count").textContent = `${view.done} of ${view.total}`;
  find("progress").max = view.total;
  find("progress").value = view.done;
  if (!view.screens.length) {
    say("");
    find("end").hidden = false;
    find("end").focus();
    return;
  }
  draft = recall();
  active = 0;
  films = await Promise.all(screen().stimuli.map(load));
  find("screen").hidden = false;
  find("stimuli").replaceChildren(...screen().stimuli.map(figure));
  clock.beatMs = view.beat_ms;
  clock.seek(0);
  if (find("frame")) find("frame").max = view.frames - 1;
  if (view.frames > 1) setPlaying(!matchMedia("(prefers-reduced-motion: reduce)").matches);
  seenAt = document.hidden ? null : performance.now();
  say("");
  refresh();
  const names = new Set(view.screens.flatMap((one) => one.stimuli));
  for (const name of loaded.keys()) if (!names.has(name)) loaded.delete(name);
  view.screens[1]?.stimuli.forEach((name) => load(name).catch(() => loaded.delete(name)));
}

function load(name) {
  if (!loaded.has(name)) loaded.set(name, fetchPixels(name));
  return loaded.get(name);
}

async function fetchPixels(name) {
  const pixels = new Uint8Array(await (await untilAnswered(`/stimulus/${name}`)).arrayBuffer());
  return { pixels, count: view.frames, height: view.size, width: view.size };
}

/** One stimulus, and what can be said of it. */
function figure(_, place) {
  const letter = LETTERS[place];
  const box = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = letter;
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", view.frames > 1 ? `Heart ${letter}, beating` : `Heart ${letter}`);
  box.append(legend, canvas, radio("chosen", place, `${letter} is real`, () => choose(place), "choice"));
  if (view.kind === "videos") {
    const ranks = document.createElement("div");
    ranks.className = "ranks";
    ranks.setAttribute("role", "radiogroup");
    ranks.setAttribute("aria-label", `Rank of ${letter}, 1 the best`);
    ranks.append("Rank");
    for (let value = 1; value <= screen().stimuli.length; value++) {
      ranks.append(radio(`rank-${place}`, value, `${value}`, () => rank(place, value), ""));
    }
    box.append(ranks);
  }
  box.addEventListener("focusin", () => touch(place));
  box.addEventListener("pointerdown", () => touch(place));
  canvas.addEventListener("click", () => view.kind === "pairs" && choose(place));
  return box;
}

function radio(name, value, text, onChange, kind) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name, value });
  input.addEventListener("change", onChange);
  label.className = kind;
  label.append(input, text);
  return label;
}

function touch(place) {
  active = place;
  refresh();
}

function choose(place) {
  draft.chosen = screen().stimuli[place];
  touch(place);
}

/** No two share a rank: who had it loses it. */
function rank(place, value) {
  for (const name of screen().stimuli) if (draft.ranks[name] === value) delete draft.ranks[name];
  draft.ranks[screen().stimuli[place]] = value;
  touch(place);
}

function isComplete() {
  const ranked = Object.keys(draft.ranks).length === screen().stimuli.length;
  return Boolean(draft.chosen) && (view.kind === "pairs" || ranked);
}

function refresh() {
  [...find("stimuli").children].forEach((box, place) => {
    const name = screen().stimuli[place];
    box.classList.toggle("real", draft.chosen === name);
    box.classList.toggle("active", view.kind === "videos" && place === active);
    for (const input of box.querySelectorAll("input")) {
      input.checked =
        input.name === "chosen" ? draft.chosen === name : draft.ranks[name] === Number(input.value);
    }
  });
  find("submit").disabled = sending || !isComplete();
  keep();
}

// A draft outlives a reload and a crash of the browser; what is saved on the server needs none.
const place = () => `gancmri-study-${screen().name}`;

function recall() {
  const empty = { chosen: "", ranks: {}, ms: 0 };
  try {
    return { ...empty, ...JSON.parse(localStorage.getItem(place()) ?? "{}") };
  } catch {
    return empty;
  }
}

function keep() {
  countTime();
  try {
    localStorage.setItem(place(), JSON.stringify(draft));
  } catch {
    // A browser that stores nothing: a reload begins this screen anew.
  }
}

function forget(kept) {
  try {
    localStorage.removeItem(kept);
  } catch {
    // It was never kept.
  }
}

/** Time counts only while the page is in view. */
function countTime() {
  const now = performance.now();
  if (seenAt !== null) draft.ms += now - seenAt;
  seenAt = document.hidden ? null : now;
}

async function submit() {
  if (sending || !isComplete()) return;
  sending = true;
  find("trouble").hidden = true;
  keep();
  find("submit").disabled = true;
  say("Saving …");
  const sent = { screen: screen().name, chosen: draft.chosen, response_ms: draft.ms };
  if (view.kind === "videos") sent.ranks = { ...draft.ranks };
  const kept = place();
  try {
    const next = await (await untilAnswered("/answer", sent)).json();
    forget(kept);
    sending = false;
    await show(next);
  } catch (error) {
    sending = false;
    if (error instanceof Refused) await begin(); // answered in another window, say
    fail(error);
  }
}

function setPlaying(playing) {
  if (playing) clock.play();
  else clock.pause();
  find("play").textContent = playing ? "Pause" : "Play";
  find("play").setAttribute("aria-pressed", String(playing));
}

find("screen").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
find("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = find("code").value.trim().replace(/^.*#/, "");
});
addEventListener("hashchange", begin);
document.addEventListener("visibilitychange", () => {
  if (!find("screen").hidden) keep();
});
find("play")?.addEventListener("click", () => setPlaying(!clock.playing));
find("speed")?.addEventListener("change", (event) => (clock.speed = Number(event.target.value)));
find("frame")?.addEventListener("input", (event) => {
  setPlaying(false);
  clock.seek(Number(event.target.value) / view.frames);
});

document.addEventListener("keydown", (event) => {
  if (find("screen").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
  const many = screen().stimuli.length;
  const letter = LETTERS.indexOf(event.key.toUpperCase());
  const digit = Number(event.key);
  const onControl = event.target.closest?.("button, select, input");
  if (event.key.length === 1 && letter >= 0 && letter < many) {
    choose(letter);
    find("stimuli").children[letter].querySelector("input[name=chosen]").focus();
  } else if (view.kind === "videos" && digit >= 1 && digit <= many) {
    rank(active, digit);
  } else if (event.key === " " && view.frames > 1 && !onControl) {
    event.preventDefault();
    setPlaying(!clock.playing);
  } else if (event.key === "Enter" && !event.target.closest?.("button")) {
    event.preventDefault();
    submit();
  }
});

begin();
