"""Segmentation: from a cine of any size to masks, and to the left ventricle's probability.

Frames are windowed over their whole sequence, brought to the grid that the segmenter was trained
on, and shown to it; masks go back to the cine's own pixels, the probability stays on the grid. The
grid has a fixed spacing, or it is a window around the heart, which a look at whole frames finds.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Array, Float, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import percentiles_of
from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CLASSES, MULTIPLE
from gancmri_jax.segmentation.augmentation import HEART_SHARE
from gancmri_jax.segmentation.whole import Papillary, in_one_place, main_piece, place_papillary

PERCENTILES = (1.0, 99.0)  # of the whole sequence, that become 0 and 1
LONGER_SIDE_MM = 280.0  # of a cine that does not say its spacing: where to look, not what to report
FRAMES_AT_ONCE = 8
MOST_GRID = 1024  # pixels along a side of the grid; a spacing that asks for more is no cine's
LV, MYOCARDIUM = CLASSES.index("LV"), CLASSES.index("myocardium")
LOOKS, LOOKED_AT = 2, FRAMES_AT_ONCE  # how often, and at how many frames, a heart is looked for
SPECK = 0.2  # of the largest piece of myocardium; smaller ones are dropped


class Segmentation(NamedTuple):
    """What was found in a cine.

    Attributes:
        masks: Each pixel's class, by the network's CLASSES, made whole: one piece a chamber,
            papillary muscles in the pool or in the wall.
        lv_probability: The left ventricle's probability, on the segmenter's grid, of its main
            piece.
        grid_mm: That grid's spacing of rows and columns, NaN where the cine's is not known.
        papillary_pixels: What placing papillary muscles added to the LV in each frame, in pixels
            of the grid; 0 by default.
        raw_masks: The network's own decision, before anything is made whole: what a segmentation
            is judged by.
        confidence: By frame, the mean probability of the class that was chosen, over the heart.
    """

    masks: UInt8[np.ndarray, "t h w"]
    lv_probability: Float[np.ndarray, "t H W"]
    grid_mm: tuple[float, float]
    papillary_pixels: Float[np.ndarray, "t"] | None = None
    raw_masks: UInt8[np.ndarray, "t h w"] | None = None
    confidence: Float[np.ndarray, "t"] | None = None


def segment(
    segmenter: Segmenter,
    cine: Cine,
    on_frames: Callable[[int], object] = lambda _: None,
    papillary: Papillary = "pool",
) -> Segmentation:
    """Segment every frame of a cine.

    Args:
        segmenter: What finds the chambers.
        cine: Frames of any size.
        on_frames: Told how many frames were done since it was last told; what it raises ends the
            work.
        papillary: Whether papillary muscles belong to the LV's pool or to its wall.

    Raises:
        InputError: The cine has no contrast, or is far larger than a chest.
    """
    view = find_heart(segmenter, cine) if segmenter.side else whole_frame(segmenter, cine)
    frames = window(cine, view)
    masks, probabilities, confidence = [], [], []
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        # The last batch is filled up with copies, so that one program serves all.
        at = np.minimum(np.arange(first, first + FRAMES_AT_ONCE), len(frames) - 1)
        count = min(FRAMES_AT_ONCE, len(frames) - first)
        probability, found = _look(segmenter, view, frames, at)
        masks.append(np.asarray(found)[:count])
        probabilities.append(np.asarray(probability[..., LV])[:count])
        confidence.append(np.asarray(confidence_of(probability))[:count])
        on_frames(count)
    seen = Segmentation(
        masks=np.concatenate(masks),
        lv_probability=np.concatenate(probabilities),
        grid_mm=(cine.spacing_mm[0] * view.pixel[0], cine.spacing_mm[1] * view.pixel[1]),
        confidence=np.concatenate(confidence),
    )
    return _made_whole(seen, frames, view.pixel[0] * view.pixel[1], papillary)


class View(NamedTuple):
    """What of a frame the network is shown.

    Attributes:
        corner: Row and column, in the frame's pixels, where the grid begins; may lie outside.
        pixel: Height and width of the grid's pixels, in the frame's.
        grid: Rows and columns of the grid.
    """

    corner: tuple[float, float]
    pixel: tuple[float, float]
    grid: tuple[int, int]


def whole_frame(segmenter: Segmenter, cine: Cine) -> View:
    """Return a grid over the whole frame whose pixels are the segmenter's in millimetres.

    Raises:
        InputError: The frame is far larger than a chest.
    """
    height, width = cine.pixels.shape[1:]
    row_mm, column_mm = cine.spacing_mm
    if math.isnan(row_mm):
        row_mm = column_mm = LONGER_SIDE_MM / max(height, width)
    grid = (
        max(round(height * row_mm / segmenter.pixel_mm), 1),
        max(round(width * column_mm / segmenter.pixel_mm), 1),
    )
    if max(grid) > MOST_GRID:
        raise InputError(
            f"{cine.subject}: frames of {height * row_mm:.0f} by {width * column_mm:.0f} mm are "
            "larger than any chest; look at the spacing"
        )
    return View((0.0, 0.0), (height / grid[0], width / grid[1]), grid)


def find_heart(segmenter: Segmenter, cine: Cine) -> View:
    """Look at some whole frames, then nearer, and return a window around the heart in all of them.

    The heart's box takes up `HEART_SHARE` of the window, whatever the cine's spacing is. Where no
    heart was found, the window is the whole frame.
    """
    assert segmenter.side is not None
    height, width = cine.pixels.shape[1:]
    row_mm, column_mm = cine.spacing_mm
    tall = 1.0 if math.isnan(row_mm) else row_mm / column_mm  # a pixel's height by its width
    view = _square((height / 2, width / 2), max(height * tall, width), tall, segmenter.side)
    at = np.linspace(0, len(cine.pixels), LOOKED_AT, endpoint=False).astype(int)
    for _ in range(LOOKS):
        probability, _ = _look(segmenter, view, window(cine, view), at)
        there = np.asarray(probability.argmax(-1) > 0).any(axis=0)
        pieces, count = scipy.ndimage.label(there)
        if not count:
            break
        largest = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
        rows, columns = scipy.ndimage.find_objects(largest.astype(int))[0]
        middle = ((rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2)
        side = max(rows.stop - rows.start, columns.stop - columns.start) * view.pixel[1]
        centre = (
            view.corner[0] + middle[0] * view.pixel[0],
            view.corner[1] + middle[1] * view.pixel[1],
        )
        view = _square(centre, side / HEART_SHARE, tall, segmenter.side)
    return view


def _made_whole(
    seen: Segmentation, frames: Float[np.ndarray, "t h w"], own_pixels: float, papillary: Papillary
) -> Segmentation:
    """Make whole what a network decided pixel by pixel, and keep its own masks beside it."""
    clean = np.stack([largest_pieces(mask) for mask in in_one_place(seen.masks)])
    pairs = zip(clean, frames, strict=True)
    masks = np.stack([place_papillary(mask, frame, papillary) for mask, frame in pairs])
    added = (masks == LV).sum(axis=(1, 2)) - (clean == LV).sum(axis=(1, 2))
    inside = seen.lv_probability > 0.5
    elsewhere = inside & ~main_piece(inside)
    return seen._replace(
        masks=masks,
        lv_probability=np.where(elsewhere, np.float32(0), seen.lv_probability),
        papillary_pixels=added / own_pixels,
        raw_masks=seen.masks,
    )


def _square(centre: tuple[float, float], side: float, tall: float, pixels: int) -> View:
    """Return a view of so many pixels, `side` of the frame's columns wide and as high in truth."""
    pixel = (side / tall / pixels, side / pixels)
    corner = (centre[0] - pixel[0] * pixels / 2, centre[1] - pixel[1] * pixels / 2)
    return View(corner, pixel, (pixels, pixels))


