import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.training.checkpoint import Checkpoints
from gancmri_jax.training.state import TrainState, optimizers
from tests.tiny import tiny_config


def make_state(step):
    params = {"a": jnp.full((2, 3), float(step)), "b": {"c": jnp.asarray(0.1 * step)}}
    g_optimizer, d_optimizer = optimizers(tiny_config())
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        g_params=params,
        d_params=params,
        g_ema=params,
        g_opt=g_optimizer.init(params),
        d_opt=d_optimizer.init(params),
        w_avg=jnp.full(8, 0.5 * step),
        pl_mean=jnp.asarray(2.0 * step),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    with Checkpoints(folder) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(make_state(step), {"next_index": 10 * step})
    return folder


def test_the_newest_comes_back_whole(saved):
    with Checkpoints(saved) as checkpoints:
        state, data = checkpoints.load_latest(make_state(0))
    assert data == {"next_index": 30}
    jax.tree.map(
        functools.partial(np.testing.assert_array_equal, strict=True), state, make_state(3)
    )


def test_older_ones_go(saved):
    assert sorted(p.name for p in saved.iterdir() if p.is_dir()) == ["2", "3"]


def test_an_empty_folder_has_none(tmp_path):
    with Checkpoints(tmp_path / "none") as checkpoints:
        assert checkpoints.load_latest(make_state(0)) is None
