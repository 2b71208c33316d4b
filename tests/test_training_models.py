"""What a run leaves for training elsewhere, and what training takes from it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model, load_training, read_header, save_model
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.training.checkpoints import export_run
from gancmri_jax.training.config import check_config
from gancmri_jax.training.models import save_to_go_on, start_from
from gancmri_jax.training.state import init_state
from gancmri_jax.training.step import annealed
from tests.tiny import tiny_config, tiny_model

CONFIG = tiny_config(inversion_learning_rate=0.002)


@pytest.fixture(scope="module")
def state():
    """One whose averages differ from what is averaged."""
    fresh = init_state(CONFIG)
    more = lambda tree: jax.tree.map(lambda x: x + 1, tree)  # noqa: E731
    inversion = fresh.inversion.replace(params=more(fresh.inversion.params))
    return fresh.replace(
        g_params=more(fresh.g_params),
        pl_mean=jnp.asarray(0.5),
        ada_p=jnp.asarray(0.25),
        inversion=inversion,
    )


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "model.safetensors"
    save_to_go_on(state, CONFIG, {"frame_ms": 20.0}, path)
    return path


def assert_equal(found, expected, atol=0.0):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), found, expected)


def test_the_file_is_a_model_of_the_averages(file, state):
    model = load_model(file)
    assert_equal(model.params, state.g_ema)
    assert model.card["frame_ms"] == 20.0
    assert read_header(file).training == ["ada_p", "encoder", "g_params", "pl_mean"]
    assert_equal(load_training(file)["g_params"], jax.tree.map(np.asarray, state.g_params))


def test_training_goes_on_with_what_was_trained(file, state):
    started = start_from(_from(file), fresh())
    assert_equal(started.g_params, state.g_params)
    assert_equal(started.g_ema, state.g_ema)
    assert_equal(started.d_params, state.d_params)
    assert_equal(started.inversion.params, state.inversion.params)
    assert_equal(started.inversion.ema, state.inversion.ema, atol=1e-2)  # float16 in the file
    assert (float(started.pl_mean), float(started.ada_p), int(started.step)) == (0.5, 0.25, 0)


def _from(file):
    config = tiny_config(inversion_learning_rate=0.002)
    config.init_from = str(file)
    return config


def fresh():
    config = tiny_config(inversion_learning_rate=0.002)
    config.seed = 1
    return init_state(config)


def test_other_files_have_nothing_of_it(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(tiny_model(), path)
    assert load_training(path) == {} and read_header(path).training == []


def test_a_runs_latest_checkpoint_is_exported(state, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({**CONFIG.to_dict(), "records": "abc"}))
    with Checkpoints(run / "checkpoints") as checkpoints:
        checkpoints.save(state, {"next_index": 0})
    export_run(run, tmp_path / "out.safetensors")
    assert_equal(load_training(tmp_path / "out.safetensors")["g_params"], state.g_params)
    assert "records" not in load_model(tmp_path / "out.safetensors").card["config"]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="give the folder of a training run"):
        export_run(tmp_path, tmp_path / "out.safetensors")


def test_learning_rates_rise_over_the_warm_up():
    config = tiny_config(warmup_kimg=0.016)  # four steps of four images
    check_config(config)
    for step, share in ((0, 0.25), (1, 0.5), (3, 1.0), (9, 1.0)):
        assert annealed({"a": jnp.asarray(2.0)}, jnp.asarray(step), config)["a"] == 2 * share
    with pytest.raises(InputError, match="warmup_kimg must be 0 or above"):
        check_config(tiny_config(warmup_kimg=-1.0))
