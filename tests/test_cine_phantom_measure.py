import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.geometry import polygon_area, sides_of_smallest_rectangle
from gancmri_jax.cine.phantom import draw_subject, measure
from gancmri_jax.cine.phantom.anatomy import UNIT_AREA
from gancmri_jax.cine.phantom.heart import heart
from gancmri_jax.cine.phantom.motion import pose
from gancmri_jax.cine.phantom.picture import label

FRAMES, SIZE = 25, 256


def turned(points, degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])


@pytest.mark.parametrize("degrees", [0.0, 17.0, 90.0])
def test_rectangle_and_area_of_a_turned_ellipse(degrees):
    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    ellipse = turned(np.stack([40 * np.cos(angle), 25 * np.sin(angle)], axis=1), degrees)
    assert polygon_area(ellipse) == pytest.approx(np.pi * 40 * 25, rel=1e-5)
    assert sides_of_smallest_rectangle(ellipse) == pytest.approx((50, 80), rel=1e-4)


def test_rectangle_of_an_l_shape_by_hand():
    corners = np.array([[0, 0], [4, 0], [4, 1], [1, 1], [1, 2], [0, 2]], float)
    assert polygon_area(corners) == 5
    assert sides_of_smallest_rectangle(turned(corners, 30)) == pytest.approx((2, 4))


@pytest.mark.parametrize("seed", [0, 1])
def test_phenotypes_agree_with_masks_at_256(seed):
    subject = draw_subject(jax.random.key(seed))
    found = measure(subject, FRAMES)
    pixel_mm = float(subject.fov_mm) / SIZE
    at = (jnp.arange(SIZE) + 0.5 - SIZE / 2) * pixel_mm
    x, y = jnp.meshgrid(at, at)
    masks = jax.jit(lambda phase: label(heart(subject, pose(subject, phase), x, y)))
    for name, frame in (("ed", found["ed_frame"]), ("es", found["es_frame"])):
        lv = np.asarray(masks(frame / FRAMES) == 1)
        counted_cm2 = lv.sum() * pixel_mm**2 / 100
        assert counted_cm2 == pytest.approx(found[f"lv_area_{name}_cm2"], rel=0.01)
        if name == "ed":
            corners = np.argwhere(lv) * pixel_mm
            short, long = sides_of_smallest_rectangle(hull_of(corners))
            # A mask's pixels' centres miss half a pixel on either side.
            index = (short + pixel_mm) / (long + pixel_mm)
            assert index == pytest.approx(found["sphericity_index"], abs=0.015)


def hull_of(points):
    """Return the outermost points in 720 headings, in their order: a polygon on the hull."""
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    heading = np.stack([np.cos(angle), np.sin(angle)])
    outermost = points[np.argmax(points @ heading, axis=0)]
    return outermost[np.any(outermost != np.roll(outermost, 1, axis=0), axis=1)]


def test_phenotypes_agree_with_the_formulas():
    subject = draw_subject(jax.random.key(5))
    found = measure(subject, 50)
    area_cm2 = float(subject.length_mm * subject.half_width_mm) * UNIT_AREA / 100
    assert found["lv_area_ed_cm2"] == pytest.approx(area_cm2, rel=2e-3)
    volume_ml = 8 * found["lv_area_ed_cm2"] ** 2 / (3 * math.pi * float(subject.length_mm) / 10)
    assert found["lv_edv_ml"] == pytest.approx(volume_ml, rel=1e-6)
    assert found["ef_percent"] == pytest.approx(100 * float(subject.ef), abs=0.3)
    areas = found["lv_area_es_cm2"] / found["lv_area_ed_cm2"]
    assert found["lv_fac_percent"] == pytest.approx(100 * (1 - areas))
    assert found["sphericity_index"] == pytest.approx(
        float(2 * subject.half_width_mm / subject.length_mm), rel=0.06
    )


def test_columns_come_in_the_agreed_order():
    columns = list(measure(draw_subject(jax.random.key(0)), 50))
    assert columns[:8] == [
        "ed_frame",
        "es_frame",
        "lv_area_ed_cm2",
        "lv_area_es_cm2",
        "sphericity_index",
        "lv_fac_percent",
        "ef_percent",
        "heart_rate_bpm",
    ]
