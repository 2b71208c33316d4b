import pydicom
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.not_taken import NotTaken
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.records import Records
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subjects import list_subjects, read_subject, study_phenotypes
from gancmri_jax.errors import InputError
from tests.dicoms import write_cine


@pytest.fixture
def bowl(tmp_path):
    root = tmp_path / "bowl"
    for place in ("train/1/study/4ch_9", "train/1/study/2ch_8", "validate/501/study/4ch_17"):
        write_cine(root / place, 3, Modality="MR")
    write_cine(root / "train/2/study/sax_5", 3)
    write_cine(root / "train/3/study/4ch_9", 3)
    write_cine(root / "train/3/study/4ch_41", 3, first=10)
    (root / "train.csv").write_text("Id,Systole,Diastole\n1,60,150\n2,50,100\n3,40,160\n")
    return root


def test_the_last_four_chamber_view_of_each_patient(bowl):
    subjects = list_subjects(bowl)
    assert [s.name for s in subjects] == ["1", "2", "3", "501"]
    items = {s.name: list(read_subject(s)) for s in subjects}
    left = [item for found in items.values() for item in found if isinstance(item, NotTaken)]
    assert [(item.path.name, item.count) for item in left] == [
        ("2ch_8", 1),
        ("sax_5", 1),
        ("4ch_9", 1),
    ]
    items = {n: [i for i in found if not isinstance(i, NotTaken)] for n, found in items.items()}
    assert [items[n][0].pixels[0, -1, 0] for n in ("1", "3", "501")] == [0, 10, 0]
    assert all(len(found) == 1 for found in items.values())
    assert "no four-chamber view" in items["2"][0].reason
    assert [s.name for s in list_subjects(bowl / "train")] == ["1", "2", "3"]
    assert [s.name for s in list_subjects(bowl / "train/1")] == ["1"]


def test_volumes_become_phenotypes(bowl, tmp_path):
    expected = {"lv_edv_ml": 150.0, "lv_esv_ml": 60.0, "ef_percent": 60.0}
    assert study_phenotypes(bowl)["1"] == expected == study_phenotypes(bowl / "train")["1"]
    prepare(bowl, tmp_path / "out", Options(size=8, keep_ids=True), on_refusal=lambda r: None)
    assert (tmp_path / "out/phenotypes.csv").read_text().splitlines() == [
        "subject,lv_edv_ml,lv_esv_ml,ef_percent",
        "1,150,60,60",
        "3,160,40,75",
    ]
    assert len(Records(tmp_path / "out", "train")) == 3


@pytest.mark.parametrize(
    "table, reason",
    [
        ("Id,Volume\n1,2\n", "line 1: the header needs a 'Systole' column"),
        ("Id,Systole,Diastole\n1,2,0\n", "line 2, column Diastole: .* above 0"),
        ("Id,Systole,Diastole\n1,2,9\n2,inf,9\n", "line 3, column Systole: 'inf' is not finite"),
        ("Id,Systole,Diastole\n1,2,9\n1,2,9\n", "line 3, column Id: stands in train.csv line 2"),
    ],
)
def test_a_table_of_another_kind_is_refused(bowl, table, reason):
    (bowl / "train.csv").write_text(table)
    with pytest.raises(InputError, match=reason):
        study_phenotypes(bowl)


def test_frames_of_another_size_are_refused(bowl):
    folder = bowl / "train/1/study/4ch_9"
    series = pydicom.dcmread(folder / "IM-0000.dcm").SeriesInstanceUID
    small = {"Rows": 2, "Columns": 2, "PixelData": bytes(8), "SeriesInstanceUID": series}
    write_cine(folder, 2, first=50, **small)
    (subject,) = list_subjects(bowl / "train/1")
    items = list(read_subject(subject))
    (cine,) = (item for item in items if isinstance(item, Cine))
    refused = [item for item in items if isinstance(item, Refusal)]
    assert len(cine.pixels) == 3 and len(refused) == 2
