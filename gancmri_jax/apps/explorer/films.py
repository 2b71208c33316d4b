"""What the explorer's panes ask for, rendered: a first frame, a beat, the ventricle's curve."""

import collections
import dataclasses
import math
import pathlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from gancmri_jax.apps.explorer.choice import FACTORS, OWN, Choice, motions
from gancmri_jax.apps.explorer.uploads import Uploads
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.origin import Generated
from gancmri_jax.cine.pictures import UNKNOWN_MM
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.cine.write import SUFFIXES, write_cine
from gancmri_jax.errors import InputError
from gancmri_jax.latents.superres import low_pass
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion
from gancmri_jax.physiology.guidance import DIRECTIONS, Solution, solve
from gancmri_jax.physiology.phenotypes import measure
from gancmri_jax.segmentation.quality import judge
from gancmri_jax.segmentation.segment import segment
from gancmri_jax.video.render import render_uint8
from gancmri_jax.video.superres import super_resolve

MOST_KEPT = 24
FRAMES_BETWEEN_LOOKS = 25  # after which it is seen whether a beat is still wanted
COARSE_FRAMES = 8  # of a beat, that give the first sketch of its curve
FRAME_MS = 20.0  # where the model does not say

WHOLE = ("original", *FACTORS)  # of a cine, that hold its own frames

Wanted = Callable[[], None]


class Film(NamedTuple):
    """Frames to show, and which of them a model generated (see `cine.origin`)."""

    cine: Cine
    generated: Generated


