import json
import os
import subprocess
import sys

import pytest

from gancmri_jax.model.mesh import spread_over_cores

_COUNT = """
import json, os, sys
os.sched_getaffinity = lambda process: range(6)
from gancmri_jax.model.mesh import data_mesh, spread_over_cores
spread_over_cores(json.loads(sys.argv[1]))
print(json.dumps([data_mesh().size, data_mesh().axis_names]))
"""


def mesh_of(batch, **environment):
    kept = {name: x for name, x in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    command = [sys.executable, "-c", _COUNT, json.dumps(batch)]
    done = subprocess.run(
        command,
        env={**kept, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("batch", "devices"),
    [(None, 6), (64, 4), (24, 6), (20, 5), (8, 2), (7, 1), (0, 1)],  # six cores, four images each
)
def test_a_batch_is_spread_as_far_as_it_comes_out_even(batch, devices):
    assert mesh_of(batch) == [devices, ["data"]]


@pytest.mark.parametrize(
    "told",
    [{"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, {"JAX_NUM_CPU_DEVICES": "3"}],
    ids=str,
)
def test_the_user_has_the_last_word(told):
    assert mesh_of(64, **told) == [3, ["data"]]


def test_nothing_happens_once_jax_has_computed():
    import jax

    before = jax.device_count()
    spread_over_cores(64)
    assert jax.device_count() == before
