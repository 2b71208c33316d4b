"""How fast a model is trained: the step's programs, in the proportions of lazy regularisation."""

import statistics

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gancmri_jax.benchmarks.ideal import discriminator_gflop, synthesis_gflop, training_gflop
from gancmri_jax.benchmarks.measure import Result, Timing, gbytes_of, time_rounds
from gancmri_jax.training.state import init_state, networks
from gancmri_jax.training.step import make_step

INTERVALS = {"g": 4, "d": 16}


def training_config(
    size: int, channel_base: int, channel_max: int, batch: int, dtype: str, remat: bool = False
) -> ConfigDict:
    """Return what the step of a run depends on, with the intervals of config-f."""
    return ConfigDict(
        dict(
            resolution=size,
            z_dim=512,
            w_dim=512,
            mapping_layers=8 if size >= 256 else 2,  # the paper's, and the phantom's
            channel_base=channel_base,
            channel_max=channel_max,
            mbstd_group=4,
            dtype=dtype,
            clamp=None,
            remat=remat,
            batch_size=batch,
            accumulate=1,
            learning_rate=0.002,
            d_learning_rate=None,
            inversion_learning_rate=None,
            anneal_kimg=0.0,
            r1_gamma=1.0,
            d_reg_interval=INTERVALS["d"],
            pl_weight=2.0,
            g_reg_interval=INTERVALS["g"],
            style_mixing=0.9,
            ada_target=None,
            ada_kimg=500.0,
            ema_kimg=10.0,
            ema_rampup=None,
            seed=0,
        )
    )


def benchmark_training(
    size: int, channel_base: int, channel_max: int, batch: int, dtype: str, rounds: int
) -> Result:
    """Take steps without and with each regulariser, and average over the 16 of a full turn."""
    config = training_config(size, channel_base, channel_max, batch, dtype)
    step = make_step(config)
    images = jax.random.bits(jax.random.key(0), (batch, size, size, 1), jnp.uint8)
    state = init_state(config)

    def timed(regularize_g: bool, regularize_d: bool) -> tuple[Timing, float | None]:
        parts = dict(regularize_g=regularize_g, regularize_d=regularize_d)

        def work() -> None:
            nonlocal state
            state, _ = step(state, images, **parts)
            jax.block_until_ready(state)

        timing = time_rounds(work, rounds)
        return timing, gbytes_of(step, state, images, **parts)

    # Of 16 steps, 12 have no regulariser, 3 the path length and 1 both.
    shares = (12 / 16, 3 / 16, 1 / 16)
    variants = [timed(False, False), timed(True, False), timed(True, True)]
    timings = [timing for timing, _ in variants]
    copies = [t.copy_gb_per_second for t in timings if t.copy_gb_per_second is not None]
    timing = timings[0]._replace(
        seconds=sum(share * t.seconds for share, t in zip(shares, timings, strict=True)),
        matmul_gflops=statistics.median(t.matmul_gflops for t in timings),
        copy_gb_per_second=statistics.median(copies) if copies else None,
    )
    moved = [share * (gbytes or 0.0) for share, (_, gbytes) in zip(shares, variants, strict=True)]
    generator, _ = networks(config)
    ideal = training_gflop(
        synthesis_gflop(generator),
        discriminator_gflop(size, channel_base, channel_max),
        INTERVALS["g"],
        INTERVALS["d"],
    )
    return Result(
        name="training",
        seconds=timing.seconds,
        gflops=batch * ideal / timing.seconds,
        timing=timing,
        rate=("images_per_second", batch / timing.seconds),
        settings=dict(
            size=size,
            channel_base=channel_base,
            channel_max=channel_max,
            batch=batch,
            dtype=dtype,
            mapping_layers=config.mapping_layers,
        ),
        gbytes=sum(moved) or None,
    )
