import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import write_records
from gancmri_jax.errors import InputError
from gancmri_jax.training.encoder_data import (
    LEAST_PSI,
    MOST_PSI,
    draw_w,
    know,
    read_frames,
    spoil_each,
)
from tests.tiny import tiny_model

NONE = np.zeros((0, 16, 16), np.uint8)


def test_each_w_is_truncated_by_its_own_psi():
    model = tiny_model()
    known = know(model, NONE)
    key = jax.random.key(5)
    w = draw_w(key, model.generator, known, 4)
    whole = model.map_w(jax.random.normal(jax.random.split(key)[0], (4, 8)))
    psi = (w - model.w_avg[None]) / (whole - model.w_avg[None])
    np.testing.assert_allclose(psi, jnp.broadcast_to(psi[:, :1], psi.shape), rtol=1e-3)
    assert LEAST_PSI <= psi.min() and psi.max() <= MOST_PSI
    assert len(np.unique(psi[:, 0].round(3))) == 4
    np.testing.assert_allclose(
        known.w_sd, jnp.std(model.map_w(jax.random.normal(jax.random.key(0), (10_000, 8))), axis=0)
    )


def test_spoiling_moves_nothing():
    y, x = np.mgrid[:32, :32]
    disc = np.where(np.hypot(y - 12, x - 18) < 6, 0.8, -0.6)[None, ..., None]
    images = jnp.repeat(jnp.asarray(disc, jnp.float32), 64, axis=0)
    spoiled = spoil_each(jax.random.split(jax.random.key(1), 64), images)
    assert spoiled.shape == images.shape
    assert -1 <= spoiled.min() and spoiled.max() <= 1
    assert np.std(np.asarray(spoiled).mean((1, 2, 3))) > 0.03  # each in its own way
    # Whatever is bright stays where it was: in the mean over keys the outline is the disc's.
    mean = np.asarray(spoiled).mean(0)[..., 0]
    assert (mean[disc[0, ..., 0] > 0] > 0.2).all()
    rows, columns = np.nonzero(mean > 0.1)
    np.testing.assert_allclose([rows.mean(), columns.mean()], [12, 18], atol=0.1)


def test_frames_at_equal_parts_of_each_beat(tmp_path):
    lengths = {"train": (4, 6), "test": (3,)}
    cines = {
        split: [
            Cine(
                np.arange(100 * video, 100 * video + frames, dtype=np.uint8)[:, None, None]
                * np.ones((1, 8, 8), np.uint8),
                (1.0, 1.0),
                20.0,
                f"{split}{video}",
            )
            for video, frames in enumerate(numbers)
        ]
        for split, numbers in lengths.items()
    }
    write_records(tmp_path / "records", cines)
    frames = read_frames(tmp_path / "records", "train", 8, most=4)
    assert frames[:, 0, 0].tolist() == [0, 2, 100, 103]
    # No more than there are, and of one video no frame twice.
    assert len(read_frames(tmp_path / "records", "train", 8)) == 10
    assert read_frames(tmp_path / "records", "test", 8)[:, 7, 7].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="prepare the cines with --size 16"):
        read_frames(tmp_path / "records", "train", 16)
    with pytest.raises(InputError, match="no split 'validation'"):
        read_frames(tmp_path / "records", "validation", 8)
