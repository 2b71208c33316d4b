import numpy as np
import pytest

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import read_cines, read_model_cines
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch):
    monkeypatch.setenv(
        "GANCMRI_SUBJECT_KEY_FILE", str(tmp_path_factory.mktemp("key") / "subject.key")
    )


@pytest.fixture
def study(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        frames = rng.integers(0, 1000, (3, 12, 10), dtype=np.int16)
        (tmp_path / "study").mkdir(exist_ok=True)
        write_nifti(tmp_path / f"study/{name}.nii.gz", frames, (1.5, 1.25), 30.0)
    return tmp_path / "study"


def test_a_study_a_file_and_a_folder_of_dicoms(study, shared):
    assert [cine.subject for cine in read_cines(study)] == ["a", "b"]
    assert [cine.subject for cine in read_cines(study / "a.nii.gz")] == ["a"]
    assert [len(c.pixels) for c in read_cines(shared / "data/cine/human_dicom")] == [30, 30]


def test_a_path_may_be_a_string(study):
    assert [cine.subject for cine in read_cines(str(study))] == ["a", "b"]
    with pytest.raises(InputError, match="missing"):
        read_cines(str(study / "missing"))


def test_model_cines_are_what_prepare_writes(study, tmp_path):
    prepare(study, tmp_path / "out", Options(size=8), on_refusal=print)
    from_records = read_model_cines(tmp_path / "out", 8)
    from_study = read_model_cines(study, 8)
    for recorded, read in zip(from_records, from_study, strict=True):
        assert recorded.subject == read.subject
        assert recorded.spacing_mm == pytest.approx(read.spacing_mm)
        np.testing.assert_array_equal(recorded.pixels, read.pixels)


def test_names_may_be_kept(study):
    assert [cine.subject for cine in read_model_cines(study, 8, keep_ids=True)] == ["a", "b"]


def test_records_of_another_size_are_an_error(study, tmp_path):
    prepare(study, tmp_path / "out", Options(size=8), on_refusal=print)
    with pytest.raises(InputError, match="--size 16"):
        read_model_cines(tmp_path / "out", 16)


def test_a_refusal_is_an_error_unless_it_is_taken(study):
    (study / "carl").mkdir()
    hashed = hash_subject("carl", subject_key())
    with pytest.raises(InputError, match=f"{study}/{hashed}: holds no DICOM"):
        read_cines(study)
    with pytest.raises(InputError, match=f"{study}/carl: holds no DICOM"):
        read_cines(study, keep_ids=True)
    refusals = []
    assert len(read_cines(study, refusals.append)) == 2
    assert [refusal.path for refusal in refusals] == [study / hashed]


def test_messages_name_no_subject(tmp_path):
    study = tmp_path / "study"
    frames = np.ones((3, 12, 10), np.int16)
    (study / "Anna Smith").mkdir(parents=True)
    (study / "Anna Smith/Anna Smith.txt").write_text("notes")
    (study / "Anna Smith.txt").write_text("notes")
    write_nifti(study / "Bob Jones.nii.gz", frames, (1.5, 1.25), 30.0)  # without contrast
    write_nifti(
        study / "Carl.nii.gz", frames * np.int16([0, 1, 2])[:, None, None], (1.5, 1.25), 30.0
    )
    table = "subject,es_frame\nCarl,1\nDora Black,2\n\nEve White,3\n"
    (study / "phenotypes.csv").write_text(table)
    said = []
    read_model_cines(study, 8, on_refusal=said.append, on_extra=said.append)
    lines = [str(one) for one in said]
    anna, bob = (hash_subject(name, subject_key()) for name in ("Anna Smith", "Bob Jones"))
    assert any(f"{study}/{anna}.txt" in line for line in lines)
    assert any(line.startswith(f"{study}/{bob}.nii.gz: is 1 everywhere") for line in lines)
    assert any("2 rows match no subject (line 3, line 5)" in line for line in lines)
    for name in ("Anna", "Smith", "Bob", "Carl", "Dora", "Eve"):
        assert not any(name in line for line in lines)
    with pytest.raises(InputError) as error:
        read_cines(study / "Bob Jones.nii.gz", on_refusal=said.append)
    assert str(error.value) == f"{study}/{bob}.nii.gz: nothing in it can be read"
    kept = []
    read_model_cines(study, 8, keep_ids=True, on_refusal=kept.append, on_extra=kept.append)
    lines = [str(one) for one in kept]
    assert any("2 rows match no subject (Dora Black, Eve White)" in line for line in lines)
    assert any(line.startswith(f"{study}/Bob Jones.nii.gz: ") for line in lines)


def test_records_are_not_read_another_way(study, tmp_path):
    prepare(study, tmp_path / "out", Options(size=8), on_refusal=print)
    assert len(read_cines(tmp_path / "out", options=ReadOptions())) == 2
    with pytest.raises(
        InputError, match="holds records, which --slice, --mask-box, --spacing-mm, --series"
    ):
        read_cines(tmp_path / "out", options=ReadOptions(slice=1))
