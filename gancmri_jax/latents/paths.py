"""Where a video starts, and its path from ED to ES and back (GANcMRI, section 3.3)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gancmri_jax.latents.linear import Linear

PAPER_CONTRACTION = 0.7  # of any random w (section 3.3.3)


def start_at_ed(
    ws: Float[Array, "num_ws w_dim"],
    ed_to_es: Float[Array, "num_ws w_dim"],
    contraction: Linear | None = None,
) -> Float[Array, "num_ws w_dim"]:
    """Return w(1) = w − c k_ED→ES, the end-diastolic start of a video (section 3.3.3).

    c is the frame's contraction, within 0 and 1, or where that is not known the paper's 0.7.
    """
    c = PAPER_CONTRACTION if contraction is None else jnp.clip(contraction.of(ws), 0.0, 1.0)
    return ws - c * ed_to_es


def ed_to_es_path(
    start: Float[Array, "num_ws w_dim"],
    ed_to_es: Float[Array, "num_ws w_dim"],
    num_frames: int = 50,
) -> Float[Array, "{num_frames} num_ws w_dim"]:
    """Go half the frames towards ES and back the same way, as the authors' demo does.

    The amounts of k_ED→ES at 50 frames are 0, 1/25 … 24/25, 24/25 … 0; an odd number of frames
    has a middle one, at 1.
    """
    half = num_frames // 2
    up = jnp.arange(half) / max(half, 1)
    middle = jnp.ones(num_frames % 2)
    amounts = jnp.concatenate([up, middle, up[::-1]])
    return start[None] + amounts[:, None, None] * ed_to_es[None]
