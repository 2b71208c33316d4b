import functools
import json
import shutil
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import write_records
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.training import loop, perceptual, phantoms
from gancmri_jax.training.config import OPTIONAL, with_optional
from gancmri_jax.training.loop import start_from, train
from gancmri_jax.training.state import init_state
from tests.tiny import tiny_config


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of 21 frames, all different, so that an epoch is no whole number of batches."""
    rng = np.random.default_rng(0)
    cines = [
        Cine(rng.integers(0, 256, (7, 8, 8), np.uint8), (1.5, 2.0), 30.0, f"s{i}") for i in range(3)
    ]
    out = tmp_path_factory.mktemp("records") / "out"
    write_records(out, {"train": cines})
    return out


@functools.cache
def drawn(channel_base, inversion_learning_rate):
    """Draw a state once: tracing that takes seconds."""
    own = {"channel_base": channel_base, "channel_max": channel_base // 8}
    return init_state(tiny_config(**own, inversion_learning_rate=inversion_learning_rate))


def fresh(config, mesh=None):
    """Return a configuration's first state, with buffers of its own."""
    return jax.tree.map(jnp.copy, drawn(config.channel_base, config.inversion_learning_rate))


def stand_in(config, mesh):
    """Make a step that compiles at once: what is trained moves, each time by another number."""

    @jax.jit
    def number(step, images):
        key = jax.random.fold_in(jax.random.key(config.seed), step)
        return jax.random.uniform(key) + jnp.mean(images) / 255

    def step(state, images, *, train_g, train_d, invert, **_):
        by = number(state.step, images)

        def moved(tree):
            return jax.tree.map(lambda leaf: leaf + 0.01 * by, tree)

        metrics, changes = {}, {"step": state.step + 1}
        if train_g or invert:
            names = ("g_params", "g_ema", "w_avg", "pl_mean")
            changes |= {name: moved(getattr(state, name)) for name in names}
        if train_g:
            metrics["loss/g"] = by
        if train_d:
            changes["d_params"] = moved(state.d_params)
            metrics["loss/d"] = 2 * by
        if invert:
            own = {name: moved(getattr(state.inversion, name)) for name in ("params", "ema")}
            changes["inversion"] = state.inversion.replace(**own)
            metrics |= {"inversion/reconstruction": by, "inversion/w_unlike": by}
        return state.replace(**changes), metrics

    return step


@pytest.fixture(scope="module", params=["stand-in", pytest.param("real", marks=pytest.mark.slow)])
def steps(request):
    """Train with a stand-in for the step, and where time allows with the real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "init_state", fresh)
        if request.param == "stand-in":
            patch.setattr(loop, "make_step", stand_in)
        yield


@pytest.fixture(scope="module")
def runs(steps, records, tmp_path_factory):
    """A run of four steps, and one that broke off after the second step's checkpoint."""
    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    train(tiny_config(data=str(records)), whole)
    train(tiny_config(data=str(records), total_kimg=0.008), broken)
    with (broken / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "kimg": 0.012}\n{"step": 4, "ki')
    train(tiny_config(data=str(records)), broken)
    return whole, broken


def read_metrics(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]


def read_checkpoint(run):
    with Checkpoints(run / "checkpoints") as checkpoints:
        return checkpoints.load_latest(fresh(tiny_config()))


def test_a_resumed_run_is_the_same_bit_for_bit(runs):
    (state, data), (resumed, resumed_data) = map(read_checkpoint, runs)
    assert state.step == 4 and data == resumed_data
    jax.tree.map(np.testing.assert_array_equal, state, resumed)
    tensors, resumed_tensors = (load_file(run / "model.safetensors") for run in runs)
    assert tensors.keys() == resumed_tensors.keys()
    jax.tree.map(np.testing.assert_array_equal, tensors, resumed_tensors)


def test_the_discriminator_catches_up_alone(runs, records, tmp_path):
    start = {"init_from": str(runs[0]), "d_warmup_kimg": 0.004, "total_kimg": 0.004}
    config = tiny_config(data=str(records), **start)
    train(config, tmp_path)  # one step, all of it warm-up
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        after, _ = checkpoints.load_latest(fresh(config))
    before = start_from(config, fresh(config))
    jax.tree.map(np.testing.assert_array_equal, before.g_params, after.g_params)
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), before.d_params, after.d_params)
    assert all(jax.tree.leaves(changed))


