"""What a user sees of a run: a bar, `metrics.jsonl`, pictures, the model and how good it is."""

import contextlib
import dataclasses
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, UInt8
from ml_collections import ConfigDict
from tqdm import tqdm

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.cine.records import Records, record_splits
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import BACKBONES, Backbone, extract
from gancmri_jax.metrics.names import short
from gancmri_jax.metrics.protocol import Protocol
from gancmri_jax.metrics.sets import GeneratedSet
from gancmri_jax.metrics.similarity import WINDOW
from gancmri_jax.metrics.table import METRICS
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import LearnedMotion, Motion
from gancmri_jax.runs.writer import MetricsFile, TensorBoard, save_grid
from gancmri_jax.training.encoder import score
from gancmri_jax.training.growth import grown_motion
from gancmri_jax.training.leak import leak
from gancmri_jax.training.state import networks

Frames = UInt8[np.ndarray, "n h w"]

MODEL, BEST = "model.safetensors", "model_best.safetensors"

_GRID = (8, 4)  # columns, rows
_STRIP = (10, 4)  # frames of a beat, hearts
_DISTANCE = "fcn_fd"  # of METRICS
_SEGMENTER = "demo"  # whose features the distance is taken in: it ships with the package
_LEAK = 2.0
_SCORED = 256  # frames of a split that score an encoder
_HELD_BACK = "validation"  # the split


