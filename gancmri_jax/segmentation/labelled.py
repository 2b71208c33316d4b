"""Real cines with drawn masks, as frames to fine-tune a segmenter on."""

import dataclasses
import hashlib
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Array, Bool, Float, Shaped, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.masks import Masks, find_masks, read_masks
from gancmri_jax.cine.preprocess import percentiles_of
from gancmri_jax.cine.read import read_cines
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.segmentation.data import FRAMES, heart_box
from gancmri_jax.segmentation.segment import segment

SIDE = 256  # pixels that frames are brought to, as phantoms' are
WINDOW = (0.5, 99.8)  # percentiles of a cine that become 0 and 255
LARGEST = 2.2  # times the drawn part's box that a heart's box can be
ENLARGED = 1.25  # times the box of ventricles that the whole heart's is (median of 60 phantoms)


class LabelledCine(NamedTuple):
    """A cine and what was drawn on some of its frames."""

    cine: Cine
    masks: Masks


class LabelledFrames(NamedTuple):
    """Frames with masks, all brought to one size.

    Attributes:
        images: Each frame, first, and others of its beat [n p h w].
        labels: The first one's mask [n h w].
        hearts: The box around each heart, as in `data.Pool` [n 3].
        drawn: Which classes were drawn in the cine; the others' pixels are labelled background
            [n k].
    """

    images: UInt8[Array, "n p h w"]
    labels: UInt8[Array, "n h w"]
    hearts: Float[Array, "n 3"]
    drawn: Bool[Array, "n k"]

    @property
    def digest(self) -> str:
        """Identify the frames and masks by their content."""
        digest = hashlib.sha256()
        for part in (self.images, self.labels, self.drawn):
            digest.update(np.asarray(part).tobytes())
        return digest.hexdigest()[:16]


def read_labelled(
    path: pathlib.Path,
    on_refusal: Callable[[Refusal], None],
    on_missing: Callable[[str], object] = lambda _: None,
) -> list[LabelledCine]:
    """Read the cines of a folder that have masks (`cine.masks`).

    Args:
        path: A folder with cines and their masks.
        on_refusal: Called with what cannot be read.
        on_missing: Called with the name of each cine that has no mask.

    Raises:
        InputError: A mask does not fit its cine, a subject has several cines, or no cine has a
            mask.
    """
    files = find_masks(path)
    labelled: dict[str, LabelledCine] = {}
    for cine in read_cines(path, on_refusal, keep_ids=True):
        if cine.subject not in files:
            on_missing(cine.subject)
        elif cine.subject in labelled:
            raise InputError(f"{path}: {cine.subject} has several cines, and its masks are of one")
        else:
            labelled[cine.subject] = LabelledCine(cine, read_masks(files[cine.subject], cine))
    if not labelled:
        raise InputError(f"{path}: no cine in it has a mask of its subject's name")
    return [labelled[name] for name in sorted(labelled)]


def hold_out(
    cines: Sequence[LabelledCine], share: float, seed: int
) -> tuple[list[LabelledCine], list[LabelledCine]]:
    """Split cines by subject, one cine each, into those to train on and those held out.

    Args:
        cines: Sorted by subject.
        share: Of subjects to hold out: at least one, unless it is 0.
        seed: Decides which.

    Raises:
        InputError: No subject would be left to train on.
    """
    count = max(1, round(share * len(cines))) if share else 0
    if count >= len(cines):
        raise InputError(
            f"{len(cines)} subjects have masks; holding out {count} leaves none to train on: add "
            "subjects, or give --held-out 0"
        )
    held = set(np.random.default_rng(seed).permutation(len(cines))[:count].tolist())
    return (
        [one for index, one in enumerate(cines) if index not in held],
        [one for index, one in enumerate(cines) if index in held],
    )


def gather_frames(
    cines: Sequence[LabelledCine],
    segmenter: Segmenter,
    on_cine: Callable[[], object] = lambda: None,
) -> LabelledFrames:
    """Bring the labelled frames of cines to one size, `data.FRAMES` of each cine at most.

    Where a chamber was not drawn, the segmenter says how far the heart reaches.
    """
    parts: list[LabelledFrames] = []
    for one in cines:
        parts.append(_frames_of(one, segmenter))
        on_cine()
    return LabelledFrames(
        *(jnp.asarray(np.concatenate(group)) for group in zip(*parts, strict=True))
    )


def _frames_of(one: LabelledCine, segmenter: Segmenter) -> LabelledFrames:
    cine, masks = one
    at = np.unique(np.linspace(0, len(masks.frames) - 1, FRAMES).round().astype(int))
    frames, labels = np.array(masks.frames)[at], masks.labels[at]
    drawn = np.zeros(len(CLASSES), bool)
    drawn[[0, *masks.structures]] = True
    low, high = percentiles_of(cine, WINDOW)
    count, phases = len(cine.pixels), segmenter.network.phases
    later = (frames[:, None] + np.arange(phases) * count // phases) % count  # [n p]

    def picture(frame: int) -> UInt8[np.ndarray, "h w"]:
        shown = np.clip((cine.pixels[frame] - low) / max(high - low, 1e-6), 0, 1)
        return np.round(255 * _squared(shown, cine.spacing_mm, 1)).astype(np.uint8)

    squared = np.stack([_squared(mask, cine.spacing_mm, 0) for mask in labels])
    box = heart_box(squared)
    if not drawn.all():
        whole = np.stack(
            [_squared(m, cine.spacing_mm, 0) for m in _completed(one, frames, labels, segmenter)]
        )
        larger = heart_box(whole)
        found = (whole > 0).sum() > (squared > 0).sum() and larger[2] <= LARGEST * box[2]
        box = larger if found else box * np.array([1, 1, ENLARGED], np.float32)
    n = len(frames)
    return LabelledFrames(
        np.stack([[picture(frame) for frame in row] for row in later.tolist()]),  # type: ignore[arg-type]
        squared,  # type: ignore[arg-type]
        np.tile(box, (n, 1)),  # type: ignore[arg-type]
        np.tile(drawn, (n, 1)),  # type: ignore[arg-type]
    )


def _completed(
    one: LabelledCine,
    frames: Shaped[np.ndarray, "n"],
    labels: UInt8[np.ndarray, "n h w"],
    segmenter: Segmenter,
) -> UInt8[np.ndarray, "n h w"]:
    """Add what a segmenter finds of the chambers that were not drawn."""
    shown = dataclasses.replace(one.cine, pixels=one.cine.pixels[frames], ed_frame=0, es_frame=None)
    found = segment(segmenter, shown).masks
    undrawn = ~np.isin(found, [0, *one.masks.structures])
    return np.where((labels == 0) & undrawn, found, labels)


def _squared(
    image: Shaped[np.ndarray, "h w"], spacing_mm: tuple[float, float], order: int
) -> Shaped[np.ndarray, "s s"]:
    """Resample a frame to a square with pixels as high as wide, black beside the frame."""
    tall = 1.0 if math.isnan(spacing_mm[0]) else spacing_mm[0] / spacing_mm[1]
    height, width = image.shape
    side = max(height * tall, width)  # in columns
    at = (np.arange(SIDE) + 0.5) * side / SIDE - side / 2
    places = np.meshgrid(at / tall + (height - 1) / 2, at + (width - 1) / 2, indexing="ij")
    return scipy.ndimage.map_coordinates(image, places, order=order, mode="constant", cval=0)
