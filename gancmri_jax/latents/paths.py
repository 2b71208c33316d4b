"""Where a video starts, and its path from ED to ES and back (GANcMRI, section 3.3)."""

import jax.numpy as jnp
from jaxtyping import Array, Float

ED_SHARE = 0.7  # of k_ED→ES that takes a random w back to end-diastole (section 3.3.3)


def start_at_ed(
    ws: Float[Array, "num_ws w_dim"], ed_to_es: Float[Array, "num_ws w_dim"]
) -> Float[Array, "num_ws w_dim"]:
    """Return w(1) = w − 0.7 k_ED→ES, the end-diastolic start of a video (section 3.3.3)."""
    return ws - ED_SHARE * ed_to_es


def ed_to_es_path(
    start: Float[Array, "num_ws w_dim"],
    ed_to_es: Float[Array, "num_ws w_dim"],
    num_frames: int = 50,
) -> Float[Array, "num_frames num_ws w_dim"]:
    """Go half the frames towards ES and back the same way, as the authors' demo does.

    The amounts of k_ED→ES at 50 frames are 0, 1/25 … 24/25, 24/25 … 0; an odd number of frames
    has a middle one, at 1.
    """
    half = num_frames // 2
    up = jnp.arange(half) / max(half, 1)
    middle = jnp.ones(num_frames % 2)
    amounts = jnp.concatenate([up, middle, up[::-1]])
    return start[None] + amounts[:, None, None] * ed_to_es[None]
