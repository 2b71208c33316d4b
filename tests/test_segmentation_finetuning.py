import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter, load_segmenter
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.segmentation import finetuning, training
from gancmri_jax.segmentation.augmentation import Beat
from gancmri_jax.segmentation.data import Pool
from gancmri_jax.segmentation.finetuning import (
    augment_labelled,
    labelled_count,
    marginal_loss_and_metrics,
    start_from,
)
from gancmri_jax.segmentation.labelled import LabelledFrames
from gancmri_jax.segmentation.training import (
    default_config,
    draw_mixed,
    loss_and_metrics,
    train_segmenter,
)
from tests.tiny_segmenter import random_variables, tiny_segmenter

NETWORK = CardiacFCN((2, 2, 2, 2, 2), level_width=2, head_width=2, phases=2)
VENTRICLES = [True, True, True, True, False, False]


@functools.cache
def start():
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), random_variables(NETWORK, 0))
    return Segmenter(NETWORK, variables, 9.0, side=16)


def config_of(**changes):
    config = default_config()
    config.update(subjects=2, batch_size=4, new_subject_steps=9, **changes)
    start_from(config, start(), "demo", changes)
    config.data_share = 0.5
    return config


def test_sizes_come_from_the_segmenter():
    config = config_of()
    assert config.filters == (2, 2, 2, 2, 2) and config.size == 16 and config.phases == 2
    assert (config.steps, config.learning_rate) == (finetuning.STEPS, finetuning.RATE)
    assert config_of(steps=7, filters=(2, 2, 2, 2, 2)).steps == 7
    with pytest.raises(InputError, match="--widths 1,2,3,4,5 differs from demo, which has 2,2,2"):
        config_of(filters=(1, 2, 3, 4, 5))
    with pytest.raises(InputError, match="--size 32 differs from demo, which has 16; leave --size"):
        config_of(size=32)
    with pytest.raises(InputError, match="demo: its segmenter looks at whole frames on a fixed"):
        start_from(default_config(), tiny_segmenter(), "demo", ())


def test_a_batch_has_both_kinds():
    assert labelled_count(ConfigDict({"data_share": 0.5, "batch_size": 8})) == 4
    with pytest.raises(InputError, match="0.1 of 4 examples leaves no labelled frame"):
        labelled_count(ConfigDict({"data_share": 0.1, "batch_size": 4}))
    with pytest.raises(InputError, match="0.9 of 4 examples leaves no phantom"):
        labelled_count(ConfigDict({"data_share": 0.9, "batch_size": 4}))


@pytest.fixture(scope="module")
def example():
    """Logits, and fractions without atria."""
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(2, 3, 4, 6)), jnp.float32)
    labels = rng.integers(0, 4, (2, 3, 4))
    return logits, jax.nn.one_hot(labels, 6)


def test_where_all_is_drawn_the_loss_is_the_usual_one(example):
    expected, usual = loss_and_metrics(*example)
    found, metrics = marginal_loss_and_metrics(*example, jnp.ones((2, 6), bool))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert metrics.keys() == usual.keys()
    for name, value in usual.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-6)


def test_nothing_is_learnt_about_what_was_not_drawn(example):
    logits, fractions = example
    drawn = jnp.array([VENTRICLES, [True] * 6])
    shares = jax.nn.softmax(logits)
    moved = shares.at[..., 4].add(shares[..., 0] / 2).at[..., 0].multiply(0.5)

    def loss(first, second):
        shown = jnp.log(jnp.stack([first[0], second[1]]))
        return marginal_loss_and_metrics(shown, fractions, drawn)[0]

    # Background may be LA in the first example, and not in the second.
    np.testing.assert_allclose(loss(moved, shares), loss(shares, shares), rtol=1e-6)
    assert loss(shares, moved) > loss(shares, shares) + 0.01


def test_the_loss_by_hand():
    # Two pixels of a cine without atria: LV, found by one half; background, half of it as RA.
    shares = jnp.array([[0.2, 0.5, 0.1, 0.1, 0.05, 0.05], [0.3, 0.05, 0.05, 0.05, 0.05, 0.5]])
    fractions = jax.nn.one_hot(jnp.array([1, 0]), 6)
    drawn = jnp.array([VENTRICLES])
    _, found = marginal_loss_and_metrics(jnp.log(shares)[None, None], fractions[None, None], drawn)
    expected = -(np.log(0.5) + np.log(0.3 + 0.05 + 0.5)) / 2
    np.testing.assert_allclose(found["cross_entropy"], expected, rtol=1e-5)
    dice = (2 * 0.5 + 1) / (0.5**2 + 0.05**2 + 1 + 1)
    np.testing.assert_allclose(found["dice/LV"], dice, rtol=1e-5)
    np.testing.assert_allclose(found["dice/RA"], 1, rtol=1e-5)


def blob():
    row, column = np.indices((32, 32))
    labels = (np.hypot(row - 15, column - 15) < 8).astype(np.uint8)
    images = np.stack([200 * labels + 20, 190 * labels + 25]).astype(np.uint8)
    return images, labels, np.array([15.0, 15.0, 15.0], np.float32)


