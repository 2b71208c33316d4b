// Cines of the user's own: sent to the server, and followed while they are projected.

import { reasonOf } from "./player.js";

const EVERY_MS = 400;
const RETRY_MS = 2000;

export class Loader {
  /** page: `say(message, bad)`, `suffixes`, `onLoaded(cine)`, `onChanged()`. */
  constructor(page) {
    this.page = page;
    this.cines = new Map(); // name → what the server last said, and a label
    this.following = new Set();
    this.token = document.querySelector("meta[name=token]").content;
    this.progress = document.getElementById("progress");
    const file = document.getElementById("file");
    file.accept = page.suffixes.join(",");
    file.addEventListener("change", () => {
      if (file.files.length) this.send(file.files[0]);
      file.value = "";
    });
    this.takeDrops();
  }

  takeDrops() {
    const over = (event) => {
      event.preventDefault();
      document.body.classList.toggle("dragging", event.type === "dragover");
    };
    window.addEventListener("dragover", over);
    window.addEventListener("dragleave", over);
    window.addEventListener("drop", (event) => {
      over(event);
      const [file] = event.dataTransfer.files;
      if (file) this.send(file);
    });
  }

  list() {
    return [...this.cines].map(([cine, { label }]) => [cine, label]);
  }

  has(cine) {
    return this.cines.has(cine);
  }

  spacing(cine) {
    return Boolean(this.cines.get(cine)?.spacing);
  }

  /** Why what a pane shows cannot be rendered yet, empty where it can. */
  pending({ cine, motion }) {
    if (!cine) return "";
    const said = this.cines.get(cine);
    if (!said) return "Waiting for the cine …";
    if (motion === "original" || said.state === "projected") return "";
    return said.error || "Being found among what the model has learned …";
  }

  async send(file) {
    this.page.say(`Reading ${file.name} …`);
    try {
      const answer = await fetch(`/cines?name=${encodeURIComponent(file.name)}`, {
        method: "POST",
        headers: { "X-Gancmri-Token": this.token, "Content-Type": "application/octet-stream" },
        body: file,
      });
      if (!answer.ok) throw new Error(await reasonOf(answer));
      const { cines } = await answer.json();
      await Promise.all(cines.map((cine) => this.follow(cine)));
      this.page.onLoaded(cines[0]);
    } catch (error) {
      this.page.say(error.message, true);
    }
  }

  /** Ask how far a cine is, now and until it is projected. */
  async follow(cine) {
    if (this.following.has(cine)) return;
    this.following.add(cine);
    await this.look(cine);
  }

  async look(cine) {
    const before = this.cines.get(cine);
    let answer;
    try {
      answer = await fetch(`/cines/${encodeURIComponent(cine)}`);
    } catch {
      this.page.say("The server does not answer. Trying again.", true);
      setTimeout(() => this.look(cine), RETRY_MS);
      return;
    }
    if (!answer.ok) {
      const error = await reasonOf(answer);
      this.following.delete(cine);
      this.cines.set(cine, { label: "Cine that is gone", ...before, state: "failed", error });
      this.progress.hidden = true;
      this.page.onChanged();
      this.page.say(error, true);
      return;
    }
    const said = await answer.json();
    const label = before?.label ?? `Cine ${this.cines.size + 1} (${said.frames} frames)`;
    this.cines.set(cine, { ...said, label });
    const busy = said.state === "waiting" || said.state === "projecting";
    this.progress.hidden = !busy;
    this.progress.value = said.share;
    if (busy) {
      const share = said.share ? `${Math.round(100 * said.share)} %` : "getting ready";
      this.page.say(`${label}: being found in the model, ${share}`);
      setTimeout(() => this.look(cine), EVERY_MS);
      if (!before) this.page.onChanged();
      return;
    }
    this.following.delete(cine);
    this.page.onChanged();
    if (said.state === "failed") this.page.say(`${label}: ${said.error}`, true);
    else if (before?.state !== "projected") this.page.say(`${label} is ready`);
  }
}
