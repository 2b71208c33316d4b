import types

import pytest

from gancmri_jax.cli import projecting
from gancmri_jax.cli.projecting import progress
from gancmri_jax.projection.settings import Settings


@pytest.mark.parametrize("clock", [[0.0] * 9, [50.0, 40.0, 30.0, 20.0, 10.0]])
def test_a_clock_that_stands_or_goes_back_spoils_no_speed(monkeypatch, capsys, clock):
    """`monotonic` never goes back, and the wall clock, which does, is not asked."""
    ticks = iter(clock)
    ours = types.SimpleNamespace(monotonic=lambda: 100.0, time=lambda: next(ticks))
    monkeypatch.setattr(projecting, "time", ours)
    with progress(Settings(num_steps=10)) as told:
        told["on_start"](4, 1)
        told["on_steps"](10)
        told["on_steps"](20)
    said = capsys.readouterr().err
    assert (
        "4.0/5 frames" in said and "frames/h" in said and "-" not in said.split("frames/h")[0][-9:]
    )
