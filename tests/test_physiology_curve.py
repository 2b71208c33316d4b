import math

import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.physiology.curve import plot_curve, write_curve
from gancmri_jax.physiology.phenotypes import Findings

NAN = (math.nan, math.nan)


def cine(spacing_mm, frame_ms):
    return Cine(np.zeros((4, 2, 2)), spacing_mm, frame_ms, "s")


def findings(areas, es_frame):
    return Findings({"ed_frame": 0, "es_frame": es_frame}, np.array(areas), "segmenter")


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), NAN], ids=["known", "unknown"])
@pytest.mark.parametrize("frame_ms", [20.0, None])
@pytest.mark.parametrize(
    ("areas", "es_frame"),
    [((30.0, 20.0, 10.0, 25.0), 2), ((0.0, 20.0, 10.0, 25.0), 2), ((0.0,) * 4, math.nan)],
    ids=["found", "none_at_ed", "none"],
)
def test_whatever_is_known_is_plotted(tmp_path, areas, es_frame, spacing_mm, frame_ms):
    path = tmp_path / "curve.png"
    plot_curve(path, findings(areas, es_frame), cine(spacing_mm, frame_ms))
    with Image.open(path) as plot:
        assert plot.size == (600, 360)
    assert [p.name for p in tmp_path.iterdir()] == ["curve.png"]


def test_a_table_leaves_empty_what_is_not_known(tmp_path):
    path = tmp_path / "curve.csv"
    found = findings((30.25, 0.0, 10.0, 20.0), 2)
    smooth = found._replace(smooth_cm2=np.array([30.0, 20.5, 11.0, 20.0]))
    write_curve(path, smooth, cine((1.0, 1.0), 20.0))
    assert path.read_text().splitlines() == [
        "frame,time_ms,lv_area_cm2,lv_area_smooth_cm2",
        "0,0,30.25,30",
        "1,20,,20.5",
        "2,40,10,11",
        "3,60,20,20",
    ]
    write_curve(path, found, cine(NAN, None))
    assert path.read_text().splitlines()[1:] == ["0,,,", "1,,,", "2,,,", "3,,,"]
