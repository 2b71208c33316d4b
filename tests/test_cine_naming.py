import pathlib

import pytest

from gancmri_jax.cine.layouts.found import Subject
from gancmri_jax.cine.naming import Naming
from gancmri_jax.cine.not_taken import NotTaken, Remark
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.cine.subject import hash_subject, subject_key

ROOT = pathlib.Path("/data/study")


@pytest.fixture(autouse=True)
def key(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCMRI_SUBJECT_KEY_FILE", str(tmp_path / "subject.key"))


def naming(places, root=ROOT, keep_ids=False):
    subjects = [Subject(name, pathlib.Path(place), lambda *_: iter(())) for name, place in places]
    return Naming(root, subjects, keep_ids)


def shown(name):
    return hash_subject(name, subject_key())


ANNA, BOB, EID = ("Anna Smith", "/data/study/Anna Smith"), ("7", "/data/study/train/7"), "1234567"
BIOBANK = (EID, f"/data/study/10/{EID}_20208_2_0.zip")
MNMS = ("001", "/data/study/001/001_LA_CINE.nii.gz")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Anna Smith/series8/IM-0003.dcm", "{Anna Smith}/series8/IM-0003.dcm"),
        ("Anna Smith/anna smith_4ch.nii.gz", "{Anna Smith}/{Anna Smith}_4ch.nii.gz"),
        ("train/7/study/4ch_7/IM-0007.dcm", "train/{7}/study/4ch_7/IM-0007.dcm"),
        ("10/1234567_20208_2_0.zip/1.dcm", "10/{1234567}_20208_2_0.zip/1.dcm"),
        ("001/001_LA_CINE.nii.gz", "{001}/{001}_LA_CINE.nii.gz"),
        ("001/001_SA_CINE.nii.gz", "{001}/{001}_SA_CINE.nii.gz"),
        ("10/7654321_20209_2_0.zip", "10/{7654321}_20209_2_0.zip"),
        ("notes/protocol.pdf", "notes/protocol.pdf"),
        ("phenotypes.csv", "phenotypes.csv"),
        ("Annabel/0010.dcm", "Annabel/0010.dcm"),
        ("", ""),
    ],
)
def test_a_subjects_name_in_a_path_becomes_its_hash_and_the_rest_stays(path, expected):
    names = naming([ANNA, BOB, BIOBANK, MNMS])
    for name in ("Anna Smith", "7", EID, "001", "7654321"):
        expected = expected.replace(f"{{{name}}}", shown(name))
    assert names.path(ROOT / path) == ROOT / expected


def test_the_input_may_be_one_subject():
    for place in ("/data/anna", "/data/anna.nii.gz", "/data/anna.zip"):
        root = pathlib.Path(place)
        names = naming([("anna", place)], root)
        assert names.path(root) == pathlib.Path(place.replace("anna", shown("anna")))
        assert names.path(root / "1.dcm").name == "1.dcm"
    link = naming([("anna", "/data/current")], pathlib.Path("/data/current"))
    assert link.path(pathlib.Path("/data/current/1.dcm")).parts[-2:] == (shown("anna"), "1.dcm")
    here = naming([("anna", ".")], pathlib.Path("."))
    assert here.path(pathlib.Path("1.dcm")) == pathlib.Path("1.dcm")


def test_paths_outside_the_input_and_kept_names_stay():
    assert naming([ANNA]).path(pathlib.Path("/out/Anna Smith/x")).parts[2] == "Anna Smith"
    kept = naming([ANNA], keep_ids=True)
    assert kept.path(ROOT / "Anna Smith/1.dcm") == ROOT / "Anna Smith/1.dcm"
    assert kept.name("Anna Smith") == "Anna Smith"


def test_all_that_is_said_of_a_path_is_renamed():
    names, place = naming([ANNA]), ROOT / "Anna Smith"
    for said in (
        names.refusal(Refusal(place, "is broken")),
        names.extra(Remark(place, "took series 8")),
    ):
        assert "Anna" not in str(said) and str(said).startswith(f"/data/study/{shown(ANNA[0])}: ")
    assert names.extra(NotTaken(place / "a", "maps", 3)) == NotTaken(
        ROOT / shown("Anna Smith") / "a", "maps", 3
    )


def test_a_name_that_is_no_unicode_has_a_hash_too():
    assert len(shown(b"M\xfcller".decode("utf-8", "surrogateescape"))) == 16
