import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from gancmri_jax.errors import InputError
from gancmri_jax.model.encoder import network_for
from gancmri_jax.model.file import load_model
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.runs.writer import MetricsFile
from gancmri_jax.training import encoder as training
from gancmri_jax.training.encoder import (
    MODEL,
    default_config,
    generated_frames,
    init_state,
    score,
    train_encoder,
)
from gancmri_jax.training.losses import picture_distances
from tests.tiny import tiny_model
from tests.tiny_encoder import SIZES, encoding_model

STEPS = 40


def small_config(**changes):
    small = {**SIZES, "steps": STEPS, "batch_size": 4, "learning_rate": 3e-3}
    return ConfigDict({**default_config(), **small, **changes})


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def frames(model):
    return generated_frames(model, 9, 6)


@pytest.fixture(scope="module")
def runs(model, frames, tmp_path_factory):
    """A run, and one that broke off after its checkpoint of half the steps."""
    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    append = MetricsFile.append

    def break_off(self, line):
        if line["step"] == STEPS:
            raise KeyboardInterrupt
        append(self, line)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "spoil_each", lambda keys, images: images)  # compiles at once
        patch.setattr(training, "_REPORT", STEPS // 4)
        patch.setattr(training, "_SAVE", STEPS // 2)
        train_encoder(model, small_config(), whole, frames)
        patch.setattr(MetricsFile, "append", break_off)
        with pytest.raises(KeyboardInterrupt):
            train_encoder(model, small_config(), broken, frames)
        patch.setattr(MetricsFile, "append", append)
        train_encoder(model, small_config(), broken, frames)
    return whole, broken


def read_metrics(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]


@pytest.mark.slow
def test_a_resumed_run_is_the_same_bit_for_bit(runs, model):
    states = []
    for run in runs:
        with Checkpoints(run / "checkpoints") as checkpoints:
            like = init_state(model, network_for(model.generator, SIZES), small_config())
            states.append(checkpoints.load_latest(like)[0])
    assert states[0].step == STEPS
    jax.tree.map(np.testing.assert_array_equal, *states)
    assert read_metrics(runs[0]) == read_metrics(runs[1])
    a, b = (load_model(run) for run in runs)
    assert a.encoder.fingerprint == b.encoder.fingerprint


@pytest.mark.slow
def test_a_run_leaves_the_model_with_an_encoder_that_has_learned(runs, model):
    metrics = read_metrics(runs[0])
    assert [line["step"] for line in metrics] == [STEPS // 4 * k for k in (1, 2, 3, 4)]
    assert all(np.isfinite(value) for line in metrics for value in line.values())
    assert metrics[-1]["real/picture"] < 0.95 * metrics[0]["real/picture"]
    found = load_model(runs[0] / MODEL)
    assert found.fingerprint == model.fingerprint
    card = found.encoder.card
    assert card["trained_steps"] == STEPS and card["config"]["hidden"] == SIZES["hidden"]
    assert card["data"] == "images of the model itself, and 6 real frames"
    with Image.open(runs[0] / "samples" / f"{STEPS:06d}.png") as picture:
        assert picture.size == (12 * 16, 3 * 16)


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again(runs, model, frames, monkeypatch):
    monkeypatch.setattr(training, "make_step", lambda *_: pytest.fail("trained"))
    again = train_encoder(model, small_config(), runs[0], frames)
    assert again.encoder.fingerprint == load_model(runs[0]).encoder.fingerprint


@pytest.mark.slow
def test_another_model_other_frames_and_sizes_are_refused(runs, model, frames, tmp_path):
    with pytest.raises(InputError, match="hidden: 6 → 7"):
        train_encoder(model, small_config(hidden=7), runs[0], frames)
    with pytest.raises(InputError, match="another configuration .*model: "):
        train_encoder(tiny_model(seed=1), small_config(), runs[0], frames)
    with pytest.raises(InputError, match="another configuration .*frames: "):
        train_encoder(model, small_config(), runs[0])
    with pytest.raises(InputError, match="raise --channel-base"):
        train_encoder(model, small_config(channel_base=8), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_first_guess_is_near_the_mean(model):
    state = init_state(model, network_for(model.generator, SIZES), small_config())
    np.testing.assert_array_equal(state.params["out"]["bias"], model.w_avg)


def test_picture_distance_by_hand():
    a, b = jnp.zeros((2, 16, 16, 1)), jnp.zeros((2, 16, 16, 1))
    a = a.at[0].set(0.5)  # at 16² and at 8², a difference of ½ everywhere
    a = a.at[1, ::2].set(1.0)  # at 16² in every second row, at 8² half of it everywhere
    np.testing.assert_allclose(picture_distances(a, b), [0.25 + 0.25, 0.5 + 0.25])


def test_a_guess_that_is_right_scores_best(monkeypatch):
    model = encoding_model()
    frames = generated_frames(model, 0, 5)
    w = model.map_w(jax.random.normal(jax.random.key(0), (5, model.z_dim)))
    worse = score(model, frames)
    monkeypatch.setattr(type(model), "encode", lambda self, images: w)
    best = score(model, frames)
    assert best["ssim"] == 1.0 and np.isinf(best["psnr_db"]) and best["frames"] == 5
    assert worse["ssim"] < 0.99
