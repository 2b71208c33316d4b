// Plays grey frames on canvases: raw pixels from the server, and one clock for all of them.

/** Frames of a beat: `pixels` is count × height × width bytes. */
export async function fetchFilm(url, signal) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(await reasonOf(answer));
  const [count, height, width] = answer.headers.get("X-Shape").split(",").map(Number);
  const frameMs = Number(answer.headers.get("X-Frame-Ms"));
  return { pixels: new Uint8Array(await answer.arrayBuffer()), count, height, width, frameMs };
}

/** What the server says of a request that it did not grant. */
export async function reasonOf(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

/** The frame that is shown at a phase of the beat, from 0 to below 1. */
export function frameAt(film, phase) {
  return Math.min(Math.floor(phase * film.count + 1e-6), film.count - 1);
}

/** Draw one frame at its own size; how large it is shown is the style sheet's. */
export function paint(canvas, film, index) {
  const { height, width } = film;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const rgba = new Uint32Array(image.data.buffer);
  const first = index * height * width;
  for (let i = 0; i < rgba.length; i++) rgba[i] = 0xff000000 | (film.pixels[first + i] * 0x010101);
  context.putImageData(image, 0, 0);
}

/** Where in the beat all canvases are. Phases go from 0 to below 1; a beat lasts `beatMs`. */
export class Clock {
  constructor(onPhase) {
    this.onPhase = onPhase;
    this.phase = 0;
    this.beatMs = 1000;
    this.speed = 1;
    this.loop = true;
    this.playing = false;
    this.held = false; // while what is shown is about to be replaced
    this.last = 0;
    this.request = 0; // the browser's next call of `tick`
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.last = performance.now();
    this.ask();
  }

  pause() {
    this.playing = false;
    cancelAnimationFrame(this.request);
  }

  ask() {
    this.request = requestAnimationFrame((now) => this.tick(now));
  }

  seek(phase) {
    this.phase = Math.min(Math.max(phase, 0), 1 - 1e-9);
    this.onPhase(this.phase);
  }

  tick(now) {
    this.ask(); // before `onPhase`, which may pause
    const passed = Math.max(now - this.last, 0);
    this.last = now;
    if (!this.held) {
      const phase = this.phase + (passed * this.speed) / this.beatMs;
      if (phase >= 1 && !this.loop) {
        this.pause();
        this.seek(1);
      } else this.seek(phase % 1);
    }
  }
}
