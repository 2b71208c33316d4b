import importlib.util
import pathlib
import subprocess
import sys

import pytest

from gancmri_jax.cluster import client, worker
from gancmri_jax.cluster.client import ClusterError, WorkersDiedError, check_scheduler, do_all
from gancmri_jax.cluster.parts import write_part
from gancmri_jax.cluster.worker import Orders, WrongWorkerError, perform
from gancmri_jax.errors import InputError
from gancmri_jax.version import __version__
from tests.dask_cluster import one_worker, wire


@pytest.fixture(scope="module")
def scheduler():
    with one_worker() as address:
        yield address


def do(item):
    """Write the item's number into a file of its name, in the current folder, or fail as named."""
    name, number = item
    if name == "bad":
        raise InputError("bad: is a bad cine")
    if name == "large":
        raise MemoryError
    pathlib.Path(name).write_text(str(number))


def test_items_are_done_where_the_command_runs_and_errors_come_back(
    scheduler, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    items = [("ann-7", 1), ("bad", 2), ("large", 3), ("bob-7", 4)]
    with wire() as sent:
        results = dict(do_all(scheduler, "prepare", do, items, pathlib.Path("parts")))
    assert (tmp_path / "ann-7").read_text() == "1" and (tmp_path / "bob-7").read_text() == "4"
    assert results[0] is None and results[3] is None
    assert isinstance(results[1], InputError) and str(results[1]) == "bad: is a bad cine"
    assert isinstance(results[2], WorkersDiedError) and "memory ran out" in str(results[2])
    assert list((tmp_path / "parts").iterdir()) == []
    said = b"\n".join(sent)
    assert b"prepare-" in said and bytes(tmp_path / "parts") in said  # the tasks are among it
    assert not any(name in said for name in (b"ann-7", b"bob-7", b"bad cine"))


def test_nothing_to_do_needs_no_scheduler(tmp_path):
    assert list(do_all("nowhere:1", "prepare", do, [], tmp_path)) == []


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "_CONNECT_S", 0.2)
    with pytest.raises(ClusterError, match="no Dask scheduler answers there"):
        list(do_all("tcp://127.0.0.1:9", "prepare", do, [("ann-7", 1)], tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["local:0", "local:", "local:two", "slurm", "http://a b:1"])
def test_what_is_no_scheduler_is_refused(text):
    with pytest.raises(InputError, match=r"must be an address"):
        check_scheduler(text)


def test_without_dask_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'gancmri_jax\[cluster\]'"):
        check_scheduler("local:2")


def test_other_versions_are_refused_before_anything_is_done(scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "__version__", "7.0")
    with pytest.raises(ClusterError, match=rf"scheduler: has gancmri_jax {__version__}.* has 7.0"):
        list(do_all(scheduler, "prepare", do, [("ann-7", 1)], tmp_path))
    monkeypatch.setattr(client, "_check_versions", lambda client: None)  # as of workers to come
    with pytest.raises(ClusterError, match=rf"worker on .*has gancmri_jax {__version__}, .* 7.0"):
        list(do_all(scheduler, "prepare", do, [("ann-7", 1)], tmp_path))


def test_a_machine_without_the_package_is_refused():
    class Client:
        def run_on_scheduler(self, function, name):
            return __version__

        def run(self, function, name, on_error):
            return {"tcp://b:1": None, "tcp://gone:1": OSError("closed")}

    with pytest.raises(ClusterError, match="worker tcp://b:1: has no gancmri_jax"):
        client._check_versions(Client())


def test_workers_that_do_not_share_the_folder_are_refused(scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "arrived", lambda path: False)
    with pytest.raises(ClusterError, match=f"does not see {tmp_path}; choose an --out that all"):
        list(do_all(scheduler, "prepare", do, [("ann-7", 1)], tmp_path))


def test_a_worker_without_the_current_folder_is_refused(tmp_path):
    orders = tmp_path / "orders"
    sha256 = write_part(orders, Orders(do, [("ann-7", 1)], tmp_path / "elsewhere"))
    with pytest.raises(WrongWorkerError, match="has no folder .*elsewhere, where this command"):
        perform(0, str(orders), sha256, __version__)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["orders"]


def test_orders_of_another_are_refused(tmp_path):
    orders = tmp_path / "orders"
    write_part(orders, Orders(do, [("ann-7", 1)], tmp_path))
    with pytest.raises(InputError, match="is damaged"):
        perform(0, str(orders), "0" * 64, __version__)


def test_a_task_that_its_worker_did_not_begin_is_handed_out_again(scheduler, tmp_path, monkeypatch):
    # Dask blames all that a dead worker had been given: the file of beginnings says who ran.
    import distributed

    blamed = []
    exception = distributed.Future.exception

    def status(future):
        index = int(future.key.split("-")[2])
        tried = int(future.key.split("-")[3])
        if index == 0 or tried == 0:
            blamed.append(future.key)
            if index == 0:
                (begun,) = tmp_path.glob("cluster-*")
                (begun / "0.begun").write_bytes(b"....")
            return "error"
        return "finished"

    def killed(future):
        if future.key in blamed:
            return distributed.KilledWorker("task", "tcp://dead:1", 3)
        return exception(future)

    monkeypatch.setattr(distributed.Future, "status", property(status))
    monkeypatch.setattr(distributed.Future, "exception", killed)
    monkeypatch.chdir(tmp_path)
    items = [("ann-7", 1), ("bob-7", 2)]
    results = dict(do_all(scheduler, "prepare", do, items, tmp_path))
    assert isinstance(results[0], WorkersDiedError) and "4 workers that began it" in str(results[0])
    assert results[1] is None and (tmp_path / "bob-7").read_text() == "2"


def test_dask_is_not_imported_without_a_scheduler():
    code = (
        "import sys, gancmri_jax.cli.main as m, gancmri_jax.cli.prepare, gancmri_jax.cli.segment;"
        "import gancmri_jax.cine.pool;"
        "sys.exit(any(n in sys.modules for n in ('dask', 'distributed')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
