import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import FILE, load_segmenter
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.runs.writer import MetricsFile
from gancmri_jax.segmentation import data, training
from gancmri_jax.segmentation.data import Pool, heart_box, population_of, render_pool, replace
from gancmri_jax.segmentation.training import (
    default_config,
    init_state,
    loss_and_metrics,
    train_segmenter,
)

STEPS = 4


def small_config(**changes):
    small = dict(filters=(2, 2, 2, 2, 2), level_width=2, head_width=2, size=16)
    small |= dict(subjects=2, steps=STEPS, batch_size=2, new_subject_steps=2)
    return ConfigDict({**default_config(), **small, **changes})


@pytest.fixture(scope="module")
def pool():
    """Three normal hearts: one population compiles in a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "population_of", lambda index: "normal")
        return render_pool(3, 0, 3, size=32, frames=4)


def crop(key, beat, other, size, num_classes):
    """In place of augmentation: a corner of the pictures, more or less bright."""
    images = jnp.moveaxis(beat.images[:, :size, :size], 0, -1)
    labels = beat.labels[0, :size, :size]
    return jax.random.uniform(key) / 255 * images, jax.nn.one_hot(labels, num_classes)


@pytest.fixture(scope="module")
def runs(pool, tmp_path_factory):
    """A run of four steps, and one that broke off after the third, its checkpoint of the second."""
    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    append = MetricsFile.append

    def break_off(self, line):
        if line["step"] == 4:
            raise KeyboardInterrupt
        append(self, line)

    def two_of_three(seed, first, subjects, **_):
        at = jnp.array([(first + i) % 3 for i in range(2)])
        slots = jnp.array([(first + i) % 2 for i in range(2)])
        return Pool(*(jnp.zeros_like(part[:2]).at[slots].set(part[at]) for part in pool))

    def next_of_three(old, seed, index):
        return Pool(
            *(part.at[index % 2].set(new[index % 3]) for part, new in zip(old, pool, strict=True))
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "augment", crop)  # which compiles at once
        patch.setattr(training, "render_pool", two_of_three)
        patch.setattr(training, "replace", next_of_three)
        patch.setattr(training, "_REPORT", 1)
        patch.setattr(training, "_SAVE", 2)
        train_segmenter(small_config(), whole)
        patch.setattr(MetricsFile, "append", break_off)
        with pytest.raises(KeyboardInterrupt):
            train_segmenter(small_config(), broken)
        patch.setattr(MetricsFile, "append", append)
        train_segmenter(small_config(), broken)
    return whole, broken


def read_metrics(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]


@pytest.mark.slow
def test_a_resumed_run_is_the_same_bit_for_bit(runs):
    states = []
    for run in runs:
        with Checkpoints(run / "checkpoints") as checkpoints:
            states.append(checkpoints.load_latest(init_state(small_config()))[0])
    assert states[0].step == 4
    jax.tree.map(np.testing.assert_array_equal, *states)
    a, b = (load_segmenter(run) for run in runs)
    jax.tree.map(np.testing.assert_array_equal, a.variables, b.variables)
    jax.tree.map(np.testing.assert_array_equal, a.variables["params"], states[0].params)
    assert read_metrics(runs[0]) == read_metrics(runs[1])


@pytest.mark.slow
def test_a_run_leaves_what_its_user_needs(runs):
    metrics = read_metrics(runs[0])
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert all(np.isfinite(value) for line in metrics for value in line.values())
    assert len({line["loss"] for line in metrics}) == 4
    with Image.open(runs[0] / "samples" / "000004.png") as picture:
        assert picture.size == (12 * 16, 3 * 16)
    card = load_segmenter(runs[0] / FILE).card
    assert card["trained_steps"] == 4 and card["config"]["filters"] == [2, 2, 2, 2, 2]


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again(runs, monkeypatch):
    monkeypatch.setattr(training, "render_pool", lambda *_, **__: pytest.fail("rendered"))
    segmenter = train_segmenter(small_config(), runs[0])
    jax.tree.map(
        np.testing.assert_array_equal, segmenter.variables, load_segmenter(runs[0]).variables
    )


@pytest.mark.slow
def test_a_changed_configuration_is_refused(runs):
    with pytest.raises(InputError, match="phases: 2 → 3"):
        train_segmenter(small_config(phases=3), runs[0])
    with pytest.raises(InputError, match="multiple of 16, got 24"):
        train_segmenter(small_config(size=24), runs[0])


def test_a_pool_holds_beats_and_takes_populations_in_turn(pool):
    assert pool.images.shape == pool.labels.shape == (3, 4, 32, 32)
    assert (pool.images.max(axis=(1, 2, 3)) == 255).all()
    assert set(np.unique(pool.labels)) == {0, 1, 2, 3, 4, 5}
    assert [population_of(index) for index in range(4)] == ["normal", "wide", "clinical", "normal"]
    for labels, heart in zip(pool.labels, pool.hearts, strict=True):
        np.testing.assert_array_equal(heart, heart_box(np.asarray(labels)))


def test_a_new_subject_takes_the_oldest_one_s_place(pool, monkeypatch):
    monkeypatch.setattr(data, "population_of", lambda index: "normal")
    two = render_pool(3, 0, 2, size=32, frames=4)
    moved = replace(two, 3, 2)  # `two` is given away
    for new, old in zip(moved, pool, strict=True):
        np.testing.assert_array_equal(new, jnp.stack([old[2], old[1]]))


def test_the_box_around_a_heart_by_hand():
    masks = np.zeros((2, 20, 30), np.uint8)
    masks[0, 4:10, 5:9] = 1
    masks[1, 6:14, 6:8] = 3
    np.testing.assert_array_equal(heart_box(masks), [8.5, 6.5, 10])  # rows 4 … 13, columns 5 … 8
    np.testing.assert_array_equal(heart_box(0 * masks), [9.5, 14.5, 30])


def test_loss_by_hand():
    # Two pixels: one surely background, one half LV and half myocardium.
    fractions = jnp.array([[1.0, 0, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0, 0]])[None, None]
    logits = jnp.log(jnp.maximum(fractions, 1e-6))
    loss, metrics = loss_and_metrics(logits, fractions)
    np.testing.assert_allclose(metrics["cross_entropy"], np.log(2) / 2, rtol=1e-3)
    for name in ("LV", "myocardium", "RV"):
        np.testing.assert_allclose(metrics[f"dice/{name}"], 1, rtol=1e-4)
    np.testing.assert_allclose(loss, metrics["cross_entropy"], rtol=1e-3)
    # All LV where half of it is: 2 · 0.5 + 1 over 1 + 0.25 + 1.
    wrong = jnp.log(jnp.maximum(jnp.array([[1.0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]]), 1e-6))
    _, metrics = loss_and_metrics(wrong[None, None], fractions)
    np.testing.assert_allclose(metrics["dice/LV"], 2 / 2.25, rtol=1e-4)
    np.testing.assert_allclose(metrics["dice/myocardium"], 1 / 1.25, rtol=1e-4)