class Progress:
    """The reports of one run, written by one process."""

    def __init__(
        self,
        config: ConfigDict,
        workdir: pathlib.Path,
        data: pathlib.Path,
        tensorboard: bool = False,
    ) -> None:
        self._config, self._workdir, self._data = config, workdir, data
        self._with_tensorboard = tensorboard
        self._tensorboard: TensorBoard | None = None
        self._motion = LearnedMotion()
        self._file: MetricsFile | None = None
        self._best: float | None = None
        self._distances: dict[str, float] = {}
        self._real: Frames | None = None
        self._scored: dict[str, Frames] = {}
        self._known: tuple[Backbone, Float[np.ndarray, "n d"]] | None = None

    def start(self, done: int, total: int) -> None:
        """Begin at step `done` of `total`, forgetting what was written of later ones."""
        self._file = MetricsFile(self._workdir / "metrics.jsonl", done)
        known = [(line["step"], _distances(line)) for line in self._file.lines]
        self._best = min((d for _, found in known for d in found.values()), default=None)
        self._distances = next((found for step, found in known if step == done and found), {})
        inverts = self._config.inversion_learning_rate is not None
        if inverts and self._config.distance_frames and self._config.resolution >= WINDOW:
            splits = record_splits(self._data)
            self._scored = {
                split: real_frames(self._data, _SCORED, self._config.seed, split)
                for split in ("train", _HELD_BACK)
                if split in splits
            }
        if self._with_tensorboard:
            self._tensorboard = TensorBoard(self._workdir / "tensorboard", done)
        with contextlib.suppress(InputError):  # a resumed run no longer needs what it began from
            if self._config.init_from:
                start, rows = load_model(self._config.init_from), networks(self._config)[0].num_ws
                if start.num_ws <= rows:
                    self._motion = grown_motion(start.motion, rows)
        self._bar = tqdm(
            total=total * self._config.batch_size,
            initial=done * self._config.batch_size,
            unit="img",
            unit_scale=True,
            desc="train",
        )

    def step(self) -> None:
        """Count a step."""
        self._bar.update(self._config.batch_size)

    def report(self, values: dict[str, float]) -> None:
        """Write a tick's means, and show the most telling."""
        assert self._file is not None
        used = jax.local_devices()[0].memory_stats() or {}
        if "peak_bytes_in_use" in used:
            values = {**values, "memory_gib": used["peak_bytes_in_use"] / 2**30}
        self._tell(values)
        told = " ".join(f"{n} {values[f'loss/{n}']:.2f}" for n in "gd" if f"loss/{n}" in values)
        if "inversion/reconstruction" in values:
            told += f" rec {values['inversion/reconstruction']:.3f}"
        if "ada/p" in values:
            told += f" p {values['ada/p']:.2f}"
        if "memory_gib" in values:
            told += f" {values['memory_gib']:.1f} GiB"
        self._bar.set_postfix_str(f"{told} {values['images_per_second']:.1f} img/s")

    def close(self) -> None:
        """Finish the bar."""
        self._bar.close()
        if self._tensorboard:
            self._tensorboard.close()

    def snapshot(self, model: Model, done: int) -> None:
        """Leave the model and a grid of the same seeds each time, and measure both.

        A run that started from a model with motion leaves a strip of beating hearts too.
        """
        assert self._file is not None
        columns, rows = _GRID
        z = jax.vmap(lambda seed: jax.random.normal(jax.random.key(seed), (model.z_dim,)))(
            np.arange(columns * rows)
        )
        images = np.asarray(model.synthesize(model.map(z)))
        kimg = done * self._config.batch_size // 1000
        self._picture("samples", images, columns, kimg, done)
        if methods := self._motion.methods:
            frames, hearts = _STRIP
            moving = dataclasses.replace(model, motion=self._motion)
            beats = [moving.video(seed, methods[0], frames) for seed in range(hearts)]
            self._picture("motion", np.concatenate(beats), frames, kimg, done)
        values = self._measure(model, to_uint8(images[..., 0]))
        self._distances = _distances(values)
        for split, found in self.leave(model).items():
            values[f"inversion/ssim{short(int(found['frames']))}_{split}"] = found["ssim"]
        if not values:
            return
        distance = next(iter(self._distances.values()), None)
        if distance is not None and (self._best is None or distance < self._best):
            self._best = distance
            with atomic_write(self._workdir / BEST) as part:
                shutil.copyfile(self._workdir / MODEL, part)
        self._tell({"step": done, "kimg": done * self._config.batch_size / 1000, **values})
        told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        tqdm.write(f"{kimg} kimg: {told}")
        if values.get("leak", 0) > _LEAK:
            tqdm.write(
                f"warning: generated images vary {values['leak']:.1f} times as much in place or "
                "grey level as real ones: augmentation may leak into them; lower ada_target"
            )

    def leave(self, model: Model) -> dict[str, dict[str, float]]:
        """Write the model, and score an encoder that was trained along, by split.

        The model's card keeps the distance that was measured of it, the encoder's the score of
        frames that it has not learned from.
        """
        if self._distances:
            model = dataclasses.replace(model, card=model.card | {"distances": self._distances})
        scores = {split: score(model, frames) for split, frames in self._scored.items()}
        if model.encoder is not None and _HELD_BACK in scores:
            card = model.encoder.card | {"held_back": {_HELD_BACK: scores[_HELD_BACK]}}
            encoder = dataclasses.replace(model.encoder, card=card)
            model = dataclasses.replace(model, encoder=encoder)
        save_model(model, self._workdir / MODEL)
        return scores

    def _tell(self, values: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.append(values)
        if self._tensorboard:
            self._tensorboard.scalars(values)

    def _picture(
        self, name: str, images: Float[np.ndarray, "n h w 1"], columns: int, kimg: int, done: int
    ) -> None:
        end = "" if name == "samples" else f"_{name}"
        path = self._workdir / "samples" / f"{kimg:06d}kimg{end}.png"
        pixels = save_grid(path, images, columns)
        if self._tensorboard:
            self._tensorboard.picture(name, pixels, done)

    def _measure(self, model: Model, fakes: Frames) -> dict[str, Any]:
        values: dict[str, Any] = {}
        count, augmented = self._config.distance_frames, self._config.ada_target is not None
        if (count or augmented) and self._real is None:
            self._real = real_frames(self._data, count or len(fakes), self._config.seed)
        if self._real is not None and augmented:
            values["leak"] = leak(self._real, fakes)
        if self._real is not None and count:
            metric = METRICS[_DISTANCE]
            if self._known is None:
                segmenter = load_model(_SEGMENTER).segmenter
                assert segmenter is not None
                backbone = BACKBONES[metric.backbone](Protocol(segmenter=(segmenter, _SEGMENTER)))
                self._known = backbone, extract(backbone, self._real)
            backbone, real = self._known
            made = GeneratedSet("run", model, Motion()).frames(len(real), self._config.seed)
            name = f"{_DISTANCE}{short(len(real))}"
            values[name] = metric.function(real, extract(backbone, made), Protocol())
        return values


def _distances(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: round(v, 5) for name, v in values.items() if name.startswith(_DISTANCE)}


def real_frames(data: pathlib.Path, count: int, seed: int, split: str = "train") -> Frames:
    """Read frames of as many videos as may be, at most `count`, the same each time."""
    records = Records(data, split)
    rng = np.random.default_rng(seed)
    ends = np.cumsum(records.num_frames)
    chosen = np.sort(rng.choice(ends[-1], min(count, int(ends[-1])), replace=False))
    videos = np.searchsorted(ends, chosen, side="right")
    return np.concatenate(
        [
            records[int(v)].pixels[chosen[videos == v] - (ends[v] - records.num_frames[v])]
            for v in np.unique(videos)
        ]
    )
