"""How a heart moves: the path of one beat from its start at end-diastole (GANcMRI, 3.3.3)."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.paths import ed_to_es_path, frame_to_frame_path, start_at_ed
from gancmri_jax.latents.pca import PAPER_COMPONENTS, pca_residual

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


def beat_path(
    ws: Float[Array, "num_ws w_dim"], trajectories: Mapping[str, Array], motion: Motion
) -> Float[Array, "t num_ws w_dim"]:
    """Return the path of a beat of the heart at `ws`, from end-diastole on.

    Args:
        ws: The heart.
        trajectories: `ed_to_es` [num_ws w_dim], and `frame_to_frame` [steps num_ws w_dim] for
            that method.
        motion: How it moves.

    Raises:
        InputError: A trajectory is missing, or there are too few steps for the components.
    """
    ed_to_es = learned(trajectories, "ed_to_es", "trajectories")
    start = start_at_ed(ws, ed_to_es)
    if motion.method == "ed-to-es":
        return ed_to_es_path(start, ed_to_es, motion.num_frames)
    steps = learned(trajectories, "frame_to_frame", "trajectories")
    if motion.steps == "pca_residual":
        try:
            steps = pca_residual(steps, motion.components)
        except ValueError as error:
            raise InputError(str(error)) from error
    return frame_to_frame_path(start, steps, motion.num_frames)


def learned(kept: Mapping[str, Array], name: str, kind: str) -> Array:
    """Return what a model has learned under a name.

    Raises:
        InputError: There is no such thing; the message lists what there is.
    """
    if name not in kept:
        has = ", ".join(kept) or "none"
        raise InputError(
            f"the model has no {name} among its {kind} (it has {has}); see `gancmri fit`"
        )
    return kept[name]
