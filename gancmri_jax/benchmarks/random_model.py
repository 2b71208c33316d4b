"""An untrained model: as fast as a trained one."""

import jax
import jax.numpy as jnp

from gancmri_jax.model.model import Model, RenderDtype
from gancmri_jax.networks.generator import Generator, draw_noise


def random_model(size: int, channel_base: int, channel_max: int, dtype: RenderDtype) -> Model:
    """Return a model with random parameters, of StyleGAN2's other sizes."""
    generator = Generator(
        resolution=size, channel_base=channel_base, channel_max=channel_max, dtype=jnp.dtype(dtype)
    )
    keys = jax.random.split(jax.random.key(0), 3)
    params = jax.jit(generator.init)(keys[0], jnp.zeros((1, generator.z_dim)))["params"]
    w_avg = jax.random.normal(keys[1], (generator.w_dim,))
    noise = draw_noise(keys[2], size)
    return Model(generator, params, w_avg, noise, dtype=dtype)
