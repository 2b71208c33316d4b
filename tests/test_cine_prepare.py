import dataclasses
import json
import os
import pathlib

import numpy as np
import pytest

from gancmri_jax.cine import staging
from gancmri_jax.cine.layouts.found import Subject
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.phenotypes import read_flags, read_phenotypes
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.records import Records
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError


@pytest.fixture(autouse=True)
def own_key(tmp_path_factory, monkeypatch):
    monkeypatch.setenv(
        "GANCMRI_SUBJECT_KEY_FILE", str(tmp_path_factory.mktemp("key") / "subject.key")
    )


def make_study(folder, subjects):
    rng = np.random.default_rng(0)
    for i in range(subjects):
        path = folder / f"patient{i:02}/la_4ch.nii.gz"
        path.parent.mkdir(parents=True)
        frames = rng.integers(0, 1000, (3 + i % 4, 12, 10), dtype=np.int16)
        write_nifti(path, frames, (1.5, 1.25), 30.0)
    lines = [f"patient{i:02},0,{1 + i % 2},50.5" for i in range(subjects)]
    (folder / "phenotypes.csv").write_text(
        "\n".join(["subject,ed_frame,es_frame,ef_percent", *lines])
    )
    return folder


def run(source, out, options=None, refusals=None):
    return prepare(
        source,
        out,
        options or Options(size=8),
        on_refusal=(refusals if refusals is not None else []).append,
    )


def test_records_hold_hashed_subjects_split_whole(tmp_path):
    study = make_study(tmp_path / "study", 12)
    card = run(study, tmp_path / "out")
    assert card["subjects"] == {"train": 10, "validation": 1, "test": 1} == card["videos"]
    cines = [c for split in card["videos"] for c in Records(tmp_path / "out", split)]
    assert sum(card["frames"].values()) == sum(len(cine.pixels) for cine in cines)
    hashes = {hash_subject(f"patient{i:02}", subject_key()) for i in range(12)}
    assert {cine.subject for cine in cines} == hashes
    assert all(cine.pixels.shape[1:] == (8, 8) for cine in cines)
    assert all(cine.spacing_mm == pytest.approx((2.25, 1.5625)) for cine in cines)
    phenotypes = read_phenotypes(tmp_path / "out/phenotypes.csv")
    assert all(phenotypes[cine.subject]["es_frame"] == cine.es_frame for cine in cines)
    for file in (tmp_path / "out").iterdir():
        assert b"patient" not in file.read_bytes(), file


def test_flags_travel_with_the_records(tmp_path):
    study = make_study(tmp_path / "study", 3)
    head, *rows = (study / "phenotypes.csv").read_text().splitlines()
    flagged = [f"{row},{text}" for row, text in zip(rows, ["", "curve;scale", ""], strict=True)]
    (study / "phenotypes.csv").write_text("\n".join([f"{head},flags", *flagged]))
    run(study, tmp_path / "out")
    subject = hash_subject("patient01", subject_key())
    assert read_flags(tmp_path / "out/phenotypes.csv") == {subject: "curve;scale"}
    assert read_phenotypes(tmp_path / "out/phenotypes.csv")[subject]["ef_percent"] == 50.5


def test_names_may_be_kept(tmp_path):
    study = make_study(tmp_path / "study", 2)
    run(study, tmp_path / "out", Options(size=8, keep_ids=True))
    assert [c.subject for c in Records(tmp_path / "out", "train")] == ["patient00", "patient01"]


def test_the_same_command_changes_nothing_and_another_is_refused(tmp_path):
    study = make_study(tmp_path / "study", 2)
    card = run(study, tmp_path / "out")
    times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}
    assert run(study, tmp_path / "out") == card
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()} == times
    with pytest.raises(InputError, match="another size;"):
        run(study, tmp_path / "out", Options(size=16))
    write_nifti(study / "more.nii.gz", np.ones((2, 4, 4), np.int16), (1.0, 1.0), 30.0)
    with pytest.raises(InputError, match="another input;"):
        run(study, tmp_path / "out")


def test_a_file_written_anew_at_its_old_size_is_another_input(tmp_path):
    study = make_study(tmp_path / "study", 2)
    run(study, tmp_path / "out")
    file = study / "patient01/la_4ch.nii.gz"
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1000))
    with pytest.raises(InputError, match="another input;"):
        run(study, tmp_path / "out")


