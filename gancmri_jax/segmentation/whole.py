"""What is whole in a heart is made whole: a chamber is one piece, and the LV pool has no holes.

By the field's convention papillary muscles belong to the left ventricle's pool (Schulz-Menger et
al., J Cardiovasc Magn Reson 2020, allow either; UK Biobank's contours include them). Lengths are in
shares of the heart's size, so that they need no spacing: the square root of the area of all
chambers and the wall.
"""

from typing import Literal

import numpy as np
import scipy.ndimage
import scipy.sparse
from jaxtyping import Bool, Float, UInt8

from gancmri_jax.networks.cardiac_fcn import CLASSES

Papillary = Literal["pool", "wall"]
LV, MYOCARDIUM, RV, LA, RA = (
    CLASSES.index(name) for name in ("LV", "myocardium", "RV", "LA", "RA")
)
CLOSING = 0.045  # of the heart's size, about 5 mm: half the width of indentations that are filled
RIM_PIXELS = 1.5  # of the pool's edge, dark because pixels hold both pool and wall
SMALLEST_MUSCLE = 0.002  # of the heart's area, about 0.2 cm²
LEAST_CONTRAST = 0.1  # between pool and wall, of the window: with less, no muscle can be told


def heart_size(mask: UInt8[np.ndarray, "h w"]) -> float:
    """Return the square root of the heart's area, in pixels."""
    return float(np.sqrt(np.count_nonzero(mask)))


def main_piece(region: Bool[np.ndarray, "t h w"]) -> Bool[np.ndarray, "t h w"]:
    """Keep the piece of a region that is largest in space and time, the beat being closed.

    A chamber stays where it is within a beat: a larger piece elsewhere in a single frame is
    another organ. Frames that have nothing of that piece keep what they have.
    """
    pieces, count = scipy.ndimage.label(region)
    if count < 2:
        return region
    both = region[-1] & region[0]
    joins = (np.ones(both.sum()), (pieces[-1][both], pieces[0][both]))
    graph = scipy.sparse.coo_matrix(joins, shape=(count + 1, count + 1))
    _, names = scipy.sparse.csgraph.connected_components(graph, directed=False)
    names = names[pieces]
    sizes = np.bincount(names[region])
    kept = region & (names == sizes.argmax())
    present = kept.any(axis=(1, 2), keepdims=True)
    return np.where(present, kept, region)


def in_one_place(masks: UInt8[np.ndarray, "t h w"]) -> UInt8[np.ndarray, "t h w"]:
    """Remove all of a chamber that is not connected with its main piece, in space or time."""
    cleaned = masks.copy()
    for label in (LV, RV, LA, RA):
        region = masks == label
        cleaned[region & ~main_piece(region)] = 0
    return cleaned


def place_papillary(
    mask: UInt8[np.ndarray, "h w"], frame: Float[np.ndarray, "h w"], papillary: Papillary
) -> UInt8[np.ndarray, "h w"]:
    """Give papillary muscles to the pool, or to the wall.

    Args:
        mask: Classes of one frame, in which the LV has no holes.
        frame: Its intensities in [0, 1].
        papillary: `pool`: narrow indentations of the pool are filled. `wall`: dark islands and
            indentations of the pool, save those at the LA, which are inflow, become myocardium.
    """
    lv = mask == LV
    if not lv.any():
        return mask
    placed = mask.copy()
    if papillary == "pool":
        closed = _closed(lv, max(CLOSING * heart_size(mask), 1.0))
        placed[closed & ((mask == MYOCARDIUM) | (mask == 0))] = LV
    else:
        placed[_muscles(mask, frame)] = MYOCARDIUM
    return placed


def _closed(region: Bool[np.ndarray, "h w"], radius: float) -> Bool[np.ndarray, "h w"]:
    """Close a region by a disc, and fill its holes."""
    pad = int(np.ceil(radius)) + 1
    outside = np.pad(~region, pad, constant_values=True)
    grown = scipy.ndimage.distance_transform_edt(outside) <= radius
    closed = scipy.ndimage.distance_transform_edt(grown) > radius
    return scipy.ndimage.binary_fill_holes(closed[pad:-pad, pad:-pad] | region)


def _muscles(
    mask: UInt8[np.ndarray, "h w"], frame: Float[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    lv, wall = mask == LV, mask == MYOCARDIUM
    none = np.zeros_like(lv)
    if not wall.any():
        return none
    pool_level, wall_level = np.median(frame[lv]), np.median(frame[wall])
    if pool_level - wall_level < LEAST_CONTRAST:
        return none
    dark = lv & (frame < (pool_level + wall_level) / 2)
    core = dark & (scipy.ndimage.distance_transform_edt(np.pad(lv, 1))[1:-1, 1:-1] > RIM_PIXELS)
    pieces, count = scipy.ndimage.label(core)
    near_la = scipy.ndimage.binary_dilation(mask == LA, iterations=3)
    found = none.copy()
    for piece in range(1, count + 1):
        grown = scipy.ndimage.binary_dilation(pieces == piece, iterations=2) & dark
        large = grown.sum() >= SMALLEST_MUSCLE * np.count_nonzero(mask)
        if large and not (grown & near_la).any():
            found |= grown
    return found
