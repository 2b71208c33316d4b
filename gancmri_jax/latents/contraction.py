"""How far from end-diastole a frame is on its way to end-systole, read from its code.

A random w is a frame of any moment of the beat. GANcMRI (section 3.3.3) takes every one back by
0.7 k_ED→ES; whole beats, whose moments are known, teach how far each is to be taken.
"""

import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.latents.linear import Linear, fit_linear

_FRAMES = 10  # of each beat, at equal parts of it
MOST_BEATS = 200  # evenly among all: what more would teach is little


def fit_contraction(
    ws: Float[Array | np.ndarray, "v t num_ws w_dim"], ed_to_es: Float[Array, "num_ws w_dim"]
) -> tuple[Linear, float]:
    """Learn where frames are along k_ED→ES, from their own heart's ED on.

    Args:
        ws: Codes of whole beats, from ED on.
        ed_to_es: k_ED→ES.

    Returns:
        What is 0 at ED and 1 a whole k_ED→ES farther, and its cross-validated R² over beats.
    """
    ws = ws[:: -(-len(ws) // MOST_BEATS)]
    frames = np.arange(_FRAMES) * ws.shape[1] // _FRAMES
    k = np.asarray(ed_to_es, np.float64)
    chosen = np.asarray(ws[:, frames])  # [v frames num_ws w_dim]
    along = np.tensordot(chosen - chosen[:, :1], k, axes=2) / np.square(k).sum()
    return fit_linear(chosen.reshape(-1, *k.shape), along.ravel(), _FRAMES)
