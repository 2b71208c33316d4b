import numpy as np
import pytest

from gancmri_jax.model.file import load_segmenter_of
from gancmri_jax.physiology.score import Score, compare, dice, mean, score_phantoms

HELD_BACK = 4002  # a population that the embedded segmenter never saw


def test_dice_by_hand():
    a = np.array([[1, 1, 0], [0, 0, 0]], bool)
    b = np.array([[1, 0, 0], [1, 1, 0]], bool)
    assert dice(a, b) == pytest.approx(2 / 5)
    assert dice(a, a) == 1 and dice(a, ~a) == 0 and dice(a & b & ~a, a & ~a) == 1


def test_a_cine_is_scored_by_hand():
    masks = np.array([[[1, 1, 2]], [[1, 0, 2]]], np.uint8)
    truth = np.array([[[1, 1, 1]], [[1, 0, 0]]], np.uint8)
    found = {"lv_area_ed_cm2": 33.0, "lv_area_es_cm2": 19.0, "sphericity_index": 0.5}
    known = {"lv_area_ed_cm2": 30.0, "lv_area_es_cm2": 20.0, "sphericity_index": 0.53}
    score = compare(masks, found, truth, known)
    assert score == pytest.approx(Score((0.8 + 1) / 2, (10 + 5) / 2, 0.03, 1))
    both = mean([score, Score(1.0, 2.5, 0.01, 1)])
    assert both == pytest.approx(Score(0.95, 5.0, 0.02, 2))
    assert str(both) == (
        "LV Dice 0.950, LV area error 5.0 %, sphericity error 0.020, means of 2 cines"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "least"), [(64, Score(0.92, 5, 0.05, 4)), (256, Score(0.95, 3, 0.02, 4))]
)
def test_the_embedded_segmenter_holds_on_hearts_it_has_not_seen(size, least):
    score = score_phantoms(load_segmenter_of("demo"), HELD_BACK, 4, size, frames=8)
    assert score.lv_dice >= least.lv_dice
    assert score.lv_area_error_percent <= least.lv_area_error_percent
    assert score.sphericity_error <= least.sphericity_error