def window(cine: Cine, view: View | None = None) -> Float[np.ndarray, "t h w"]:
    """Return frames in [0, 1]: two percentiles of the whole sequence become 0 and 1.

    With a view that is a part of the frame, they are the percentiles of that part.
    """
    seen = cine
    if view is not None:
        rows, columns = (
            slice(max(round(start), 0), max(round(start + pixel * count), 1))
            for start, pixel, count in zip(view.corner, view.pixel, view.grid, strict=True)
        )
        seen = dataclasses.replace(cine, pixels=cine.pixels[:, rows, columns])
    low, high = percentiles_of(seen, PERCENTILES)
    if not low < high:
        raise InputError(f"{cine.subject}: has no contrast between percentiles 1 and 99")
    return np.clip((cine.pixels.astype(np.float32) - np.float32(low)) / (high - low), 0, 1).astype(
        np.float32
    )


def largest_pieces(mask: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Keep the largest connected piece of each class, and fill the holes in the left ventricle.

    The myocardium is thin at the apex, so all its pieces stay that are no mere specks.
    """
    cleaned = np.zeros_like(mask)
    for label in range(len(CLASSES) - 1, 0, -1):
        pieces, count = scipy.ndimage.label(mask == label)
        if count:
            sizes = np.bincount(pieces.ravel())[1:]
            least = SPECK * sizes.max() if label == MYOCARDIUM else sizes.max()
            kept = 1 + np.flatnonzero(sizes >= least)
            piece = np.isin(pieces, kept if label == MYOCARDIUM else kept[:1])
            if label == LV:
                piece = scipy.ndimage.binary_fill_holes(piece)
            cleaned[piece] = label
    return cleaned


def logits(
    network: Any,
    variables: Any,
    frames: Float[Array, "n h w"] | Float[Array, "n p h w"],
    x_first: bool = False,
) -> Float[Array, "n h w k"]:
    """Apply the network to frames of any size, padded with zeros and cropped again.

    A network that sees several phases gets them as channels (`p`), or one frame for all.
    """
    frames = frames[:, None] if frames.ndim == 3 else frames
    frames = jnp.moveaxis(frames, 1, -1)
    if x_first:
        frames = frames.swapaxes(1, 2)
    pads = [(-side % MULTIPLE) for side in frames.shape[1:3]]
    around = [(0, 0)] + [(pad // 2, pad - pad // 2) for pad in pads]
    found = network.apply(variables, jnp.pad(frames, [*around, (0, 0)]))
    found = found[
        :,
        around[1][0] : found.shape[1] - around[1][1],
        around[2][0] : found.shape[2] - around[2][1],
    ]
    return found.swapaxes(1, 2) if x_first else found


def _look(
    segmenter: Segmenter, view: View, frames: Float[np.ndarray, "t h w"], at: np.ndarray
) -> tuple[Float[Array, "n H W k"], UInt8[Array, "n h w"]]:
    """Show some frames of a beat; return probabilities in the view, and masks of whole frames."""
    phases = segmenter.network.phases
    later = np.arange(phases) * len(frames) // phases
    shown = frames[(at[:, None] + later) % len(frames)]  # [n p h w]
    program = (segmenter.network, segmenter.x_first, view.grid, segmenter.variables)
    if segmenter.side is None:
        return _segment(*program, shown)
    corner, pixel = (np.asarray(pair, np.float32) for pair in (view.corner, view.pixel))
    return _segment_window(*program, shown, corner, pixel)


@jax.jit
def confidence_of(probabilities: Float[Array, "n h w k"]) -> Float[Array, "n"]:
    """Return the mean probability of the class that is chosen, over the heart; 0 without one."""
    heart = probabilities.argmax(-1) > 0
    chosen = jnp.sum(probabilities.max(-1) * heart, axis=(1, 2))
    return chosen / jnp.maximum(jnp.sum(heart, axis=(1, 2)), 1)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _segment(network, x_first, grid, variables, frames):
    n, _, height, width = frames.shape
    shown = jax.image.resize(frames, (*frames.shape[:2], *grid), "linear")
    probabilities = jax.nn.softmax(logits(network, variables, shown, x_first))
    own = jax.image.resize(probabilities, (n, height, width, len(CLASSES)), "linear")
    return probabilities, own.argmax(-1).astype(jnp.uint8)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _segment_window(network, x_first, grid, variables, frames, corner, pixel):
    n, _, height, width = frames.shape
    move = functools.partial(jax.image.scale_and_translate, method="linear")
    shown = move(frames, (*frames.shape[:2], *grid), (2, 3), 1 / pixel, -corner / pixel)
    probabilities = jax.nn.softmax(logits(network, variables, shown, x_first))
    shape = (n, height, width, len(CLASSES))
    # Outside of the window all is 0, and so the background.
    own = move(probabilities, shape, (1, 2), pixel, corner)
    return probabilities, own.argmax(-1).astype(jnp.uint8)
