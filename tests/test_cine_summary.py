import dataclasses

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import preprocess
from gancmri_jax.cine.read import read_cines
from gancmri_jax.cine.summary import likeness, summarise


def test_numbers_of_a_cine():
    frames = np.zeros([4, 8, 8], np.uint8)
    frames[:, :, 4:] = 255
    source = Cine(np.arange(4 * 3 * 5).reshape(4, 3, 5), (1.5, 2.0), 200.0, "heart")
    summary = summarise(source, frames)
    assert (summary["frames"], summary["rows"], summary["columns"]) == (4, 3, 5)
    assert (summary["row_mm"], summary["column_mm"], summary["frame_ms"]) == (1.5, 2.0, 200.0)
    assert summary["heart_rate_bpm"] == 75  # 4 × 200 ms
    histogram = summary["intensity_histogram"]
    assert histogram[0] == histogram[-1] == 0.5 and sum(histogram) == 1
    assert summary["intensity_percentiles_1_50_99"] == pytest.approx([0.59, 29.5, 58.41])


def test_what_is_not_known_is_none():
    source = Cine(np.zeros([2, 3, 4]), (float("nan"),) * 2, None, "heart")
    summary = summarise(source, np.zeros([2, 8, 8], np.uint8))
    assert all(summary[n] is None for n in ("row_mm", "column_mm", "frame_ms", "heart_rate_bpm"))


@pytest.fixture(scope="module")
def heart(shared):
    return read_cines(shared / "data/cine/human_dicom/4ch")[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: pixels[::2],
        lambda pixels: np.roll(pixels, 7, axis=0),
        lambda pixels: pixels[:, 2:-2, 2:-2],
        lambda pixels: pixels + np.random.default_rng(0).normal(0, 20, pixels.shape),
        lambda pixels: np.sqrt(pixels.astype(np.float32)) ** 1.8,
    ],
)
def test_a_changed_copy_is_like_its_heart(heart, change):
    changed = dataclasses.replace(heart, pixels=change(heart.pixels), es_frame=None)
    ours, theirs = (likeness(preprocess(c, 64).pixels) for c in (heart, changed))
    assert (ours * theirs).sum(1).min() > 0.97


def test_another_view_is_not(heart, shared):
    other = read_cines(shared / "data/cine/human_dicom/2ch")[0]
    ours, theirs = (likeness(preprocess(c, 64).pixels) for c in (heart, other))
    assert (ours * theirs).sum(1).min() < 0.8


def test_vectors_have_length_one_or_nothing_to_say():
    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 16), np.uint8)
    np.testing.assert_allclose(np.linalg.norm(likeness(frames), axis=1), 1, rtol=1e-5)
    still = np.repeat(frames[:1], 3, 0)
    np.testing.assert_allclose(np.linalg.norm(likeness(still), axis=1), [1, 0], atol=1e-5)
