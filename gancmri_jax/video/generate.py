"""A heart from a seed: its start at end-diastole, and the path of its beat (GANcMRI, 3.3.3)."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import jax
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.paths import ed_to_es_path, frame_to_frame_path, start_at_ed
from gancmri_jax.latents.pca import PAPER_COMPONENTS, pca_residual
from gancmri_jax.model.model import Model

Method = Literal["frame-to-frame", "ed-to-es"]
Steps = Literal["mean", "pca_residual"]


@dataclasses.dataclass(frozen=True)
class Motion:
    """How a heart moves.

    Attributes:
        method: `frame-to-frame` (section 3.3.2) or `ed-to-es` (section 3.3.1).
        num_frames: Frames of a beat.
        steps: The frame-to-frame steps: their `mean` over subjects, or that cleaned as the paper
            does, its `pca_residual`.
        components: Principal components that `pca_residual` takes away.
    """

    method: Method = "frame-to-frame"
    num_frames: int = 50
    steps: Steps = "mean"
    components: int = PAPER_COMPONENTS


def sample_ws(model: Model, seed: int, truncation_psi: float = 1.0) -> Float[Array, "num_ws w_dim"]:
    """Return the ws of a seed: z ~ N(0, 1), mapped and truncated."""
    z = jax.random.normal(jax.random.key(seed), (1, model.z_dim))
    return model.map(z, truncation_psi)[0]


def adjust(
    model: Model, ws: Float[Array, "num_ws w_dim"], amounts: Mapping[str, float]
) -> Float[Array, "num_ws w_dim"]:
    """Move along phenotype directions, w + c·k (section 3.4).

    Raises:
        InputError: The model has no such direction.
    """
    for name, amount in amounts.items():
        ws = ws + amount * _learned(model, "directions", name)
    return ws


def beat(
    model: Model, ws: Float[Array, "num_ws w_dim"], motion: Motion
) -> Float[Array, "t num_ws w_dim"]:
    """Return the path of a beat of the heart at `ws`, from end-diastole on.

    Raises:
        InputError: The model has not learned this motion, or too few steps for the components.
    """
    ed_to_es = _learned(model, "trajectories", "ed_to_es")
    start = start_at_ed(ws, ed_to_es)
    if motion.method == "ed-to-es":
        return ed_to_es_path(start, ed_to_es, motion.num_frames)
    steps = _learned(model, "trajectories", "frame_to_frame")
    if motion.steps == "pca_residual":
        try:
            steps = pca_residual(steps, motion.components)
        except ValueError as error:
            raise InputError(str(error)) from error
    return frame_to_frame_path(start, steps, motion.num_frames)


def _learned(model: Model, kind: Literal["trajectories", "directions"], name: str) -> Array:
    learned = getattr(model, kind)
    if name not in learned:
        has = f"it has {', '.join(learned)}" if learned else "it has none"
        raise InputError(f"the model has no {name} among its {kind} ({has}); see `gancmri fit`")
    return learned[name]