class Films:
    """A model's films, the last ones kept."""

    def __init__(self, model: Model, uploads: Uploads) -> None:
        self.model = model
        self.motions = motions(model)
        self.frame_ms = model.frame_ms or FRAME_MS
        self._uploads = uploads
        self._kept: collections.OrderedDict[Choice, Film] = collections.OrderedDict()
        self._keeping = threading.Lock()
        self._rendering = threading.Lock()

    def warm(self, first: Choice) -> None:
        """Compile what a first request would otherwise wait for, and render what it will be."""
        amounts = tuple((name, 0.5) for name in self.model.directions)
        for name in self.motions[:2]:  # which stand side by side
            self.frame(Choice(name, amounts=amounts), 0)
        self.film(first, lambda: None)

    def frame(self, choice: Choice, phase: float) -> UInt8[np.ndarray, "h w"]:
        """Render one frame, alone; `film` may differ from it by a grey level.

        Args:
            choice: What to show.
            phase: Where in the beat, from 0 to 1.

        Raises:
            InputError: The choice is none.
        """
        kept = self._kept.get(choice)
        if kept is None and choice.motion not in WHOLE:
            path = self._path(choice)
            index = frame_at(phase, len(path))
            return to_uint8(self.model.render(path[index : index + 1], at_once=1))[0, ..., 0]
        frames = (kept or self.film(choice, lambda: None)).cine.pixels
        return frames[frame_at(phase, len(frames))]

    def film(self, choice: Choice, wanted: Wanted) -> Film:
        """Render a beat, unless it is kept.

        Args:
            choice: What to show.
            wanted: Raises when it is not wanted any more.

        Raises:
            InputError: The choice is none.
        """
        with self._rendering:
            wanted()
            if (kept := self._kept.get(choice)) is None:
                if choice.cine:
                    kept = self._cine_film(choice, wanted)
                else:
                    pixels = self._render(self._path(choice), wanted)
                    spacing_mm = self.model.spacing_mm or UNKNOWN_MM
                    subject = f"heart-{choice.seed:04d}"
                    kept = Film(Cine(pixels, spacing_mm, self.frame_ms, subject), None)
        with self._keeping:
            self._kept[choice] = kept
            self._kept.move_to_end(choice)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return kept

    def curve(self, choice: Choice, wanted: Wanted, coarse: bool) -> dict[str, Any]:
        """Measure the left ventricle in a beat, JSON-like.

        Args:
            choice: What is shown.
            wanted: Raises when it is not wanted any more.
            coarse: Look at a few frames only.

        Raises:
            InputError: The choice is none, or the model has no segmenter.
        """
        if self.model.segmenter is None:
            raise InputError("the model has no segmenter; `gancmri train-segmenter` makes one")
        cine = self.film(choice, wanted).cine
        wanted()
        count = len(cine.pixels)
        frames = np.arange(count)
        if coarse:
            frames = np.unique(np.arange(COARSE_FRAMES) * count // COARSE_FRAMES)
            cine = dataclasses.replace(cine, pixels=cine.pixels[frames], ed_frame=0, es_frame=None)
        segmentation = segment(self.model.segmenter, cine, lambda _: wanted())
        findings = measure(cine, segmentation, begins_at_ed=True)
        ed_frame = int(findings.phenotypes["ed_frame"])
        # A few frames do not say how a heart beats.
        flags = () if coarse else judge(segmentation, cine.spacing_mm, ed_frame).flags
        return {
            "frames": frames.tolist(),
            "count": count,
            "areas": [area or None for area in findings.areas_cm2.tolist()],
            "unit": "pixels" if math.isnan(cine.spacing_mm[0]) else "cm²",
            "phenotypes": {
                name: None if math.isnan(value) else value
                for name, value in findings.phenotypes.items()
            },
            "flags": [f"{flag.name}: {flag.reason}" for flag in flags],
        }

    @property
    def targets(self) -> list[str]:
        """The phenotypes that a heart can be made to have."""
        if self.model.segmenter is None or self.model.spacing_mm is None:
            return []
        return [name for name, by in DIRECTIONS.items() if by in self.model.directions]

    def aim(self, choice: Choice, targets: Mapping[str, float]) -> Solution:
        """Return the amounts that give the heart at ED phenotypes, and what it measures then.

        Raises:
            InputError: The phenotypes cannot be reached, or not be measured.
        """
        aimed = {DIRECTIONS.get(name) for name in targets}
        others = tuple((name, amount) for name, amount in choice.amounts if name not in aimed)
        start = self._path(dataclasses.replace(choice, amounts=others))[0]
        with self._rendering:
            return solve(self.model, start, targets)

    def write(self, choice: Choice, form: str, folder: pathlib.Path) -> pathlib.Path:
        """Write a beat as a file of one of `SUFFIXES`, marked as what it is, and return its path.

        Raises:
            InputError: The choice is none, or the format needs what is not known.
        """
        if form not in SUFFIXES:
            raise InputError(f"{form} is none of {', '.join(SUFFIXES)}")
        cine, generated = self.film(choice, lambda: None)
        if cine.frame_ms is None:
            cine = dataclasses.replace(cine, frame_ms=cine.shown_frame_ms)
        name = f"{cine.subject}-{choice.motion}{SUFFIXES[form]}"
        try:
            write_cine(folder / name, cine, generated)
        except InputError as error:
            raise InputError(str(error).replace(str(folder / name), form)) from error
        return folder / name

    def _path(self, choice: Choice) -> Float[Array, "t num_ws w_dim"]:
        amounts = dict(choice.amounts)
        if choice.cine and choice.motion in OWN:
            # Codes of frames found one by one jitter, which would show.
            return jnp.stack(
                [self.model.adjust(ws, amounts) for ws in low_pass(self._codes(choice))]
            )
        if choice.motion not in self.motions:
            known = ", ".join(self.motions)
            raise InputError(f"motion {choice.motion!r} is none of the model's: {known}")
        if choice.cine:
            start = self._codes(choice)[self._uploads[choice.cine].cine.ed_frame]
        else:
            start = self.model.at_ed(self.model.sample(choice.seed, choice.truncation))
        return self.model.beat(self.model.adjust(start, amounts), Motion(choice.motion))

    def _codes(self, choice: Choice) -> Float[Array, "t num_ws w_dim"]:
        loaded = self._uploads[choice.cine]
        if loaded.ws is None:
            raise InputError(loaded.error or "is still being projected")
        return jnp.asarray(loaded.ws)

    def _cine_film(self, choice: Choice, wanted: Wanted) -> Film:
        cine = self._uploads[choice.cine].cine
        if choice.motion == "original":
            return Film(cine, np.zeros(len(cine.pixels), bool))
        path = self._path(choice)
        if choice.motion not in FACTORS:
            cine = dataclasses.replace(cine, pixels=self._render(path, wanted))
            if choice.motion not in OWN:
                cine = dataclasses.replace(cine, frame_ms=self.frame_ms, ed_frame=0, es_frame=None)
            return Film(cine, np.ones(len(path), bool))
        factor = FACTORS[choice.motion]
        if choice.amounts:  # which its own frames do not have
            ws = np.asarray(path)
            return Film(
                *super_resolve(self.model, cine, ws, factor, closed=True, all_generated=True)
            )
        ws = np.asarray(self._codes(choice))
        return Film(*super_resolve(self.model, cine, ws, factor, method="residual", closed=True))

    def _render(
        self, path: Float[Array, "t num_ws w_dim"], wanted: Wanted
    ) -> UInt8[np.ndarray, "t h w"]:
        parts = []
        for first in range(0, len(path), FRAMES_BETWEEN_LOOKS):
            wanted()
            parts.append(render_uint8(self.model, path[first : first + FRAMES_BETWEEN_LOOKS]))
        return np.concatenate(parts)


def frame_at(phase: float, count: int) -> int:
    """Return the frame that is shown at a phase of the beat, as the page's player does."""
    return min(math.floor(phase * count + 1e-6), count - 1)
