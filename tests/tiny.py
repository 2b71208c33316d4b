"""A generator and a training run small enough for tests."""

import dataclasses
import functools
from typing import Any

import jax
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
    keys = jax.random.split(jax.random.key(seed), 5)
    params = jax.jit(generator.init)(keys[0], jax.random.normal(keys[1], (1, 8)))["params"]
    params = jax.tree.map(lambda leaf: leaf if leaf.ndim else leaf + 0.1, params)
    return Model(
        generator=generator,
        params=params,
        w_avg=0.1 * jax.random.normal(keys[2], (8,)),
        noise=draw_noise(keys[3], resolution),
        motion=LearnedMotion(
            (
                EdToEs(jax.random.normal(keys[4], (generator.num_ws, 8))),
                MeanSteps(jax.random.normal(keys[4], (49, generator.num_ws, 8))),
            )
        ),
        directions={"lv_area": jax.random.normal(keys[2], (generator.num_ws, 8))},
        card={"note": "for tests"},
    )


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
