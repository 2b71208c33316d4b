import pathlib

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subjects import list_subjects, read_subject
from gancmri_jax.cine.views import FOUR, SHORT, THREE, TWO, view_of
from tests.dicoms import write_frame

# Of a heart whose long axis points to the left, front and feet, as hearts lie.
FOUR_PLANE = [0.9, 0.436, 0.0, -0.3, 0.62, -0.72]
TWO_PLANE = [0.6, -0.8, 0.0, 0.0, 0.0, -1.0]
THREE_PLANE = [0.7071, 0.7071, 0.0, 0.0, 0.0, -1.0]
SHORT_PLANE = [0.5, 0.5, 0.7071, -0.7071, 0.7071, 0.0]
VIEWS = {"4": FOUR_PLANE, "2": TWO_PLANE, "3": THREE_PLANE}


@pytest.mark.parametrize(
    "description, view",
    [
        ("CINE_segmented_LAX_4Ch", FOUR),
        ("tf2d15_retro_iPAT_4-Kammerblick", FOUR),
        ("ciné 4 cavités", FOUR),
        ("FIESTA 4 CHAMBER", FOUR),
        ("B-TFE BH 4CH", FOUR),
        ("sBTFE_BH_M2D_four-chamber", FOUR),
        ("Vierkammerblick", FOUR),
        ("cine cuatro cámaras", FOUR),
        ("cine quattro camere", FOUR),
        ("HLA cine", FOUR),
        ("cine 四腔心", FOUR),
        ("четырёхкамерная", FOUR),
        ("4 kamer", FOUR),
        ("cine 2ch", TWO),
        ("VLA", TWO),
        ("Zweikammerblick", TWO),
        ("2 cavités", TWO),
        ("LVOT cine", THREE),
        ("3-Kammer", THREE),
        ("cine_sax_stack", SHORT),
        ("Kurzachse", SHORT),
        ("petit axe", SHORT),
        ("eje corto", SHORT),
        ("短軸", SHORT),
        ("cine", None),
        ("cine 2ch 3ch 4ch", None),
        ("tf2d14_retro", None),
        ("SSFP-CINE LAx", None),
    ],
)
def test_views_are_known_by_the_words_of_several_languages(description, view):
    assert view_of(description) == view


def export(folder, described=True, views=VIEWS, slices=4, **fields):
    """Write an ordinary export: a series a view and a short-axis stack, in one folder."""
    series = [(n, f"cine {n}ch", plane, [0.0, 0.0, 0.0]) for n, plane in views.items()]
    across = np.cross(SHORT_PLANE[:3], SHORT_PLANE[3:])
    series += [("9", "cine sax", SHORT_PLANE, list(8.0 * k * across)) for k in range(slices)]
    folder.mkdir()
    for k, (number, description, plane, place) in enumerate(series):
        for i in range(3):
            write_frame(
                folder / f"{k}-{i}",
                value=100 * int(number) + i,
                TriggerTime=300.0 * i,
                InstanceNumber=i + 1,
                SeriesInstanceUID=f"1.2.{number}",
                SeriesNumber=int(number),
                SeriesDescription=description if described else "",
                ImageOrientationPatient=plane,
                ImagePositionPatient=[round(float(mm), 3) for mm in place],
                **fields,
            )


def read(folder: pathlib.Path, **options):
    (subject,) = list_subjects(folder.parent)
    items = list(read_subject(subject, options=ReadOptions(**options)))
    cines = [item for item in items if isinstance(item, Cine)]
    refused = [item.reason for item in items if isinstance(item, Refusal)]
    return cines, refused, [item for item in items if isinstance(item, NotTaken)]


def first_values(cines):
    return [int(cine.pixels[0].min()) for cine in cines]


def test_the_four_chamber_cine_of_an_export_is_chosen_by_its_description(tmp_path):
    export(tmp_path / "heart")
    cines, refused, left = read(tmp_path / "heart")
    assert first_values(cines) == [400] and not refused
    assert cines[0].notes[0] == "took series 4 'cine 4ch' as the 4-chamber view, by its description"
    assert {(item.kind, item.count) for item in left} == {
        ("cines of another view (2-chamber)", 3),
        ("cines of another view (3-chamber)", 3),
        ("cines of another view (short-axis)", 3),
    }


@pytest.mark.parametrize("slices", [0, 4])
def test_without_descriptions_by_geometry(tmp_path, slices):
    export(tmp_path / "heart", described=False, slices=slices)
    cines, refused, _ = read(tmp_path / "heart")
    assert first_values(cines) == [400] and not refused
    assert "clearly by its geometry (0.69 axial, the next 0.00)" in cines[0].notes[0]


def test_where_neither_says_it_a_chooser_is_asked_or_a_line_says_what_to_do(tmp_path):
    export(tmp_path / "heart", described=False, views={"2": TWO_PLANE, "3": THREE_PLANE}, slices=0)
    cines, (reason,), _ = read(tmp_path / "heart")
    assert not cines and "series 2, series 3; --series takes one" in reason
    asked = []

    def chooser(candidates):
        asked.extend(frames[0].series_number for frames in candidates)
        return 1

    cines, refused, _ = read(tmp_path / "heart", chooser=chooser)
    assert first_values(cines) == [100 * int(asked[1])] and not refused and len(asked) == 2


def test_an_export_without_the_view_is_refused_and_a_series_may_be_named(tmp_path):
    export(tmp_path / "heart", views={"2": TWO_PLANE, "3": THREE_PLANE})
    cines, (reason,), _ = read(tmp_path / "heart")
    assert not cines and reason.startswith("holds no four-chamber cine, but series 2 'cine 2ch'")
    for pattern, value in (("2CH", 200), ("^3 ", 300), ("cine 3ch", 300)):
        cines, refused, _ = read(tmp_path / "heart", series=pattern)
        assert first_values(cines) == [value] and not refused
    cines, (reason,), _ = read(tmp_path / "heart", series="5ch")
    assert not cines and "no series that --series 5ch names" in reason


def test_by_hand_even_what_is_no_cine_is_taken(tmp_path):
    export(tmp_path / "heart")
    for i in range(3):
        write_frame(
            tmp_path / f"heart/lge{i}",
            value=700 + i,
            TriggerTime=300.0 * i,
            SeriesInstanceUID="1.2.20",
            SeriesNumber=20,
            SeriesDescription="LGE 4ch",
        )
    assert first_values(read(tmp_path / "heart")[0]) == [400]
    assert first_values(read(tmp_path / "heart", series="lge")[0]) == [700]


def test_parallel_slices_of_no_named_view_are_all_taken(tmp_path):
    export(tmp_path / "heart", described=False, views={})
    cines, refused, _ = read(tmp_path / "heart")
    assert first_values(cines) == [900] * 4 and not refused
    assert all("as one of 4 parallel slices" in cine.notes[0] for cine in cines)
