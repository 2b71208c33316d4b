import sys

import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.records import Records
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.cli.main import gancmri, main
from gancmri_jax.errors import InputError


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch):
    monkeypatch.setenv(
        "GANCMRI_SUBJECT_KEY_FILE", str(tmp_path_factory.mktemp("key") / "subject.key")
    )


def test_a_study_becomes_records(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "study/nothing").mkdir(parents=True)
    frames = rng.integers(0, 1000, (3, 12, 10), dtype=np.int16)
    write_nifti(tmp_path / "study/a.nii.gz", frames, (1.5, 1.25), 30.0)
    arguments = ["prepare", "--input", f"{tmp_path}/study", "--out", f"{tmp_path}/out"]
    arguments += ["--size", "8", "--fit", "pad", "--percentiles", "0", "100", "--keep-ids"]
    for _ in range(2):  # the same command again finds its work done
        result = CliRunner().invoke(gancmri, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "train: 1 subjects, 1 videos, 3 frames",
            "fewer than 10 subjects: all are in train",
            f"1 refused; records in {tmp_path}/out",
        ]
    (cine,) = Records(tmp_path / "out", "train")
    assert cine.subject == "a" and cine.spacing_mm == pytest.approx((2.25, 2.0833), abs=1e-3)


def test_nothing_readable_is_status_two(tmp_path, monkeypatch, capsys):
    (tmp_path / "study/nothing").mkdir(parents=True)
    arguments = ["prepare", "--input", f"{tmp_path}/study", "--out", f"{tmp_path}/out"]
    monkeypatch.setattr(sys, "argv", ["gancmri", *arguments])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    hashed = hash_subject("nothing", subject_key())
    said = f"study/{hashed}: holds no DICOM, NIfTI, video or PNG file; skipped"
    assert any(said in line for line in lines)
    assert lines[-1] == f"error: {tmp_path}/study: nothing in it can be read"
    assert not (tmp_path / "out").exists()


def test_an_audit_tells_by_its_status(tmp_path):
    frames = np.random.default_rng(0).integers(0, 1000, (3, 12, 10), dtype=np.int16)
    (tmp_path / "study").mkdir()
    write_nifti(tmp_path / "study/patient77.nii.gz", frames, (1.5, 1.25), 30.0)
    options = ["prepare", "--input", f"{tmp_path}/study"]
    prepared = CliRunner().invoke(gancmri, [*options, "--out", f"{tmp_path}/out", "--size", "8"])
    assert prepared.exit_code == 0
    clean = CliRunner().invoke(gancmri, [*options, "--audit", f"{tmp_path}/out"])
    assert clean.exit_code == 0 and "0 findings" in clean.stdout
    (tmp_path / "out/notes.txt").write_text("patient77 looks odd")
    found = CliRunner().invoke(gancmri, [*options, "--audit", f"{tmp_path}/out"])
    assert found.exit_code == 1
    assert found.stdout.splitlines()[0] == f"{tmp_path}/out/notes.txt: subject name"
    both = CliRunner().invoke(gancmri, [*options, "--audit", "x", "--out", "y"])
    neither = CliRunner().invoke(gancmri, options)
    assert both.exit_code == neither.exit_code == 2


def test_strict_stops_at_the_first_bad_file(tmp_path):
    (tmp_path / "study/nothing").mkdir(parents=True)
    frames = np.random.default_rng(0).integers(0, 1000, (3, 12, 10), dtype=np.int16)
    write_nifti(tmp_path / "study/a.nii.gz", frames, (1.5, 1.25), 30.0)
    arguments = ["prepare", "--input", f"{tmp_path}/study", "--out", f"{tmp_path}/out", "--strict"]
    with pytest.raises(InputError, match="nothing: holds no DICOM"):
        CliRunner().invoke(gancmri, [*arguments, "--keep-ids"], catch_exceptions=False)
    assert [p.name for p in tmp_path.iterdir()] == ["study"]
