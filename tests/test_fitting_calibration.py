import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.fitting.calibration import calibrate
from gancmri_jax.latents.motions import Aligned, EdToEs, MeanSteps
from gancmri_jax.model.motion import LearnedMotion, Motion
from tests.test_physiology_guidance_report import Hearts

K = jnp.full((1, 2), -3.0)  # mm, to ES


def short_motion():
    """Two thirds of k, and back."""
    steps = jnp.stack([K / 30] * 20 + [-K / 45] * 29)
    return LearnedMotion((EdToEs(K), MeanSteps(steps)))


def with_aligned():
    """The same, and the whole of k and back."""
    curve = Aligned(jnp.stack([jnp.zeros((1, 2)), K, K / 2]))
    return LearnedMotion((*short_motion().kept, curve))


@dataclasses.dataclass
class Short(Hearts):
    """Ellipses of 20 by 24 mm whose motion falls short."""

    motion: LearnedMotion = dataclasses.field(default_factory=short_motion)

    def __post_init__(self):
        super().__init__()


def fac_percent(gain):
    """By hand: from 0.7 k before the heart to 0.3 k after it, k being −3 mm times the gain."""
    ed, es = (20 + 2.1 * gain) * (24 + 2.1 * gain), (20 - 0.9 * gain) * (24 - 0.9 * gain)
    return 100 * (1 - es / ed)


def test_motion_is_lengthened_to_what_is_measured():
    motion, done = calibrate(Short(), fac_percent(2.25), hearts=1, seed=0)
    assert done.ed_to_es == pytest.approx(2.25, abs=0.15)
    np.testing.assert_allclose(motion.ed_to_es, done.ed_to_es * K, rtol=1e-5)
    # The mean beat goes two thirds of k: to go as far it needs half as much gain again.
    assert done.frame_to_frame == pytest.approx(2.25 * 1.5, abs=0.25)


def test_the_models_of_a_beat_have_one_gain():
    start = Short(with_aligned())
    motion, done = calibrate(start, fac_percent(2.25), hearts=1, seed=0)
    assert done.frame_to_frame == pytest.approx(done.ed_to_es, abs=0.25)
    for kind in (MeanSteps, Aligned):
        scaled = done.frame_to_frame * start.motion.of(kind)[0]
        np.testing.assert_allclose(motion.of(kind)[0], scaled, rtol=1e-5)


def test_pairs_alone_are_calibrated_too():
    _, done = calibrate(Short(LearnedMotion((EdToEs(K),))), fac_percent(1.75), hearts=2, seed=0)
    assert done.frame_to_frame is None and done.ed_to_es == pytest.approx(1.75, abs=0.15)


def test_large_hearts_are_moved_farther_than_small_ones():
    start = Short(with_aligned())
    motion, done = calibrate(start, fac_percent(2.25), hearts=10, seed=0)
    assert done.depth_explained > 0.9
    model = Short(motion)
    for seed in (2, 8):  # ellipses of 20 by 28 mm and by 40
        path = model.motion.path(model.at_ed(model.sample(seed)), Motion())
        areas = path[:, 0, 0] * path[:, 0, 1]
        found = 100 * (1 - areas.min() / areas[0])
        assert float(found) == pytest.approx(fac_percent(2.25), abs=1.5)
    # Too few hearts teach none, and the one before does not stay.
    again, told = calibrate(model, fac_percent(2.25), hearts=2, seed=0)
    assert again.log_depth is None and told.depth_explained is None


def test_what_no_gain_reaches_is_refused():
    with pytest.raises(InputError, match="no gain gives .* of 95 % from ED to ES: gains of 0.5 to"):
        calibrate(Short(), 95.0, hearts=1, seed=0)
