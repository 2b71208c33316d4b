// What the page shows, as the part of its address after `#`, and as the server is asked for it.

export const PANES = ["a", "b"];
const LEAST = { seed: 0, truncation: -2 };
const MOST = { seed: 4294967295, truncation: 2 };
export const MOST_AMOUNT = 4;
const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const VIEWS = ["motions", "hearts", "superres", "guided", "one"];

/** The state of a page that was just opened. */
export function initialState(about) {
  const pane = (motion) => ({ cine: "", motion, seed: 0, truncation: about.truncation, amounts: {} });
  const [first, second] = Object.keys(about.motions);
  return {
    a: pane(first),
    b: pane(second ?? first),
    view: second ? "motions" : "one",
    edit: "both",
    speed: 1,
    loop: true,
    paused: null, // the phase at which it is
  };
}

/** Write what differs from the initial state. */
export function toHash(state, about) {
  const initial = initialState(about);
  const hash = new URLSearchParams();
  for (const pane of PANES) {
    for (const key of ["cine", "motion", "seed", "truncation"]) {
      if (state[pane][key] !== initial[pane][key]) hash.set(`${pane}.${key}`, state[pane][key]);
    }
    for (const [name, amount] of Object.entries(state[pane].amounts)) {
      if (amount) hash.set(`${pane}.adjust.${name}`, amount);
    }
  }
  for (const key of ["view", "edit", "speed", "loop"]) {
    if (state[key] !== initial[key]) hash.set(key, state[key]);
  }
  if (state.paused !== null) hash.set("paused", state.paused.toFixed(4));
  return hash.toString();
}

/** Undo `toHash`; what is none of these, or out of range, is passed over. */
export function fromHash(text, about) {
  const state = initialState(about);
  for (const [key, value] of new URLSearchParams(text)) {
    const [pane, field, ...rest] = key.split(".");
    if (PANES.includes(pane) && field === "adjust") {
      const name = rest.join(".");
      const amount = within(value, -MOST_AMOUNT, MOST_AMOUNT);
      if (about.directions.includes(name) && amount !== null) state[pane].amounts[name] = amount;
    } else if (PANES.includes(pane) && field in LEAST) {
      const number = within(value, LEAST[field], MOST[field]);
      if (number !== null) state[pane][field] = field === "seed" ? Math.floor(number) : number;
    } else if (PANES.includes(pane) && (field === "cine" || field === "motion")) {
      state[pane][field] = value;
    } else if (key === "view" && VIEWS.includes(value)) state.view = value;
    else if (key === "edit" && ["both", ...PANES].includes(value)) state.edit = value;
    else if (key === "speed" && SPEEDS.includes(Number(value))) state.speed = Number(value);
    else if (key === "loop") state.loop = value !== "false";
    else if (key === "paused") state.paused = within(value, 0, 1);
  }
  for (const pane of PANES) {
    const known = { ...about.motions, ...(state[pane].cine ? about.own : {}) };
    if (!(state[pane].motion in known)) [state[pane].motion] = Object.keys(known);
  }
  return state;
}

/** What one pane shows, as a query. */
export function toQuery(shown) {
  const query = new URLSearchParams({ motion: shown.motion });
  if (shown.cine) query.set("cine", shown.cine);
  else {
    query.set("seed", shown.seed);
    query.set("truncation", shown.truncation);
  }
  for (const [name, amount] of Object.entries(shown.amounts)) {
    if (amount) query.append("adjust", `${name}=${amount}`);
  }
  return query.toString();
}

function within(text, least, most) {
  const number = Number(text);
  return text !== "" && number >= least && number <= most ? number : null;
}