def test_both_networks_learn(runs):
    state, after = jax.device_get((fresh(tiny_config()), read_checkpoint(runs[0])[0]))
    for name in ("g_params", "d_params", "g_ema"):
        before_and_after = jax.tree.map(
            lambda a, b: bool((a != b).any()), getattr(state, name), getattr(after, name)
        )
        assert all(jax.tree.leaves(before_and_after)), name
    assert (after.w_avg != 0).all() and after.pl_mean > 0


def test_metrics_have_one_line_a_tick(runs):
    metrics, resumed = map(read_metrics, runs)
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert [line["kimg"] for line in metrics] == [0.004, 0.008, 0.012, 0.016]
    assert metrics == resumed
    assert all(np.isfinite(value) for line in metrics for value in line.values())
    assert len({line["loss/g"] for line in metrics}) == 4  # each step has random numbers of its own


def test_a_run_leaves_a_model_and_grids(runs):
    model = load_model(runs[0])
    assert model.card["trained_kimg"] == 0.016 and model.card["config"]["seed"] == 0
    assert model.spacing_mm == (1.5, 2.0) and model.frame_ms == 30.0
    (state, _) = read_checkpoint(runs[0])
    jax.tree.map(np.testing.assert_array_equal, model.params, state.g_ema)
    np.testing.assert_array_equal(model.w_avg, state.w_avg)
    with Image.open(runs[0] / "samples" / "000000kimg.png") as grid:
        assert grid.size == (8 * 8, 4 * 8)


def test_a_changed_configuration_is_refused(runs, records):
    with pytest.raises(InputError, match="r1_gamma: 1.0 → 2.0"):
        train(tiny_config(data=str(records), r1_gamma=2.0), runs[0])


def test_a_run_that_diverges_stops_and_says_where(records, tmp_path, monkeypatch):
    """The metric of the third step is no number; the second step's checkpoint stays."""

    def make_step(config, mesh):
        def step(state, images, **_):
            value = jnp.where(state.step == 2, jnp.nan, 1.0)
            metrics = {"loss/g": jnp.float32(1), "loss/d": value}
            return state.replace(step=state.step + 1), metrics

        return step

    monkeypatch.setattr(loop, "make_step", make_step)
    config = tiny_config(data=str(records), kimg_per_tick=0.008)
    with pytest.raises(
        InputError, match="loss/d is nan at step 3; the last checkpoint is of step 2"
    ):
        train(config, tmp_path)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.latest == 2
    assert [line["step"] for line in read_metrics(tmp_path)] == [2]


def test_a_model_file_can_be_trained_on_from(runs, records):
    config = tiny_config(data=str(records), init_from=str(runs[0]))
    own = fresh(config)
    state = loop.start_from(config, own)
    model = load_model(runs[0])
    jax.tree.map(np.testing.assert_array_equal, state.g_params, model.params)
    jax.tree.map(np.testing.assert_array_equal, state.g_ema, model.params)
    np.testing.assert_array_equal(state.w_avg, model.w_avg)
    jax.tree.map(np.testing.assert_array_equal, state.d_params, own.d_params)
    wide = tiny_config(init_from=str(runs[0]), channel_base=128, channel_max=16)
    with pytest.raises(InputError, match="layers of its generator at 4² are 8 wide"):
        loop.start_from(wide, fresh(wide))


def test_training_goes_on_from_a_model_file(runs, records, tmp_path):
    config = tiny_config(data=str(records), init_from=str(runs[0]), total_kimg=0.004)
    model = train(config, tmp_path)
    start = load_model(runs[0])
    moved = jax.tree.map(lambda a, b: float(abs(a - b).max()), model.params, start.params)
    assert 0 < max(jax.tree.leaves(moved)) < 0.1