def test_masks_move_with_their_frames():
    images, labels, heart = blob()
    beat = Beat(jnp.asarray(images), jnp.asarray(labels)[None], jnp.asarray(heart))
    program = jax.jit(jax.vmap(lambda key: augment_labelled(key, beat, 16, 6)))
    shown, fractions = map(np.asarray, program(jax.random.split(jax.random.key(0), 8)))
    assert shown.shape == (8, 16, 16, 2) and fractions.shape == (8, 16, 16, 6)
    assert shown.min() >= 0 and shown.max() <= 1 and np.ptp(fractions[..., 1].mean((1, 2))) > 0.1
    np.testing.assert_allclose(fractions.sum(-1), 1, atol=1e-5)
    for picture, lv in zip(shown, fractions[..., 1], strict=True):
        for phase in np.moveaxis(picture, -1, 0):
            assert np.corrcoef(phase.ravel(), lv.ravel())[0, 1] > 0.6


@pytest.fixture(scope="module")
def labelled():
    images, labels, heart = blob()
    count = (3, 1, 1, 1)
    return LabelledFrames(
        jnp.asarray(np.tile(images[None], count)),
        jnp.asarray(np.tile(labels[None], count[:3])),
        jnp.asarray(np.tile(heart[None], (3, 1))),
        jnp.asarray([VENTRICLES] * 3),
    )


def crop(key, beat, *rest):
    """In place of augmentation: the pictures as they are, scaled."""
    size, num_classes = rest[-2:]
    images = jnp.moveaxis(beat.images[:, :size, :size] / 255, 0, -1)
    labels = beat.labels[0, :size, :size]
    return images.astype(jnp.float32), jax.nn.one_hot(labels, num_classes)


@pytest.fixture(scope="module")
def pool():
    rng = np.random.default_rng(1)
    images, masks = (rng.integers(0, most, (2, 4, 16, 16)) for most in (255, 6))
    parts = jnp.asarray(images, jnp.uint8), jnp.asarray(masks, jnp.uint8)
    return Pool(*parts, jnp.full((2, 3), 8.0))


@pytest.fixture
def run(pool, labelled, tmp_path, monkeypatch):
    """A folder with a fine-tuned run of three steps."""
    monkeypatch.setattr(training, "render_pool", lambda *_, **__: pool)
    monkeypatch.setattr(training, "augment", crop)  # which compiles at once
    monkeypatch.setattr(finetuning, "augment_labelled", crop)
    train_segmenter(config_of(steps=3), tmp_path / "run", start(), labelled)
    return tmp_path / "run"


@pytest.mark.slow
def test_a_run_begins_with_the_numbers_it_is_given(run, labelled):
    tuned, before = load_segmenter(run), start()
    assert tuned.side == 16 and tuned.network == NETWORK
    pairs = zip(*map(jax.tree.leaves, (tuned.variables, before.variables)), strict=True)
    apart = max(float(jnp.abs(a - b).max()) for a, b in pairs)
    assert 0 < apart < 0.1  # three small steps from where it was
    assert {leaf.dtype for leaf in jax.tree.leaves(tuned.variables)} == {jnp.dtype("float32")}
    config = json.loads((run / "config.json").read_text())
    assert config["start"] == before.fingerprint and config["labelled"] == labelled.digest
    assert tuned.card["data"].startswith("phantom hearts and labelled real frames")
    assert not {"start", "labelled", "data_share"} & set(
        default_config().keys()
    )  # older runs go on
    # Other frames or another start belong to another run.
    other = labelled._replace(labels=1 - labelled.labels)
    with pytest.raises(InputError, match=f"labelled: {labelled.digest} → {other.digest}"):
        train_segmenter(config_of(steps=3), run, start(), other)
    config = config_of(steps=3)
    config.start = "0123"
    with pytest.raises(InputError, match="start: .* → 0123"):
        train_segmenter(config, run, start(), labelled)
    # The same command again leaves what is there.
    again = train_segmenter(config_of(steps=3), run, start(), labelled)
    jax.tree.map(np.testing.assert_array_equal, again.variables, tuned.variables)


def test_a_batch_is_half_phantoms_and_half_labelled_frames(pool, labelled, monkeypatch):
    monkeypatch.setattr(training, "augment", crop)
    monkeypatch.setattr(finetuning, "augment_labelled", crop)
    config = config_of(steps=3)
    draw = jax.jit(lambda key: draw_mixed(key, pool, labelled, config))
    images, fractions, drawn = map(np.asarray, draw(jax.random.key(0)))
    assert images.shape == (4, 16, 16, 2) and fractions.shape == (4, 16, 16, 6)
    np.testing.assert_array_equal(drawn, [[True] * 6] * 2 + [VENTRICLES] * 2)
    frames = np.moveaxis(np.asarray(labelled.images[0]), 0, -1)[:16, :16] / 255
    for picture in images[2:]:  # all labelled frames are alike here
        np.testing.assert_allclose(picture, frames, rtol=1e-6)
    known = np.asarray(pool.images).reshape(-1, 16, 16) / 255
    for picture in images[:2]:
        assert np.abs(known - picture[..., 0]).max((1, 2)).min() < 1e-6
