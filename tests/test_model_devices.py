import json

import jax
from click.testing import CliRunner

from gancmri_jax.cli.main import gancmri
from gancmri_jax.model import devices
from gancmri_jax.model.mesh import platform_of


def test_devices_are_printed_and_asked_for_a_product(tmp_path):
    file = tmp_path / "devices.json"
    result = CliRunner().invoke(gancmri, ["info", "--devices", "--json", str(file)])
    assert result.exit_code == 0, result.output
    found = json.loads(file.read_text())["devices"]
    assert len(found) == jax.local_device_count() and found[0]["error"] is None
    assert "cpu 0: cpu, computes" in result.output and "gancmri_jax[cuda13]" in result.output


def test_a_device_that_fails_is_named_and_ends_with_status_1(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(devices.jax, "device_put", broken)
    result = CliRunner().invoke(gancmri, ["info", "--devices"])
    assert result.exit_code == 1 and "fails: RuntimeError: no kernel image" in result.output


def test_the_platform_is_that_of_the_arrays():
    assert platform_of({"a": jax.numpy.ones(2)}) == "cpu"
    assert platform_of({}) == jax.default_backend()
    assert platform_of([1.0, None]) == jax.default_backend()
