import functools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.runs.checkpoint import Checkpoints
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
        ada_p=jnp.asarray(0.01 * step),
        ada_signs=jnp.asarray(0.3 * step),
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


def test_one_cut_short_is_passed_over_with_a_warning(saved, tmp_path, capsys):
    folder = tmp_path / "checkpoints"
    shutil.copytree(saved, folder)
    largest = max((p for p in (folder / "3").rglob("*") if p.is_file()), key=_size)
    largest.write_bytes(largest.read_bytes()[: _size(largest) // 2])
    with Checkpoints(folder) as checkpoints:
        state, data = checkpoints.load_latest(make_state(0))
    assert state.step == 2 and data == {"next_index": 20}
    assert "3: cannot be read" in capsys.readouterr().err


def _size(path):
    return path.stat().st_size


def test_an_empty_folder_has_none(tmp_path):
    with Checkpoints(tmp_path / "none") as checkpoints:
        assert checkpoints.load_latest(make_state(0)) is None
