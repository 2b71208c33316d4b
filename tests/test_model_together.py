import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model import together

HANDS = {
    "JAX_COORDINATOR_ADDRESS": "node1:7733",
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "1",
}


def test_three_variables_join_processes_where_there_is_no_cluster(monkeypatch):
    called = []
    monkeypatch.setattr(together.jax.distributed, "initialize", lambda *args: called.append(args))
    for name, value in HANDS.items():
        monkeypatch.setenv(name, value)
    together.join_hosts()
    monkeypatch.delenv("JAX_PROCESS_ID")  # then the cluster's own variables say it
    together.join_hosts()
    assert called == [("node1:7733", 2, 1), ()]


@pytest.mark.parametrize("number", [None, "two"])
def test_without_them_the_way_out_is_one_line(monkeypatch, number):
    def initialize(*_):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(together.jax.distributed, "initialize", initialize)
    for name, value in HANDS.items():
        monkeypatch.setenv(name, value)
    if number is None:
        monkeypatch.delenv("JAX_NUM_PROCESSES")
    else:
        monkeypatch.setenv("JAX_NUM_PROCESSES", number)
    with pytest.raises(InputError, match="remove it on a single machine, or set JAX_COORD") as seen:
        together.join_hosts()
    assert "\n" not in str(seen.value)
