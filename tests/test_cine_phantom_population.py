import jax
import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.phantom import POPULATIONS, draw, draw_subject, phantom
from gancmri_jax.cine.phantom.population import traits
from gancmri_jax.cine.phantom.write import write_phantoms
from gancmri_jax.cine.phenotypes import read_phenotypes

KEY = jax.random.key(8)
IMAGING = {"rotation_degrees", "mirrored", "heart_share_percent", "effusion_mm", "sternal_wires"}


def test_normal_is_the_default_and_draws_nothing_new():
    normal, expected = draw(KEY), draw_subject(KEY)
    assert (normal.rhythm, normal.disease, normal.imaging) == (None, None, None)
    for found, value in zip(normal, expected, strict=True):
        if value is not None:
            np.testing.assert_array_equal(found, value)
    assert traits(normal, "normal") == {}


def test_a_wide_subject_is_the_normal_one_seen_otherwise():
    normal, wide = draw(KEY), draw(KEY, "wide")
    assert wide.disease is None and wide.imaging is not None
    for name in ("length_mm", "half_width_mm", "wall_mm", "ef", "heart_rate_bpm", "heart_mm"):
        np.testing.assert_array_equal(getattr(wide, name), getattr(normal, name))
    found = traits(wide, "wide")
    assert found.keys() == {"population", "es_phase_percent"} | IMAGING
    assert 25 <= found["heart_share_percent"] <= 90


def test_a_clinical_subject_says_what_it_is():
    found = traits(draw(KEY, "clinical"), "clinical")
    more = {"population", "es_phase_percent", "diagnosis", "infarct_place", "atrial_fibrillation"}
    assert found.keys() == more | IMAGING
    assert found["population"] == "clinical" and found["mirrored"] == "no"
    assert (found["infarct_place"] != "") == (found["diagnosis"] == "infarct")


@pytest.mark.slow
def test_a_clinical_study_can_be_read_and_its_es_is_where_it_was_asked_for(tmp_path):
    write_phantoms(tmp_path, [2, 0], 32, 12, 5, "clinical")
    header, *lines = (tmp_path / "phenotypes.csv").read_text().splitlines()
    assert header.startswith("subject,ed_frame,es_frame,lv_area_ed_cm2")
    assert "diagnosis" in header and all(",clinical," in line for line in lines)
    table = read_phenotypes(tmp_path / "phenotypes.csv")
    assert list(table) == ["phantom-0002", "phantom-0000"]
    for row in table.values():
        assert "diagnosis" not in row  # words are for people
        assert abs(row["es_frame"] - row["es_phase_percent"] / 100 * 12) <= 1
    alone = phantom(5, 2, 32, 12, "clinical")
    assert table["phantom-0002"]["lv_area_es_cm2"] == pytest.approx(
        alone.phenotypes["lv_area_es_cm2"], rel=1e-5
    )
    lv = (alone.masks == 1).sum((1, 2))
    assert abs(int(lv.argmin()) - alone.cine.es_frame) <= 1  # pixels are large


def test_picture_of_the_populations(request):
    folder = request.config.getoption("--screenshots")
    if folder is None:
        pytest.skip("--screenshots docs takes the picture again")
    rows = []
    for population in POPULATIONS:
        hearts = [phantom(21, index, 128, 8, population).cine.pixels[0] for index in range(7)]
        shown = [np.clip(heart / np.percentile(heart, 99), 0, 1) for heart in hearts]
        rows.append(np.concatenate(shown, axis=1))
    levels = np.uint8(63 * np.concatenate(rows)) * 4  # fewer grey levels, a smaller file
    Image.fromarray(levels).save(folder / "populations.png", optimize=True)
    assert (folder / "populations.png").stat().st_size < 300_000