def test_data_of_another_resolution_are_refused(records, tmp_path):
    with pytest.raises(InputError, match="frames are 8×8, .* resolution is 16.*--size 16"):
        train(tiny_config(data=str(records), resolution=16), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_regularisers_are_lazy_and_ticks_are_means(records, tmp_path, monkeypatch):
    """A regulariser's mean is over the steps that had it: 0, 2, 4 for G and 0, 3 for D."""
    asked = []

    def make_step(config, mesh):
        def step(state, images, *, regularize_g, regularize_d, **_):
            asked.append((regularize_g, regularize_d))
            value = jnp.float32(state.step)
            metrics = {"loss/g": value, "loss/d": jnp.float32(images.shape[0])}
            metrics |= {"reg/pl_penalty": value} if regularize_g else {}
            metrics |= {"reg/r1_penalty": value} if regularize_d else {}
            return state.replace(step=state.step + 1), metrics

        return step

    monkeypatch.setattr(loop, "make_step", make_step)
    config = tiny_config(
        data=str(records), g_reg_interval=2, d_reg_interval=3, total_kimg=0.024, kimg_per_tick=0.012
    )
    train(config, tmp_path)
    assert asked == [(True, True), (False, False), (True, False)] + [
        (False, True),
        (True, False),
        (False, False),
    ]
    first, second = read_metrics(tmp_path)
    assert (first["loss/g"], second["loss/g"], first["loss/d"]) == (1.0, 4.0, 4.0)
    assert (first["reg/pl_penalty"], second["reg/pl_penalty"]) == (1.0, 4.0)
    assert (first["reg/r1_penalty"], second["reg/r1_penalty"]) == (0.0, 3.0)


def test_a_run_grows_with_its_discriminator(runs):
    """From its last checkpoint, which the model file does not hold all of."""
    config = tiny_config(init_from=str(runs[0]), resolution=16)
    (before, _), shapes = read_checkpoint(runs[0]), jax.eval_shape(lambda: init_state(config))
    drawn = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)
    state = start_from(config, drawn)
    assert jax.tree.map(jnp.shape, state) == jax.tree.map(jnp.shape, shapes)
    for name in ("g_params", "g_ema"):
        old, new = getattr(before, name)["synthesis"], getattr(state, name)["synthesis"]
        jax.tree.map(np.testing.assert_array_equal, {n: new[n] for n in old}, old)
        assert not jnp.any(new["b16_torgb"]["kernel"]) and jnp.all(new["b16_conv0"]["kernel"] == 1)
    old, new = before.d_params, state.d_params
    kept = old.keys() - {"fromrgb"}
    jax.tree.map(
        np.testing.assert_array_equal, {n: new[n] for n in kept}, {n: old[n] for n in kept}
    )
    assert new["fromrgb"]["kernel"].shape == (1, 1, 1, 4)
    assert (state.w_avg == before.w_avg).all() and state.pl_mean == before.pl_mean


def test_phantoms_come_beside_the_records_and_a_run_goes_on_with_the_same(
    records, tmp_path, monkeypatch, steps
):
    seen = []

    def noting(config, mesh):
        step = stand_in(config, mesh)

        def noted(state, images, **parts):
            seen.append(np.asarray(images))
            return step(state, images, **parts)

        return noted

    monkeypatch.setattr(loop, "make_step", noting)
    monkeypatch.setattr(
        phantoms, "rendered", lambda seed, index, size: np.full((25, size, size), 7, np.uint8)
    )
    config = tiny_config(data=str(records), phantoms_share=0.25)
    train(config, tmp_path / "whole")
    whole = seen.copy()
    train(tiny_config(**{**config, "total_kimg": 0.008}), tmp_path / "broken")
    train(config, tmp_path / "broken")
    assert len(whole) == 4 and len(seen) == 8
    for batch, again in zip(whole, seen[4:], strict=True):
        assert (batch == 7).all(axis=(1, 2, 3)).sum() == 1
        np.testing.assert_array_equal(batch, again)


