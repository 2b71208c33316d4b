"""Drawings of real hearts by which segmenters are judged: whole, and agreeing twice."""

import numpy as np
import pytest

from gancmri_jax.cine.geometry import polygon_area
from gancmri_jax.cine.read import read_cines
from tests.hand_drawn import CINES, dice, drawings, masks

SHAPES = {"human": (168, 208)}


def test_two_drawings_agree_better_than_any_gate_asks():
    first, second = drawings()
    assert [(d["cine"], d["frame"]) for d in first] == [(d["cine"], d["frame"]) for d in second]
    for one, other in zip(first, second, strict=True):
        shape = SHAPES.get(one["cine"], (256, 256))
        a, b = (masks(drawing["outlines"], shape) for drawing in (one, other))
        assert set(a) == set(b) and {"lv", "myocardium"} <= set(a)
        for name in a:
            assert dice(a[name], b[name]) > (0.94 if name == "myocardium" else 0.97), name


@pytest.mark.parametrize("drawing", [0, 1])
def test_masks_are_as_large_as_their_outlines(drawing):
    for one in drawings()[drawing]:
        found = masks(one["outlines"], SHAPES.get(one["cine"], (256, 256)))
        for name in set(found) & set(one["outlines"]):
            area = polygon_area(np.array(one["outlines"][name]))
            assert found[name].sum() == pytest.approx(area, rel=0.02)


def test_systole_is_smaller_than_diastole():
    for drawing in drawings():
        areas = {
            (one["cine"], one["frame"]): polygon_area(np.array(one["outlines"]["lv"]))
            for one in drawing
        }
        end_systole = dict(areas.keys() - {(cine, 0) for cine in CINES})
        change = [1 - areas[cine, end_systole[cine]] / areas[cine, 0] for cine in CINES]
        assert change == pytest.approx([0.63, 0.33, 0.54], abs=0.02)


def test_frames_are_those_that_were_drawn_on(shared):
    """Where the real cines are at hand: blood is brighter than the wall around it."""
    pigs = read_cines(shared / "data/cine/porcine_dicom")
    cines = dict(
        zip(CINES, [read_cines(shared / "data/cine/human_dicom/4ch")[0], *pigs], strict=False)
    )
    for drawing in drawings():
        for one in drawing:
            frame = cines[one["cine"]].pixels[one["frame"]]
            found = masks(one["outlines"], frame.shape)
            blood, wall = (
                (frame * found[name]).sum() / found[name].sum() for name in ("lv", "myocardium")
            )
            assert blood > 1.5 * wall
