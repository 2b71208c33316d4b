import json

import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.phenotypes import read_phenotypes
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.cli.main import gancmri
from gancmri_jax.cluster.client import WorkersDiedError
from gancmri_jax.model import file
from gancmri_jax.physiology import over_cluster
from gancmri_jax.physiology.outputs import numbered
from tests.dask_cluster import one_worker, wire
from tests.test_cli_segment import discs
from tests.test_cluster_prepare import contents
from tests.tiny_segmenter import bright_segmenter


@pytest.fixture(scope="module")
def scheduler():
    with one_worker() as address:
        yield address


@pytest.fixture(autouse=True)
def by_brightness(monkeypatch):
    monkeypatch.setattr(file, "load_segmenter_of", lambda _: bright_segmenter(2.0))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two hearts, one of them twice, a frame that is too large for a chest, and a broken file."""
    folder = tmp_path_factory.mktemp("segment") / "study"
    frames, _ = discs()
    for place, spacing_mm in (
        ("patient-ann/la_4ch", 2.0),
        ("patient-bob/la_4ch", 2.0),
        ("patient-bob", 2.0),
        ("patient-eve/la_4ch", 9.0),
    ):
        path = folder / f"{place}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = np.tile(frames, (1, 9, 9)) if spacing_mm > 2 else frames
        write_nifti(path, shown, (spacing_mm, spacing_mm), 250.0)
    (folder / "patient-cat").mkdir()
    (folder / "patient-cat/la_4ch.nii.gz").write_text("broken")
    (folder / "phenotypes.csv").write_text(
        "subject,es_frame,ed_frame\npatient-ann,1,0\npatient-zoe,1,0\n"
    )
    return folder


def run(*arguments):
    return CliRunner().invoke(gancmri, ["segment", *map(str, arguments)], catch_exceptions=False)


def said(result, out):
    """Return what a command said, without its progress bar and the place of its output."""
    lines = [line.strip().replace(str(out), "OUT") for line in result.stderr.splitlines()]
    about = sorted(line for line in lines if line and "segment:" not in line)
    return result.stdout.replace(str(out), "OUT").splitlines() + about


def test_a_cluster_writes_and_says_what_one_machine_does(scheduler, study, tmp_path):
    one, many = tmp_path / "one", tmp_path / "many"
    alone = run("--input", study, "--out", one)
    with wire() as sent:
        shared = run("--input", study, "--out", many, "--scheduler", scheduler)
    assert shared.exit_code == alone.exit_code == 0
    assert said(shared, many) == said(alone, one)
    assert any("larger than any chest" in line for line in said(shared, many))
    assert any("is broken" in line for line in said(shared, many))
    assert contents(many) == contents(one)
    ann, bob = (hash_subject(f"patient-{who}", subject_key()) for who in ("ann", "bob"))
    assert list(read_phenotypes(many / "phenotypes.csv")) == [ann, f"{bob}-1", f"{bob}-2"]
    traffic = b"\n".join(sent)
    assert b"segment-" in traffic and b"patient-" not in traffic
    assert subject_key() not in traffic and subject_key().hex().encode() not in traffic


def test_records_are_segmented_each_by_itself(scheduler, study, tmp_path):
    prepare(study, tmp_path / "records", Options(size=48), on_refusal=lambda refusal: None)
    outs = [tmp_path / "one", tmp_path / "many"]
    results = [
        run("--input", tmp_path / "records", "--out", outs[0]),
        run("--input", tmp_path / "records", "--out", outs[1], "--scheduler", scheduler),
    ]
    assert said(results[0], outs[0]) == said(results[1], outs[1])
    assert contents(outs[0]) == contents(outs[1])


def test_what_is_done_is_not_done_again(scheduler, study, tmp_path, monkeypatch):
    from gancmri_jax.cluster import parts

    monkeypatch.setattr(parts, "PATIENCE_S", 0.2)  # a worker may still wait for its old orders
    out, begun = tmp_path / "out", []
    do_all = over_cluster.do_all

    def die_after_two(scheduler, verb, do, items, folder):
        begun.append([item.index for item in items])
        results = do_all(scheduler, verb, do, items[:2] if len(begun) == 1 else items, folder)
        yield from results
        if len(begun) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(over_cluster, "do_all", die_after_two)
    first = run("--input", study, "--out", out, "--scheduler", scheduler)
    assert first.exit_code == 1 and (out / ".segment/0.part").is_file()
    assert run("--input", study, "--out", out, "--scheduler", scheduler).exit_code == 0
    assert begun == [[0, 1, 2, 3, 4], [2, 3, 4]]
    run("--input", study, "--out", tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_a_subject_that_ends_its_workers_is_named_and_others_finish(
    scheduler, study, tmp_path, monkeypatch
):
    do_all = over_cluster.do_all

    def all_but_the_first(scheduler, verb, do, items, folder):
        yield 0, WorkersDiedError("4 workers that began it died; give workers more memory")
        for index, error in do_all(scheduler, verb, do, items[1:], folder):
            yield index + 1, error

    monkeypatch.setattr(over_cluster, "do_all", all_but_the_first)
    result = run("--input", study, "--out", tmp_path / "out", "--scheduler", scheduler)
    ann = hash_subject("patient-ann", subject_key())
    assert result.exit_code == 0 and f"{ann}: 4 workers that began it died" in result.stderr
    described = json.loads((tmp_path / "out/segmentation.json").read_text())
    assert len(described["subjects"]) == 2


def test_truth_is_for_one_machine(scheduler, study, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(
        gancmri,
        ["segment", *map(str, ("--input", study, "--out", out, "--truth", study))]
        + ["--scheduler", scheduler],
    )
    assert result.exit_code == 2 and "--truth is for one machine" in result.output


def test_names_that_stand_several_times_are_numbered():
    assert numbered(["a", "b", "a", "c"]) == ["a-1", "b", "a-2", "c"]
