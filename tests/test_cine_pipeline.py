import itertools

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.pipeline import CACHE_BYTES, frame_batches
from gancmri_jax.cine.records import write_records
from gancmri_jax.errors import InputError

LENGTHS = [5, 3, 7, 4, 6]  # 25 frames
TINY_CACHE = 16 * 16  # bytes: two frames of eight rows each fill it half


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records whose every frame has a value of its own."""
    starts = np.cumsum([0, *LENGTHS])
    cines = [
        Cine(
            np.broadcast_to(np.arange(a, b, dtype=np.uint8)[:, None, None], (b - a, 4, 8)),
            (1.0, 1.0),
            20.0,
            f"s{a}",
        )
        for a, b in itertools.pairwise(starts.tolist())
    ]
    out = tmp_path_factory.mktemp("records") / "out"
    write_records(out, {"train": cines})
    return out


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


@pytest.mark.parametrize("cache_bytes", [CACHE_BYTES, TINY_CACHE])
def test_an_epoch_shows_every_frame_once_in_a_new_order(records, cache_bytes):
    batches = take(frame_batches(records, "train", 5, seed=0, cache_bytes=cache_bytes), 10)
    assert all(batch.shape == (5, 4, 8, 1) and batch.dtype == np.uint8 for batch in batches)
    assert all((batch == batch[:, :1, :1]).all() for batch in batches)  # no frame is a blend
    values = np.stack(batches)[:, :, 0, 0, 0].reshape(2, 25)
    np.testing.assert_array_equal(np.sort(values), [np.arange(25)] * 2)
    assert (values[0] != values[1]).any() and (values[0] != np.arange(25)).any()


def test_batches_run_on_over_epochs(records):
    (batch,) = take(frame_batches(records, "train", 64, seed=0), 1)
    counts = np.bincount(batch[:, 0, 0, 0], minlength=25)
    assert batch.shape[0] == 64 and set(counts.tolist()) == {2, 3}


def test_the_seed_decides(records):
    a, b, c = (take(frame_batches(records, "train", 8, seed), 4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (np.stack(a) != np.stack(c)).any()


@pytest.mark.parametrize("cache_bytes", [CACHE_BYTES, TINY_CACHE])
def test_a_saved_state_continues_bit_exactly(records, cache_bytes):
    iterator = frame_batches(records, "train", 4, seed=3, cache_bytes=cache_bytes)
    take(iterator, 9)
    state = iterator.get_state()
    expected = take(iterator, 9)
    fresh = frame_batches(records, "train", 4, seed=3, cache_bytes=cache_bytes)
    fresh.set_state(state)
    np.testing.assert_array_equal(take(fresh, 9), expected)


def test_frames_of_several_sizes_are_an_error(tmp_path):
    cines = [Cine(np.zeros((2, n, n), np.uint8), (1.0, 1.0), None, f"s{n}") for n in (4, 8)]
    write_records(tmp_path / "out", {"train": cines})
    with pytest.raises(InputError, match="--size"):
        take(frame_batches(tmp_path / "out", "train", 4, seed=0), 1)


def test_no_records_is_an_error_that_names_the_way_out(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}.*gancmri prepare"):
        frame_batches(tmp_path, "train", 4, seed=0)


def test_processes_read_their_own_rows_of_the_same_batches(records):
    whole = take(frame_batches(records, "train", 6, seed=0), 5)
    parts = [
        take(frame_batches(records, "train", 6, seed=0, process=(index, 3)), 5)
        for index in range(3)
    ]
    for batch, *rows in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate(rows), batch)
