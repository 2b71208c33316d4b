"""A generator and a training run small enough for tests."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gancmri_jax.latents.motions import EdToEs, MeanSteps
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import LearnedMotion
from gancmri_jax.networks.generator import Generator, draw_noise


def tiny_model(seed: int = 0, resolution: int = 16) -> Model:
    """Return a random model whose noise and motion show in its images, drawn once a process."""
    model = _tiny_model(seed, resolution)
    mutable = ("directions", "card")
    return dataclasses.replace(model, **{name: dict(getattr(model, name)) for name in mutable})


@functools.cache
def _tiny_model(seed: int, resolution: int) -> Model:
    generator = Generator(
        resolution=resolution, z_dim=8, w_dim=8, mapping_layers=1, channel_base=64, channel_max=8
    )
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    return Model(
        generator=generator,
        params=random_params(generator, rng),
        w_avg=0.1 * normal(8),
        noise=tuple(
            normal(*level.shape)
            for level in jax.eval_shape(lambda: draw_noise(jax.random.key(0), resolution))
        ),
        motion=LearnedMotion(
            (EdToEs(normal(generator.num_ws, 8)), MeanSteps(normal(49, generator.num_ws, 8)))
        ),
        directions={"lv_area": normal(generator.num_ws, 8)},
        card={"note": "for tests"},
    )


def random_params(generator: Generator, rng: np.random.Generator) -> Any:
    """Draw what the generator's `init` would, with nothing to compile, and noise that shows."""
    z = jnp.zeros((1, generator.z_dim))
    shapes = jax.eval_shape(generator.init, jax.random.key(0), z)["params"]

    def draw(path: Any, leaf: Any) -> jax.Array:
        names = [part.key for part in path]
        if names[-1] == "bias":
            return jnp.full(leaf.shape, 1.0 if "affine" in names else 0.0)
        if names[-1] == "noise_strength":
            return jnp.asarray(0.1)
        scale = 100 if "mapping" in names else 1  # whose learning rate is a hundredth
        return jnp.asarray(rng.normal(0, scale, leaf.shape), leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def tiny_config(**changes: Any) -> ConfigDict:
    """Return a configuration that trains the same generator for four steps at 8²."""
    config = dict(
        data="",
        init_from="",
        inversion_learning_rate=None,
        inversion_kimg=0.0,
        d_warmup_kimg=0.0,
        resolution=8,
        z_dim=8,
        w_dim=8,
        mapping_layers=1,
        channel_base=64,
        channel_max=8,
        mbstd_group=4,
        dtype="float32",
        clamp=None,
        remat=False,
        batch_size=4,
        accumulate=1,
        learning_rate=0.002,
        d_learning_rate=None,
        r1_gamma=1.0,
        d_reg_interval=1,
        pl_weight=2.0,
        g_reg_interval=1,
        style_mixing=0.9,
        ada_target=None,
        ada_kimg=500.0,
        ema_kimg=0.01,
        ema_rampup=None,
        total_kimg=0.016,
        anneal_kimg=0.0,
        kimg_per_tick=0.004,
        kimg_per_snapshot=0.008,
        distance_frames=0,
        seed=0,
    )
    return ConfigDict(config | changes)
