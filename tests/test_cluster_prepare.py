"""`prepare` over a cluster: the records of one machine, and no names or keys on the wire."""

import base64
import json
import logging
import os
import pathlib
import time

import pytest
from click.testing import CliRunner

from gancmri_jax.cine import prepare as preparing
from gancmri_jax.cine import staging
from gancmri_jax.cine.layouts import folders
from gancmri_jax.cine.layouts.found import Subject
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import insist
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.cli.main import gancmri
from gancmri_jax.cluster import parts
from gancmri_jax.cluster.client import ClusterError
from gancmri_jax.errors import InputError
from tests.dask_cluster import one_worker, wire
from tests.test_cine_prepare import make_study

SIZE = Options(size=8)


@pytest.fixture(scope="module")
def scheduler():
    with one_worker() as address:
        yield address


def run(study, out, scheduler=None, **options):
    refusals = []
    prepare(
        study,
        out,
        options.pop("options", SIZE),
        on_refusal=refusals.append,
        scheduler=scheduler,
        **options,
    )
    return sorted(map(str, refusals))


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_workers_write_what_one_machine_does_and_send_no_name_and_no_key(
    scheduler, tmp_path, caplog
):
    study = make_study(tmp_path / "study", 11)
    torn = study / "patient04/la_4ch.nii.gz"
    torn.write_bytes(torn.read_bytes()[:100])
    refused = run(study, tmp_path / "one")
    with wire() as sent, caplog.at_level(logging.DEBUG):
        assert run(study, tmp_path / "many", scheduler) == refused
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["many", "one", "study"]

    key = subject_key()
    secrets = [key, key.hex().encode(), base64.b64encode(key), base64.urlsafe_b64encode(key)]
    traffic, logged = b"\n".join(sent), caplog.text.encode()
    assert b"prepare-" in traffic and b"many" in traffic  # the tasks are in what was recorded
    for said in (traffic, logged):
        assert not any(secret in said for secret in secrets)
        assert b"patient" not in said and str(study).encode() not in said
        assert hash_subject("patient04", key).encode() not in said


def test_a_dead_client_is_resumed_by_the_same_command(scheduler, tmp_path, monkeypatch):
    study = make_study(tmp_path / "study", 6)
    run(study, tmp_path / "one")

    def killed(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "many", scheduler, on_subject=killed)
    monkeypatch.setattr(parts, "PATIENCE_S", 0.2)  # a worker may still wait for its old orders
    kept = {p.name for p in (tmp_path / ".many.prepare").glob("*.npz")}
    assert len(kept) >= 3
    read = []
    original = staging.read_subject
    monkeypatch.setattr(
        staging, "read_subject", lambda s, **rest: [read.append(s.name), *original(s, **rest)][1:]
    )
    run(study, tmp_path / "many", scheduler)
    assert len(read) == 6 - len(kept)  # nothing twice
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def test_a_bad_cine_stops_a_strict_run_as_on_one_machine(scheduler, tmp_path):
    study = make_study(tmp_path / "study", 2)
    (study / "patient00/la_4ch.nii.gz").write_bytes(b"torn")
    said = []
    for out, address in (("one", None), ("many", scheduler)):
        with pytest.raises(InputError) as caught:
            prepare(study, tmp_path / out, SIZE, on_refusal=insist, scheduler=address)
        said.append(str(caught.value))
    assert said[0] == said[1] and "la_4ch.nii.gz" in said[0]
    assert [p.name for p in tmp_path.iterdir()] == ["study"]


def test_a_scheduler_that_is_not_there_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("gancmri_jax.cluster.client._CONNECT_S", 0.2)
    study = make_study(tmp_path / "study", 1)
    with pytest.raises(ClusterError, match="no Dask scheduler"):
        run(study, tmp_path / "out", "tcp://127.0.0.1:9")
    assert [p.name for p in tmp_path.iterdir()] == ["study"]


def test_the_command_takes_a_scheduler(scheduler, tmp_path):
    study = make_study(tmp_path / "study", 2)
    arguments = ["prepare", "--input", study, "--out", tmp_path / "out", "--size", "8"]
    arguments = [*map(str, arguments), "--scheduler", scheduler]
    result = CliRunner().invoke(gancmri, [*arguments, "--workers", "2"])
    assert result.exit_code == 2 and "--workers is for one machine" in result.output
    result = CliRunner().invoke(gancmri, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "train: 2 subjects, 2 videos" in result.stdout
    assert json.loads((tmp_path / "out/prepare.json").read_text())["subjects"] == {"train": 2}


def slow_read(subject, options):
    """Read as usual, but slowly, and note each beginning; a poisonous file ends the process."""
    with (subject.path.parents[1] / "read.log").open("a") as log:
        log.write(f"{subject.name}\n")
    time.sleep(0.2)
    if (subject.path / "poison").exists():
        os.kill(os.getpid(), 9)
    return folders.read(subject, options)


@pytest.mark.slow
def test_a_killed_worker_loses_only_the_subject_in_hand(tmp_path, monkeypatch):
    from distributed import LocalCluster

    study = make_study(tmp_path / "study", 16)
    poisoned = make_study(tmp_path / "other/poisoned", 5)
    (poisoned / "patient02/poison").touch()

    def slowly(source: pathlib.Path) -> list[Subject]:
        found = sorted(p for p in source.iterdir() if p.is_dir())
        return [Subject(path.name, path, slow_read) for path in found]

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "list_subjects", slowly)
        run(study, tmp_path / "one")
        log = tmp_path / "read.log"
        log.unlink()
        with LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster:
            pids = [worker.pid for worker in cluster.workers.values()]

            def kill(done, total):
                if done == 6:
                    os.kill(pids[0], 9)

            run(study, tmp_path / "many", cluster.scheduler_address, on_subject=kill)
            begun = log.read_text().split()
            assert sorted(set(begun)) == sorted(p.name for p in study.iterdir() if p.is_dir())
            assert len(begun) <= 16 + 1  # the subject in hand alone was read again
            assert contents(tmp_path / "many") == contents(tmp_path / "one")

            refused = run(poisoned, tmp_path / "rest", cluster.scheduler_address)
    (line,) = refused
    who = hash_subject("patient02", subject_key())
    assert who in line and "workers that began it died" in line
    begun = (tmp_path / "other/read.log").read_text().split()
    assert begun.count("patient02") >= 3
    card = json.loads((tmp_path / "rest/prepare.json").read_text())
    assert card["videos"] == {"train": 4} and len(card["refused"]) == 1