def test_the_folder_one_stands_in_can_be_filled(tmp_path, monkeypatch):
    study = make_study(tmp_path / "study", 2)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    run(study, pathlib.Path("."))
    assert len(Records(tmp_path / "out", "train")) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "study"]
    monkeypatch.chdir(tmp_path / "study/patient00")
    with pytest.raises(InputError, match=r"^\.: lies inside the input"):
        run(study, pathlib.Path("."))


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    study = make_study(tmp_path / "study", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no finished records"):
        run(study, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_refusals_are_told_and_kept_without_names(tmp_path):
    study = make_study(tmp_path / "study", 2)
    torn = study / "patient00/la_4ch.nii.gz"
    torn.write_bytes(torn.read_bytes()[:100])
    write_nifti(study / "flat.nii.gz", np.ones((2, 4, 4), np.int16), (1.0, 1.0), 30.0)
    refusals = []
    card = run(study, tmp_path / "out", refusals=refusals)
    flat, torn = (hash_subject(name, subject_key()) for name in ("flat", "patient00"))
    said = sorted(str(r.path.relative_to(study)) for r in refusals)
    assert said == sorted([f"{flat}.nii.gz", f"{torn}/la_4ch.nii.gz"])
    assert card["videos"] == {"train": 1}
    assert [set(refused) for refused in card["refused"]] == [{"subject", "reason"}] * 2
    text = (tmp_path / "out/prepare.json").read_text()
    assert json.loads(text) == card and "patient" not in text and "flat" not in text


def test_nothing_readable_leaves_nothing(tmp_path):
    (tmp_path / "study/empty").mkdir(parents=True)
    with pytest.raises(InputError, match="nothing in it can be read"):
        run(tmp_path / "study", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["study"]


def test_a_killed_prepare_goes_on_where_it_was(tmp_path, monkeypatch):
    study = make_study(tmp_path / "study", 4)
    run(study, tmp_path / "whole")

    def killed(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(study, tmp_path / "out", Options(size=8), on_refusal=print, on_subject=killed)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.prepare", "study", "whole"]
    read = []
    original = staging.read_subject
    monkeypatch.setattr(
        staging, "read_subject", lambda s, **rest: [read.append(s.name), *original(s, **rest)][1:]
    )
    card = run(study, tmp_path / "out")
    assert read == ["patient02", "patient03"]
    assert card == json.loads((tmp_path / "whole/prepare.json").read_text())
    for ours, theirs in zip(
        Records(tmp_path / "out", "train"), Records(tmp_path / "whole", "train"), strict=True
    ):
        assert ours.subject == theirs.subject and ours.es_frame == theirs.es_frame
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
    assert not (tmp_path / ".out.prepare").exists()


def test_what_another_command_left_is_not_used(tmp_path):
    study = make_study(tmp_path / "study", 2)
    stop = pytest.raises(KeyboardInterrupt)
    with stop:
        prepare(study, tmp_path / "out", Options(size=8), on_refusal=print, on_subject=interrupt)
    run(study, tmp_path / "out", Options(size=16))
    assert Records(tmp_path / "out", "train")[0].pixels.shape[1:] == (16, 16)


def interrupt(done, total):
    if done:
        raise KeyboardInterrupt


def test_processes_write_what_one_does(tmp_path):
    study = make_study(tmp_path / "study", 3)
    one = run(study, tmp_path / "one")
    two = prepare(study, tmp_path / "two", Options(size=8), on_refusal=print, workers=2)
    assert one == two
    reports = [(tmp_path / name / "report.json").read_text() for name in ("one", "two")]
    assert reports[0] == reports[1]


def kill(subject, options):
    os._exit(1)


def test_a_killed_process_keeps_what_is_staged(tmp_path, monkeypatch):
    study = make_study(tmp_path / "study", 2)
    subjects = [Subject("a", study, kill)]
    monkeypatch.setattr("gancmri_jax.cine.prepare.list_subjects", lambda path: subjects)
    with pytest.raises(InputError, match="fewer --workers"):
        prepare(study, tmp_path / "out", Options(size=8), on_refusal=print, workers=2)
    assert (tmp_path / ".out.prepare/prepare.json").is_file() and not (tmp_path / "out").exists()


def test_one_heart_under_two_names_lands_in_one_split(tmp_path):
    study = make_study(tmp_path / "study", 20)
    for i in range(10):  # each of ten hearts twice
        copy = study / f"patient{10 + i:02}/la_4ch.nii.gz"
        copy.write_bytes((study / f"patient{i:02}/la_4ch.nii.gz").read_bytes())
    (study / "phenotypes.csv").unlink()
    card = run(study, tmp_path / "out", Options(size=8, keep_ids=True))
    assert card["subjects"] == {"train": 16, "validation": 2, "test": 2}
    assert card["duplicates"] == {"equal": 10, "alike": 0}
    for split in card["subjects"]:
        names = {int(c.subject[-2:]) for c in Records(tmp_path / "out", split)}
        assert {(i + 10) % 20 for i in names} == names


@pytest.mark.parametrize("options", [{"size": 0}, {"percentiles": (99.0, 1.0)}])
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Options(**options)


@pytest.mark.parametrize("out", ["study/records", "study"])
def test_output_inside_the_input_is_refused(tmp_path, out):
    study = make_study(tmp_path / "study", 1)
    with pytest.raises(InputError, match="inside the input"):
        run(study, tmp_path / out)


def test_slices_of_one_heart_stay_together(shared, tmp_path):
    source = shared / "data/cine/porcine_dicom"
    card = run(source, tmp_path / "out", dataclasses.replace(Options(), size=16))
    assert card["subjects"] == {"train": 1} and card["videos"] == {"train": 4}
    assert len({cine.subject for cine in Records(tmp_path / "out", "train")}) == 1
