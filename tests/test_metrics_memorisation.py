import json

import numpy as np
import pytest
from PIL import Image

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.memorisation import auc, audit_memorisation, pixels, write_audit


def draw(seed, n):
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8)).astype(np.uint8)


TRAIN, HELD_OUT = draw(0, 300), draw(1, 200)
SPACES = {"pixel": pixels}


def training():
    """Give the training frames in batches of several sizes."""
    return iter(np.split(TRAIN, [7, 100, 290]))


def test_a_model_that_replays_training_frames_is_caught(tmp_path):
    copies = np.clip(TRAIN[:150].astype(int) + 1, 0, 255).astype(np.uint8)
    (found,) = audit_memorisation(training, HELD_OUT, copies, SPACES)
    assert found.share_below == 1.0 and found.membership_auc > 0.7
    assert found.nearest_fake <= 1 < found.nearest_held_out
    write_audit(tmp_path, [found], {"seed": 3})
    told = json.loads((tmp_path / "memorisation.json").read_text())
    assert told["spaces"][0]["share_below"] == 1.0 and told["seed"] == 3
    with Image.open(tmp_path / "closest_pixel.png") as picture:
        assert picture.size == (8 * 8, 2 * 8)
        above, below = np.split(np.asarray(picture).astype(int), 2)
    assert np.abs(above - below).max() <= 1


def test_a_fresh_model_is_not():
    (found,) = audit_memorisation(training, HELD_OUT, draw(2, 400), SPACES)
    assert found.share_below < 0.05
    assert 0.4 < found.membership_auc < 0.6


def test_distances_are_root_mean_square_grey_levels():
    a = pixels(np.stack([np.full((4, 4), 10, np.uint8), np.full((4, 4), 13, np.uint8)]))
    assert np.linalg.norm(a[0] - a[1]) == pytest.approx(3)


def test_too_few_or_unequal_frames_are_refused():
    with pytest.raises(InputError, match="needs 100 frames, there are 99"):
        audit_memorisation(training, HELD_OUT[:99], TRAIN, SPACES)
    with pytest.raises(InputError, match="one size"):
        audit_memorisation(training, HELD_OUT, TRAIN[:, :4], SPACES)


def test_auc_counts_pairs():
    assert auc(np.array([3.0, 1.0]), np.array([2.0, 1.0])) == pytest.approx((2 + 0.5) / 4)
