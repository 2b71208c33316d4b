import dataclasses

import numpy as np
import pytest
from PIL import Image

from gancmri_jax.experiments import figures
from gancmri_jax.model.motion import LearnedMotion
from tests.tiny import tiny_model


def test_a_way_is_read_along_a_direction_and_aside_by_hand():
    direction = np.array([[2.0, 0.0, 0.0]])
    offsets = np.array([[0, 0, 0], [1, 3, 0], [2, -3, 0], [1, 0, 0]], float)[:, None]
    along, aside = figures.in_plane(offsets, direction)
    np.testing.assert_allclose(along, [0, 0.5, 1, 0.5])
    np.testing.assert_allclose(np.abs(aside), [0, 1.5, 1.5, 0], atol=1e-12)
    assert aside[1] == pytest.approx(-aside[2])


@pytest.mark.parametrize("changed", ["beat", "direction"])
def test_figures_show_what_the_model_has_learned(changed, tmp_path):
    model, path = tiny_model(), tmp_path / "a.png"

    def draw():
        if changed == "beat":
            figures.draw_motion(path, model, columns=2)
        else:
            figures.draw_guided_frames(path, model, "lv_area", (0,), (0, 1))
        with Image.open(path) as image:
            return np.asarray(image.convert("L")).copy()

    before = draw()
    if changed == "beat":
        once, steps = model.motion.kept
        twice = LearnedMotion((once.scaled(2), steps))
        model = dataclasses.replace(model, motion=twice)
    else:
        model.directions["lv_area"] = -2 * model.directions["lv_area"]
    after = draw()
    assert before.shape == after.shape and (before != after).any()
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