def test_the_frozen_segmenter_of_a_run_is_pinned(records, tmp_path, monkeypatch, steps):
    """Its fingerprint is in the run's configuration and card; its path may change."""
    config = tiny_config(
        data=str(records),
        inversion_learning_rate=0.01,
        perceptual_segmenter="a",
        perceptual_weight=1.0,
        total_kimg=0.004,
    )
    found = {"a": "1234", "b": "1234", "c": "5678"}
    given = []

    def noting(config, mesh):
        step = stand_in(config, mesh)

        def noted(state, images, looks, **parts):
            given.append(looks)
            return step(state, images, **parts)

        return noted

    monkeypatch.setattr(loop, "make_step", noting)
    monkeypatch.setattr(loop, "looks_of", lambda config, sharding: ("look",))
    monkeypatch.setattr(
        perceptual, "load_frozen", lambda name: types.SimpleNamespace(fingerprint=found[name])
    )
    model = train(config, tmp_path)
    assert model.card["config"]["perceptual_fingerprint"] == "1234" and given == [("look",)]
    train(tiny_config(**{**config, "perceptual_segmenter": "b", "total_kimg": 0.008}), tmp_path)
    assert len(given) == 2
    with pytest.raises(InputError, match="perceptual_fingerprint: 1234 → 5678"):
        train(tiny_config(**{**config, "perceptual_segmenter": "c"}), tmp_path)


def test_runs_of_before_go_on(runs, records, tmp_path):
    """Their configuration lacks the keys that are new, which now are what they were then."""
    shutil.copytree(runs[0], tmp_path / "run")
    written = json.loads((tmp_path / "run" / "config.json").read_text())
    assert not set(written) & set(OPTIONAL)
    (tmp_path / "run" / "config.json").write_text(json.dumps(written))
    config = with_optional(tiny_config(data=str(records), total_kimg=0.02))
    assert train(config, tmp_path / "run").card["trained_kimg"] == 0.02


@pytest.fixture(scope="module")
def inverted(steps, records, tmp_path_factory):
    """A run of two steps, one without an adversary and one with."""
    run = tmp_path_factory.mktemp("inverted")
    stages = {"inversion_learning_rate": 0.01, "inversion_kimg": 0.004, "total_kimg": 0.008}
    train(tiny_config(data=str(records), **stages), run)
    return run


def test_an_encoder_that_is_trained_along_comes_with_the_model(inverted):
    model = load_model(inverted)
    frames = np.zeros((3, 8, 8, 1), np.float32)
    assert model.encode(frames).shape == (3, 8)
    assert "trained together" in model.encoder.card["data"]
    alone, joint = read_metrics(inverted)
    assert set(alone) - set(joint) == set() and "loss/d" in joint.keys() - alone.keys()
    assert {"inversion/reconstruction", "inversion/w_unlike"} < alone.keys()


def test_a_models_encoder_is_trained_on(inverted, runs):
    config = tiny_config(init_from=str(inverted), inversion_learning_rate=0.01)
    model, found = load_model(inverted), start_from(config, fresh(config))
    jax.tree.map(np.testing.assert_array_equal, found.inversion.params, model.encoder.params)
    jax.tree.map(np.testing.assert_array_equal, found.inversion.ema, model.encoder.params)
    own = model.map_w(jax.random.normal(jax.random.key(0), (512, 8)))
    np.testing.assert_allclose(found.inversion.w_queue, own, rtol=1e-5, atol=1e-6)

    bare = tiny_config(init_from=str(runs[0]), inversion_learning_rate=0.01)
    with pytest.raises(InputError, match="no encoder of the sizes .*channel_base.: 64"):
        start_from(bare, fresh(bare))
    later = tiny_config(**{**bare, "inversion_kimg": 1.0})
    started, own = start_from(later, fresh(later)).inversion, fresh(later).inversion
    jax.tree.map(np.testing.assert_array_equal, started.params, own.params)
