"""How far invented frames are to be believed: real frames are taken away, and made again.

Each frame of a cine is taken for unknown, and made from its two neighbours as frames between them
are. The error of what is made is that of a frame invented across twice the time, so it is an upper
estimate for frames between neighbours. A blend of the neighbours, which needs no model, is made and
measured likewise.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from gancmri_jax.latents.superres import low_pass
from gancmri_jax.model.model import Model
from gancmri_jax.video.superres import Method, motion_weight


class Belief(NamedTuple):
    """Root mean square errors of each frame of a cine, in grey levels from 0 to 255.

    Attributes:
        rendered: Of the rendering of the frame's own code.
        restored: Of the frame made from its neighbours by the method; NaN for the ends of a cine
            that is not closed.
        blended: Of a blend of the neighbours, likewise.
    """

    rendered: Float[np.ndarray, "t"]
    restored: Float[np.ndarray, "t"]
    blended: Float[np.ndarray, "t"]

    @property
    def misleads(self) -> bool:
        """Whether a blend of neighbours restores frames better than the method does."""
        return mean_error(self.restored) > mean_error(self.blended)


def mean_error(errors: Float[np.ndarray, "t"]) -> float:
    """Return the mean of those errors that are known; NaN where none is."""
    known = errors[~np.isnan(errors)]
    return float(known.mean()) if len(known) else float("nan")


def measure_belief(
    model: Model,
    pixels: UInt8[np.ndarray, "t h w"],
    ws: Float[np.ndarray, "t num_ws w_dim"],
    method: Method,
    closed: bool,
) -> Belief:
    """Take each frame away in turn and make it again from its neighbours.

    Args:
        model: The generator that `ws` are codes of.
        pixels: Its frames.
        ws: Their codes.
        method: As `super_resolve` takes it.
        closed: The frame after the last is the first.
    """
    codes = jnp.asarray(ws)
    rendered = _grey(model.render(codes))
    real = pixels.astype(np.float32)
    blend = _between(real)
    if method == "codes":
        restored = _grey(model.render(_between(codes)))
    else:
        smooth = low_pass(codes)
        shown, middle = (_grey(model.render(x)) for x in (smooth, _between(smooth)))
        restored = blend + motion_weight(real, shown) * (middle - _between(shown))
    errors = [_rms(made - real) for made in (rendered, restored, blend)]
    if not closed:
        for error in errors[1:]:
            error[[0, -1]] = np.nan
    return Belief(*errors)


def account_of(
    belief: Belief, generated: Bool[np.ndarray, "dense"], factor: int
) -> list[dict[str, Any]]:
    """Say of each frame of a denser cine whether it was measured, and how far to believe it.

    Args:
        belief: Of the cine that it was made from.
        generated: Which frames were made by a model.
        factor: New frames for each step between frames.
    """
    count = len(belief.rendered)
    frames: list[dict[str, Any]] = []
    for index, made in enumerate(generated):
        before, part = divmod(index, factor)
        if not made:
            frames.append({"frame": index, "measured": True, "source_frame": before})
            continue
        if part == 0:
            told: dict[str, Any] = {"source_frame": before}
            error = float(belief.rendered[before])
        else:
            told = {"between": [before, (before + 1) % count]}
            near = belief.restored[told["between"]]
            error = mean_error(near)
        known = None if np.isnan(error) else round(error, 2)
        frames.append({"frame": index, "measured": False, **told, "error_grey_levels": known})
    return frames


def _between(values: Any) -> Any:
    """Return for each frame the mean of the one before and the one after, round the beat."""
    roll = jnp.roll if isinstance(values, Array) else np.roll
    return (roll(values, 1, axis=0) + roll(values, -1, axis=0)) / 2


def _grey(images: Float[np.ndarray, "t h w 1"]) -> Float[np.ndarray, "t h w"]:
    return (np.clip(images[..., 0], -1, 1) + 1) * 127.5


def _rms(error: Float[np.ndarray, "t h w"]) -> Float[np.ndarray, "t"]:
    return np.asarray(np.sqrt(np.square(error.astype(np.float64)).mean(axis=(1, 2))))
