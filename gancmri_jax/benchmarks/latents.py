"""How fast latent codes of a study become motion, directions and frames between frames."""

import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.benchmarks.measure import Result, time_rounds
from gancmri_jax.latents.directions import high_minus_low
from gancmri_jax.latents.pca import pca_residual
from gancmri_jax.latents.steps import mean_ed_to_es, mean_steps
from gancmri_jax.latents.superres import dense_times, read_at, transitions

NUM_WS, W_DIM, FRAMES = 14, 512, 50  # the paper's, at 256²
_FACTOR = 2  # of the frame rate


def benchmark_latents(subjects: int, rounds: int) -> Result:
    """Learn ED-to-ES, frame-to-frame, its residual and a direction; double all frame rates.

    These are sums over subjects and reads of memory, so no operations are counted. Subjects are
    mapped over by `vmap`.
    """
    shape = (subjects, FRAMES, NUM_WS, W_DIM)
    ws = jax.random.normal(jax.random.key(0), shape, jnp.float32)
    values = np.linspace(0.0, 1.0, subjects)
    times = dense_times(FRAMES, _FACTOR)
    double = jax.jit(jax.vmap(lambda one: read_at(one[0], transitions(one), times)))

    def work() -> None:
        steps = mean_steps(ws)
        learned = (
            mean_ed_to_es(ws[:, 0], ws[:, FRAMES // 3]),
            pca_residual(steps),
            high_minus_low(ws[:, 0], values),
            double(ws),
        )
        jax.block_until_ready(learned)

    timing = time_rounds(work, rounds)
    return Result(
        name="latents",
        seconds=timing.seconds,
        gflops=None,
        timing=timing,
        rate=("subjects_per_second", subjects / timing.seconds),
        settings=dict(subjects=subjects, frames=FRAMES, num_ws=NUM_WS, w_dim=W_DIM),
    )
