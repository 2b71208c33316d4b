// One heart on the page: asks for its first frame, its beat and its curve, and drops what is stale.

import { fetchFilm, frameAt, paint, reasonOf } from "./player.js";
import { toQuery } from "./explorer_state.js";

const REST_MS = 400; // after which the whole curve is measured

export class Pane {
  /**
   * name: "a" or "b". page: what is told of news: `phase()`, `onFilm(pane)`, `onCurve(pane)`,
   * `onError(pane, message)`. measures: whether the model has a segmenter.
   */
  constructor(name, page, measures) {
    this.name = name;
    this.page = page;
    this.measures = measures;
    this.canvas = document.getElementById(`canvas-${name}`);
    this.veil = document.getElementById(`veil-${name}`);
    this.asker = `${crypto.getRandomValues(new Uint32Array(2)).join("-")}-${name}`;
    this.number = 0;
    this.query = "";
    this.film = null;
    this.curve = null;
    this.waiting = false; // for the film of what is asked for
    this.pending = false; // what is asked for cannot be rendered yet
    this.previewing = false;
    this.abort = new AbortController();
  }

  /** Show something else, once nothing is `pending`. */
  show(shown, pending) {
    const query = pending ? pending : toQuery(shown);
    if (query === this.query) return;
    this.query = query;
    this.number += 1;
    this.abort.abort();
    this.abort = new AbortController();
    this.waiting = true;
    this.veil.textContent = pending;
    this.veil.hidden = !pending;
    this.pending = Boolean(pending);
    // A first frame that is on its way comes before the next is asked for: dragging shows it.
    if (!pending && !this.previewing) this.preview();
  }

  async preview() {
    this.previewing = true;
    let number;
    do {
      number = this.number;
      try {
        const first = await fetchFilm(this.url("frame", `&phase=${this.page.phase()}`));
        paint(this.canvas, first, 0);
      } catch (error) {
        if (number === this.number) this.fail(error);
      }
    } while (number !== this.number && !this.pending);
    this.previewing = false;
    if (!this.pending) this.load();
  }

  async load() {
    const { signal } = this.abort;
    const number = this.number;
    try {
      const film = await fetchFilm(this.url("film"), signal);
      if (number !== this.number) return;
      this.film = film;
      this.waiting = false;
      this.veil.hidden = true;
      this.page.onFilm(this);
      if (!this.measures) return;
      await this.measure(signal, "&coarse=true");
      await rest(REST_MS);
      if (number === this.number) await this.measure(signal, "");
    } catch (error) {
      if (number === this.number) this.fail(error);
    }
  }

  async measure(signal, how) {
    const answer = await fetch(this.url("curve", how), { signal });
    if (!answer.ok) throw new Error(await reasonOf(answer));
    this.curve = await answer.json();
    this.page.onCurve(this);
  }

  fail(error) {
    if (error.name === "AbortError") return;
    this.waiting = false;
    this.page.onError(this, error.message);
  }

  url(what, more = "") {
    return `/${what}?${this.query}&asker=${this.asker}&number=${this.number}${more}`;
  }

  /** Draw the frame at a phase, unless what is shown is being replaced. */
  draw(phase) {
    if (!this.film || this.waiting) return;
    const index = frameAt(this.film, phase);
    paint(this.canvas, this.film, index);
    this.canvas.dataset.frame = index;
  }
}

function rest(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
