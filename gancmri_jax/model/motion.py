"""How a heart moves: the path of one beat from its start at end-diastole (GANcMRI, 3.3.3)."""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents import motions
from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.motions import LatentMotion, path_from
from gancmri_jax.latents.paths import start_at_ed
from gancmri_jax.latents.pca import PAPER_COMPONENTS

# Each model of the beat, what it is, and which trajectory of a model file it needs.
MOTIONS = {
    "published": ("from ED to ES and back, by the amounts of the authors' demo", "ed_to_es"),
    "mean": ("mean steps from frame to frame, closed to a cycle", "frame_to_frame"),
    "pca_residual": (
        "these steps cleaned by principal components, as published",
        "frame_to_frame",
    ),
    "fourier": ("sines and cosines fitted to the mean beat", "frame_to_frame"),
    "spline": ("a periodic smoothing spline through the mean beat", "frame_to_frame"),
    "polynomial": ("polynomials of time fitted to the mean beat", "frame_to_frame"),
    "aligned": ("a mean of beats whose systoles are brought together first", "aligned"),
    "conditioned": ("a beat according to the heart it starts from", "conditioned"),
}
_RULES = {
    "mean": motions.mean,
    "fourier": motions.fourier,
    "spline": motions.spline,
    "polynomial": motions.polynomial,
}
ED_TO_ES = "published"  # the paper's two methods, by the names of their models
FRAME_TO_FRAME = ("aligned", "mean")  # the first that a model has learned


@dataclasses.dataclass(frozen=True)
class Motion:
    """How a heart moves.

    Attributes:
        method: One of MOTIONS; or `ed-to-es`, which is `published` (section 3.3.1), or
            `frame-to-frame` (section 3.3.2), the best of its kind that the model has learned.
        num_frames: Frames of a beat.
        components: Principal components that `pca_residual` takes away.

    Raises:
        InputError: There is no such method.
    """

    method: str = "frame-to-frame"
    num_frames: int = 50
    components: int = PAPER_COMPONENTS

    def __post_init__(self) -> None:
        if self.method not in (*MOTIONS, "frame-to-frame", "ed-to-es"):
            raise InputError(
                f"unknown motion {self.method}; there are {', '.join(MOTIONS)}, and the paper's "
                "frame-to-frame and ed-to-es"
            )


def at_ed(
    ws: Float[Array, "num_ws w_dim"], trajectories: Mapping[str, Array]
) -> Float[Array, "num_ws w_dim"]:
    """Take a frame of any moment of the beat back to end-diastole, where a beat starts.

    Raises:
        InputError: `ed_to_es` is missing.
    """
    ed_to_es = learned(trajectories, "ed_to_es", "trajectories")
    return start_at_ed(ws, ed_to_es, _linear(trajectories, "contraction"))


def beat_path(
    start: Float[Array, "num_ws w_dim"], trajectories: Mapping[str, Array], motion: Motion
) -> Float[Array, "t num_ws w_dim"]:
    """Return the path of a beat.

    Args:
        start: The heart at end-diastole.
        trajectories: What the model has learned.
        motion: How the heart moves.

    Raises:
        InputError: A trajectory is missing, or there are too few steps for the motion.
    """
    return path_from(latent_motion(trajectories, motion), start)


def latent_motion(trajectories: Mapping[str, Array], motion: Motion) -> LatentMotion:
    """Return a motion from what is kept of it.

    What is kept is learned from many beats; the other models are fixed rules, which give the same
    for the mean beat as for all beats.

    Raises:
        InputError: A trajectory is missing, or there are too few steps for the motion.
    """
    name = resolve(motion.method, trajectories)
    alike = _without_depth(name, trajectories, motion)
    if name == "conditioned":  # which itself says how deep a start's beat is
        return alike
    return alike._replace(log_depth=_linear(trajectories, "log_depth"))


def _without_depth(name: str, trajectories: Mapping[str, Array], motion: Motion) -> LatentMotion:
    num_frames = motion.num_frames
    kept = learned(trajectories, MOTIONS[name][1], "trajectories")
    try:
        if name == "published":
            pair = jnp.stack([jnp.zeros_like(kept), kept])
            return motions.published(pair[None], np.array([1]), num_frames)
        if name == "aligned":
            return motions.read_curve(kept, num_frames)
        if name == "conditioned":
            mean, scored_by = (
                learned(trajectories, name, "trajectories")
                for name in ("aligned", "conditioned_axes")
            )
            offsets, *responses = (
                motions.read_curve(curve, num_frames).offsets for curve in (mean, *kept)
            )
            return LatentMotion(offsets, scored_by[0], scored_by[1:], jnp.stack(responses))
        beat = jnp.concatenate([jnp.zeros_like(kept[:1]), jnp.cumsum(kept, axis=0)])[None]
        no_es = np.array([0])  # which these rules do not look at
        if name == "pca_residual":
            return motions.pca_residual(beat, no_es, num_frames, motion.components)
        return _RULES[name](beat, no_es, num_frames)
    except ValueError as error:
        raise InputError(f"{name} motion: {error}") from error


def resolve(method: str, trajectories: Mapping[str, Array]) -> str:
    """Return which of MOTIONS a method is for a model that has learned these trajectories."""
    if method == "ed-to-es":
        return ED_TO_ES
    if method == "frame-to-frame":
        return next((name for name in FRAME_TO_FRAME if name in trajectories), "mean")
    return method


def motions_of(trajectories: Mapping[str, Array]) -> list[str]:
    """Return the names of MOTIONS that a model with these trajectories can follow."""
    if "ed_to_es" not in trajectories:
        return []
    names = [name for name, (_, needs) in MOTIONS.items() if needs in trajectories]
    if "pca_residual" in names and len(trajectories["frame_to_frame"]) < PAPER_COMPONENTS + 2:
        names.remove("pca_residual")  # which would leave nothing
    return names


def _linear(trajectories: Mapping[str, Array], name: str) -> Linear | None:
    if name not in trajectories:
        return None
    return Linear(*learned(trajectories, name, "trajectories"))


def learned(kept: Mapping[str, Array], name: str, kind: str) -> Array:
    """Return what a model has learned under a name, in float32.

    Raises:
        InputError: There is no such thing; the message lists what there is.
    """
    if name not in kept:
        has = ", ".join(kept) or "none"
        raise InputError(
            f"the model has no {name} among its {kind} (it has {has}); see `gancmri fit`"
        )
    return jnp.asarray(kept[name], jnp.float32)
