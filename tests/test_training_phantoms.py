"""Phantoms without end: which hearts, in what batches, and which never."""

import collections

import numpy as np
import pytest

from gancmri_jax.cine.phantom.render import phantom
from gancmri_jax.cine.preprocess import preprocess
from gancmri_jax.errors import InputError
from gancmri_jax.training import phantoms
from gancmri_jax.training.config import check_config
from gancmri_jax.training.phantoms import (
    FIRST_SEED,
    FRAMES,
    Phantoms,
    phantoms_a_batch,
    population_of,
    rendered,
    training_seed,
)
from tests.tiny import tiny_config

CONFIG = tiny_config(batch_size=64, phantoms_share=0.5)
RECORDED = np.full((32, 8, 8, 1), 255, np.uint8)


@pytest.fixture
def numbered(monkeypatch):
    """Subjects whose pixels are their number, and which were rendered."""
    drawn = []

    def render(seed, index, size):
        drawn.append((seed, index))
        return np.full((FRAMES, size, size), index, np.uint8)

    monkeypatch.setattr(phantoms, "rendered", render)
    return drawn


def test_held_out_seeds_are_never_drawn(numbered):
    """Every seed below 2³¹, whatever the run's own seed and its process."""
    for seed in (0, 1, 2**19, 2**31, 2**32 - 1):
        assert all(FIRST_SEED <= training_seed(seed, host) < 2**32 for host in (0, 1, 4095))
    assert len({training_seed(seed, host) for seed in range(9) for host in range(9)}) == 81
    pool = Phantoms(CONFIG, subjects=4)
    for step in range(40):
        pool.mixed(RECORDED, step)
    assert len(numbered) > 20 and min(seed for seed, _ in numbered) >= FIRST_SEED


def test_a_batch_has_its_share_and_subjects_follow_one_another(numbered):
    pool = Phantoms(CONFIG, subjects=4)
    seen = collections.Counter()
    for step in range(8):  # 50 / 32 steps between two new subjects: 2
        batch = pool.mixed(RECORDED, step)
        assert batch.shape == (64, 8, 8, 1) and batch.dtype == np.uint8
        values = batch[:, 0, 0, 0]
        assert (values == 255).sum() == 32 and not (values[:32] == 255).all()
        assert set(values[values < 255]) <= set(range(step // 2, step // 2 + 4))
        seen.update(values.tolist())
    assert [index for _, index in numbered] == list(range(7))
    assert seen[3] > seen[0]  # which had left the pool


def test_a_run_that_goes_on_sees_the_same(numbered):
    whole = Phantoms(CONFIG, subjects=4)
    batches = [whole.mixed(RECORDED, step) for step in range(9)]
    resumed = Phantoms(CONFIG, subjects=4)
    for step in (7, 8):
        np.testing.assert_array_equal(resumed.mixed(RECORDED, step), batches[step])
    other = Phantoms(CONFIG, (1, 2), subjects=4)
    assert other.count == 16 and other.mixed(RECORDED[:16], 0).shape == (32, 8, 8, 1)


def test_every_fifth_is_clinical():
    assert [population_of(index) for index in range(5)] == ["normal"] * 4 + ["clinical"]
    assert sum(population_of(index) == "clinical" for index in range(1000)) == 200


def test_a_share_leaves_at_least_one_of_each():
    assert phantoms_a_batch(tiny_config()) == 0
    assert phantoms_a_batch(tiny_config(batch_size=8, phantoms_share=0.5), 2) == 2
    with pytest.raises(InputError, match="phantoms_share 0.1 of 4 images is 0; a batch needs"):
        check_config(tiny_config(phantoms_share=0.1))
    with pytest.raises(InputError, match="phantoms_share must be from 0 to below 1, got 1.0"):
        check_config(tiny_config(phantoms_share=1.0))
    with pytest.raises(InputError, match="of the 2 images of a process is 0; give it"):
        phantoms_a_batch(tiny_config(batch_size=4, phantoms_share=0.2), 2)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 4])
def test_hearts_are_those_of_the_phantom_and_prepared_as_records_are(index):
    """A normal and a clinical one, as `gancmri phantom` and `gancmri prepare` make them."""
    seed = training_seed(0)
    cine = phantom(seed, index, 32, FRAMES, population_of(index)).cine
    pixels = rendered(seed, index, 32)
    np.testing.assert_array_equal(pixels, preprocess(cine, 32).pixels)
    assert pixels.std() > 20
    held_out = phantom(seed - FIRST_SEED, index, 32, FRAMES, population_of(index)).cine
    assert np.corrcoef(pixels.ravel(), preprocess(held_out, 32).pixels.ravel())[0, 1] < 0.99
