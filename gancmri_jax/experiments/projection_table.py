"""Ways to project, measured beside one another: modes, spaces, starts, and numbers of steps.

GANcMRI projects frame by frame into W, in 1000 steps from the mean w (section 3.2).
"""

import functools
import hashlib
import math
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_model_range, to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.compile_time import CompileTime
from gancmri_jax.experiments.journal import Journal, Result
from gancmri_jax.latents.steps import roughness
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.metrics.lpips import lpips
from gancmri_jax.metrics.similarity import WINDOW, psnr, ssim
from gancmri_jax.model.model import Model
from gancmri_jax.projection.distance import Distance, chosen, image_features
from gancmri_jax.projection.modes import Mode
from gancmri_jax.projection.settings import Settings, Space, Start
from gancmri_jax.projection.store import read_latents, read_noise
from gancmri_jax.projection.study import project_study
from gancmri_jax.weights.cache import cached_path

Frames = UInt8[np.ndarray, "t h w"]

PULL = 0.1  # of the rows of W+, towards W
LEAST_FRAMES = 3  # of a video, for its steps to have a roughness


class Way(NamedTuple):
    """A way to project; none of its steps is the encoder's guess alone."""

    mode: Mode
    space: Space
    pull_to_w: float
    start: Start
    steps: int

    def slug(self, model: Model) -> str:
        """Return a name for files, which tells one encoder from another."""
        space = f"{self.space}-pulled" if self.pull_to_w else self.space
        name = f"{self.mode}-{space}-{self.start}-{self.steps}"
        if self.start == "encoder" and model.encoder is not None:
            name += f"-{model.encoder.fingerprint}"
        return name

    def __str__(self) -> str:
        space = f"{self.space} pulled" if self.pull_to_w else self.space
        return f"{self.mode}, {space}, {self.start}, {self.steps} steps"


class Row(NamedTuple):
    """What a way came to: means over frames, of `roughness` over videos.

    Attributes:
        way: The way.
        perceptual: LPIPS, or the distance in the segmenter's features where there is no LPIPS.
        ssim, psnr: Of the renderings beside the frames, as bytes.
        roughness: Of the paths of codes: 0 for an even walk, √3 for jitter alone.
        seconds: Of the search, without compilation.
    """

    way: Way
    perceptual: float
    ssim: float
    psnr: float
    roughness: float
    seconds: float


