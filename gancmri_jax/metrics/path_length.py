"""Perceptual path length: how much images change along small steps in W (Karras et al. 2019, 4.1).

LPIPS of images ε apart, over ε²; with Karras et al. 2020's choices: W, constant noise, no crop.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.model.backbones import load_lpips
from gancmri_jax.model.model import Model
from gancmri_jax.ops.precision import in_full_precision

EPSILON = 1e-4
_AT_ONCE = 4
_MOST_SIDE = 256


def path_length(
    model: Model,
    samples: int,
    along: bool,
    seed: int = 0,
    on_done: Callable[[int], object] = lambda _: None,
) -> Float[np.ndarray, "samples"]:
    """Return the path length at points between pairs of w's.

    Args:
        model: The generator.
        samples: How many pairs.
        along: Take a point anywhere between the two, not the first of them.
        seed: Of the pairs.
        on_done: Told how many are done since it was last told.
    """
    lpips, params = load_lpips()

    @jax.jit
    @in_full_precision
    def lengths(ws, noise):
        variables = {"params": model.params}
        images = jnp.asarray(model.generator.apply(variables, ws, noise, method="synthesize"))
        factor = max(images.shape[1] // _MOST_SIDE, 1)
        n, side, _, c = images.shape
        images = images.reshape(n, side // factor, factor, side // factor, factor, c).mean((2, 4))
        distances = lpips.apply({"params": params}, images[::2], images[1::2])
        return jnp.asarray(distances) / EPSILON**2

    found, root = [], jax.random.key(seed)
    for first in range(0, samples, _AT_ONCE):
        z_key, t_key = jax.random.split(jax.random.fold_in(root, first // _AT_ONCE))
        w = model.map_w(jax.random.normal(z_key, (2 * _AT_ONCE, model.z_dim)))
        start, end = w[::2], w[1::2]
        t = jax.random.uniform(t_key, (_AT_ONCE, 1)) if along else jnp.zeros((_AT_ONCE, 1))
        pair = jnp.stack([start + (end - start) * t, start + (end - start) * (t + EPSILON)], axis=1)
        ws = broadcast_w(pair.reshape(2 * _AT_ONCE, -1), model.num_ws)
        found.append(np.asarray(lengths(ws, model.noise)))
        on_done(min(_AT_ONCE, samples - first))
    return np.concatenate(found)[:samples]


def without_extremes(values: Float[np.ndarray, "samples"]) -> Float[np.ndarray, "kept"]:
    """Leave out the smallest and the largest 1 %, as Karras et al. do."""
    low, high = np.percentile(values, [1, 99])
    return values[(values >= low) & (values <= high)]
