"""Ways to look at what a generator has learned: each returns codes, which `render_uint8` renders.

Truncation and style mixing are StyleGAN's (Karras et al. 2019, sections 3.1 and appendix B).
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

from gancmri_jax.latents.truncation import mix_styles, truncate
from gancmri_jax.model.model import Model


def seed_ws(
    model: Model, seeds: Sequence[int], truncation_psi: float = 1.0
) -> Float[Array, "seeds num_ws w_dim"]:
    """Return the ws of each seed."""
    return jnp.stack([model.sample(seed, truncation_psi) for seed in seeds])


def truncation_sweep(
    model: Model, seeds: Sequence[int], psis: Sequence[float]
) -> Float[Array, "seeds psis num_ws w_dim"]:
    """Return each seed at each truncation psi: 0 is the mean, a negative one the far side of it."""
    ws = seed_ws(model, seeds)
    return jnp.stack([truncate(ws, model.w_avg, psi) for psi in psis], axis=1)


def style_mix(
    model: Model,
    coarse: Sequence[int],
    fine: Sequence[int],
    cutoff: int,
    truncation_psi: float = 1.0,
) -> Float[Array, "coarse fine num_ws w_dim"]:
    """Return every pair of seeds: rows of ws before `cutoff` of the one, the rest of the other."""
    shape = len(coarse), len(fine), model.num_ws, model.w_dim
    from_coarse = jnp.broadcast_to(seed_ws(model, coarse, truncation_psi)[:, None], shape)
    from_fine = jnp.broadcast_to(seed_ws(model, fine, truncation_psi)[None], shape)
    return mix_styles(from_coarse, from_fine, cutoff)


def interpolation(
    ws: Float[Array, "seeds num_ws w_dim"], frames_per_leg: int
) -> Float[Array, "seeds*{frames_per_leg} num_ws w_dim"]:
    """Return a smooth closed path through codes, a periodic cubic spline at equal steps."""
    closed = np.concatenate([ws, ws[:1]])
    spline = CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
    times = np.arange(len(ws) * frames_per_leg) / frames_per_leg
    return jnp.asarray(spline(times), jnp.float32)
