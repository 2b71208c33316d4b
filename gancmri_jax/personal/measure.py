"""How well a personal model renders its heart, and what became of all other hearts.

A replay is compared with the frames themselves, inside the heart; what a blend of each frame's two
neighbours gives is the baseline, for it needs no model.
"""

from typing import NamedTuple

import jax
import numpy as np
import scipy.ndimage
from jaxtyping import Array, Bool, Float, UInt8

from gancmri_jax.latents.steps import roughness
from gancmri_jax.model.model import Model

OTHERS, OTHERS_SEED = 16, 31_337
MARGIN_SHARE = 0.03  # of a frame's side: how far the region reaches beyond the chambers


class Replay(NamedTuple):
    """A heart's replay, measured inside the heart.

    Attributes:
        psnr_db: Against the frames.
        worst_db: Of the worst frame.
        blend_db: Of a blend of each frame's neighbours, against the frames.
        nearer_percent: Frames to which the replay is at least as near as the blend is.
        roughness: Of the path, in latent space.
    """

    psnr_db: float
    worst_db: float
    blend_db: float
    nearer_percent: float
    roughness: float


def heart_region(
    masks: UInt8[np.ndarray, "t h w"] | None, shape: tuple[int, ...]
) -> Bool[np.ndarray, "t h w"]:
    """Return where the heart is in any frame, and a little beyond; everywhere without masks."""
    if masks is None or not masks.any():
        return np.ones(shape, bool)
    margin = max(round(MARGIN_SHARE * shape[-1]), 1)
    there = scipy.ndimage.binary_dilation((masks > 0).any(axis=0), iterations=margin)
    return np.broadcast_to(there, shape)


def region_psnr(
    a: Float[np.ndarray, "t h w"] | UInt8[np.ndarray, "t h w"],
    b: Float[np.ndarray, "t h w"] | UInt8[np.ndarray, "t h w"],
    region: Bool[np.ndarray, "t h w"],
) -> Float[np.ndarray, "t"]:
    """Return the PSNR of each frame in a region, in dB, of grey levels from 0 to 255."""
    error = np.square(a.astype(np.float64) - b.astype(np.float64))
    mean = (error * region).sum(axis=(1, 2)) / region.sum(axis=(1, 2))
    return np.asarray(10 * np.log10(255**2 / np.maximum(mean, 1e-12)))


def grey_levels(images: Float[np.ndarray, "t h w 1"]) -> Float[np.ndarray, "t h w"]:
    """Return images in [−1, 1] as grey levels from 0 to 255, clipped and not rounded."""
    return (np.clip(images[..., 0], -1, 1) + 1) * 127.5


def neighbours_blend(frames: UInt8[np.ndarray, "t h w"]) -> Float[np.ndarray, "t h w"]:
    """Return for each frame of a closed beat the mean of the one before and the one after."""
    shown = frames.astype(np.float32)
    return (np.roll(shown, 1, axis=0) + np.roll(shown, -1, axis=0)) / 2


def measure_replay(
    model: Model,
    path: Float[Array, "t num_ws w_dim"],
    frames: UInt8[np.ndarray, "t h w"],
    region: Bool[np.ndarray, "t h w"],
    at_once: int | None = None,
) -> Replay:
    """Render a path, so many frames at once, and compare it with the frames that it is of."""
    made = grey_levels(model.render(path, at_once))
    own = region_psnr(made, frames, region)
    blend = region_psnr(neighbours_blend(frames), frames, region)
    return Replay(
        psnr_db=_mean_db(own),
        worst_db=float(own.min()),
        blend_db=_mean_db(blend),
        nearer_percent=100 * float(np.mean(own >= blend)),
        roughness=roughness(path, closed=True),
    )


def other_hearts(model: Model) -> Float[Array, "n num_ws w_dim"]:
    """Return the codes of random hearts, the same for all models with the same mapping."""
    z = jax.random.normal(jax.random.key(OTHERS_SEED), (OTHERS, model.z_dim))
    return model.map(z)


def others_change(before: Model, after: Model, at_once: int | None = None) -> float:
    """Return by how many grey levels other hearts changed: root mean square."""
    ws = other_hearts(before)
    made = [grey_levels(model.render(ws, at_once)) for model in (before, after)]
    return float(np.sqrt(np.mean(np.square(made[0] - made[1]))))


def _mean_db(values: Float[np.ndarray, "t"]) -> float:
    """Return the PSNR of the mean square error."""
    return float(-10 * np.log10(np.mean(10 ** (-values / 10))))