def ways(steps: int, few: int, encoder: bool) -> list[Way]:
    """List what is compared.

    Args:
        steps: Of a long search from the mean.
        few: Of a short search.
        encoder: The model has one to start from.
    """
    listed = [Way("frames", "w", 0.0, "mean", steps), Way("frames", "w", 0.0, "mean", few)]
    if encoder:
        listed += [Way("frames", "w", 0.0, "encoder", n) for n in (0, max(few // 2, 1), few)]
    others: list[tuple[Mode, Space, float]] = [
        ("joint", "w", 0.0),
        ("neighbour", "w", 0.0),
        ("frames", "w+", 0.0),
        ("frames", "w+", PULL),
    ]
    for mode, space, pull in others:
        listed.append(Way(mode, space, pull, "mean", steps))
        if encoder:
            listed.append(Way(mode, space, pull, "encoder", few))
    return list(dict.fromkeys(listed))


def thin_out(cine: Cine, num_frames: int | None) -> Cine:
    """Return a cine with so many of its frames, the first of each equal part of the beat.

    Raises:
        InputError: It has fewer frames, or too small ones, for the comparison.
    """
    have = len(cine.pixels)
    wanted = have if num_frames is None else num_frames
    if have < max(wanted, LEAST_FRAMES):
        raise InputError(
            f"{cine.subject}: has {have} frames, not {max(wanted, LEAST_FRAMES)}; give fewer "
            f"--frames, from {LEAST_FRAMES} on, or leave the cine out"
        )
    if min(cine.pixels.shape[1:]) < WINDOW:
        raise InputError(
            f"{cine.subject}: frames of {cine.pixels.shape[1:]} are too small for SSIM"
        )
    at = np.arange(wanted) * have // wanted
    return Cine(cine.pixels[at], cine.spacing_mm, None, cine.subject)


def compare(
    model: Model,
    cines: Sequence[Cine],
    out: pathlib.Path,
    compared: Sequence[Way],
    *,
    distance: Distance = "auto",
    batch_size: int | None = None,
    seed: int = 0,
    tell: Callable[[str], object] = lambda line: None,
    on_start: Callable[[str, int], Callable[[float], object]] = lambda what, of: lambda n: None,
) -> Iterator[Row]:
    """Project the cines in each way, and measure what was found; ways that are done stay done.

    Yields the rows one by one, as they are done.

    Args:
        model: The generator.
        cines: Videos in uint8 at the model's resolution, each a whole beat.
        out: Folder of the comparison; the latent store of each way stays in `stores/`.
        compared: The ways.
        distance: What all searches lower.
        batch_size: Frames at once, by default what suits the machine.
        seed: Of the searches.
        tell: Is told a line for each way.
        on_start: Told of a way and its frame-steps; what it returns is told how many were taken.

    Raises:
        InputError: `out` holds another comparison, or cines cannot be projected so.
    """
    distance, perceptual = chosen(distance, model), perceptual_distance(model)
    digest = hashlib.sha256()
    for cine in cines:
        digest.update(repr((cine.subject, cine.pixels.shape)).encode())
        digest.update(np.ascontiguousarray(cine.pixels).data)
    settings = {
        "model": model.fingerprint,
        "segmenter": model.segmenter and model.segmenter.fingerprint,
        "videos": digest.hexdigest()[:16],
        "distance": distance,
        "perceptual distance": perceptual[0] if perceptual else None,
        "batch size": batch_size,
        "seed": seed,
    }
    journal = Journal(out, settings, tell)
    frames = sum(len(cine.pixels) for cine in cines)

    def project_and_measure(way: Way) -> Result:
        told = on_start(str(way), way.steps * frames)
        took = search(model, cines, _store(model, out, way), way, distance, batch_size, seed, told)
        return {**measure(model, cines, out, way), "search_seconds": round(took, 2)}

    for way in compared:
        result = journal.stage(way.slug(model), functools.partial(project_and_measure, way), _say)
        names = ("perceptual", "ssim", "psnr", "roughness", "search_seconds")
        yield Row(way, *(math.nan if result[name] is None else result[name] for name in names))


def search(
    model: Model,
    cines: Sequence[Cine],
    store: pathlib.Path,
    way: Way,
    distance: Distance,
    batch_size: int | None,
    seed: int,
    on_steps: Callable[[float], object],
) -> float:
    """Project in one way into a store, and return the seconds that it took without compilation."""
    if not way.steps:
        targets = to_model_range(cines[0].pixels)[..., None]
        jax.block_until_ready(model.encode(targets))  # compiled before it is timed
        begin = time.perf_counter()
        for cine in cines:
            jax.block_until_ready(model.encode(to_model_range(cine.pixels)[..., None]))
        return time.perf_counter() - begin
    if store.exists():  # of a search that broke off: its time would not be known
        shutil.rmtree(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings(way.steps, way.space, distance, start=way.start, pull_to_w=way.pull_to_w)
    begin = time.perf_counter()
    with CompileTime() as compiling:
        project_study(
            model,
            cines,
            store,
            settings,
            mode=way.mode,
            batch_size=batch_size,
            seed=seed,
            keep_noise=True,
            on_steps=on_steps,
        )
    return time.perf_counter() - begin - compiling.seconds


def measure(
    model: Model, cines: Sequence[Cine], out: pathlib.Path, way: Way
) -> dict[str, float | None]:
    """Measure what was found: distances, likeness, roughness; None is what cannot be measured."""
    codes = _codes(model, cines, out, way)
    found = [render(model, ws, noise) for ws, noise in codes]
    pairs = [(cine.pixels, frames) for cine, frames in zip(cines, found, strict=True)]
    perceptual = perceptual_distance(model)
    return {
        "perceptual": None if perceptual is None else _mean(perceptual[1], pairs),
        "ssim": _mean(ssim, pairs),
        "psnr": _mean(psnr, pairs),
        "roughness": float(np.mean([roughness(ws, closed=True) for ws, _ in codes])),
    }


def perceptual_distance(model: Model) -> tuple[str, Callable[[Frames, Frames], np.ndarray]] | None:
    """Return the name of what stands in the first column, and what measures it.

    It is LPIPS where its weights are in the cache, else the distance in the features of the model's
    segmenter, else nothing.
    """
    if cached_path("vgg16-lpips").exists():
        return "lpips", lambda a, b: np.asarray(lpips(a, b))
    if model.segmenter is None:
        return None
    features = jax.jit(image_features("cardiac_features", model))

    def distance(a: Frames, b: Frames) -> np.ndarray:
        shown = [features(to_model_range(frames)[..., None]) for frames in (a, b)]
        return np.asarray(jnp.sum(jnp.square(shown[0] - shown[1]), axis=1))

    return "cardiac_features", distance


def render(model: Model, ws: Float[Array, "t num_ws w_dim"], noise: Sequence[np.ndarray]) -> Frames:
    """Render codes with noise maps, those of each frame [t h w] or of all [1 h w], as bytes."""
    frames = []
    for index in range(len(ws)):
        own = tuple(jnp.asarray(level[index % len(level)])[None] for level in noise)
        frames.append(model.synthesize(ws[index : index + 1], own))
    return to_uint8(np.concatenate(frames))[..., 0]


def found_frames(model: Model, cine: Cine, out: pathlib.Path, way: Way) -> Frames:
    """Render what a way found of the first cine of a comparison in `out`."""
    return render(model, *_codes(model, [cine], out, way)[0])


def _codes(
    model: Model, cines: Sequence[Cine], out: pathlib.Path, way: Way
) -> list[tuple[Float[Array, "t num_ws w_dim"], Sequence[np.ndarray]]]:
    """Return the codes and noise maps of each cine, as stored, or as the encoder guesses them."""
    if not way.steps:
        guesses = [model.encode(to_model_range(cine.pixels)[..., None]) for cine in cines]
        noise = [np.asarray(level) for level in model.noise]
        return [(broadcast_w(w, model.num_ws), noise) for w in guesses]
    codes, _ = read_latents(store := _store(model, out, way))
    return [
        (
            jnp.asarray(codes.ws[video, : len(cine.pixels)]),
            [level[: len(cine.pixels)] for level in read_noise(store, video)],
        )
        for video, cine in enumerate(cines)
    ]


def _store(model: Model, out: pathlib.Path, way: Way) -> pathlib.Path:
    return out / "stores" / f"{way.slug(model)}.zarr"


def _mean(
    score: Callable[[Frames, Frames], np.ndarray], pairs: Sequence[tuple[Frames, Frames]]
) -> float:
    return float(np.concatenate([score(a, b) for a, b in pairs]).mean())


def _say(result: Result) -> str:
    return f"SSIM {result['ssim']:.3f}, PSNR {result['psnr']:.2f} dB"
