import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import write_records
from gancmri_jax.errors import InputError
from gancmri_jax.training.sharding import check_batch, data_mesh
from tests.compiling import environment_of_hosts
from tests.tiny import tiny_config

ROOT = pathlib.Path(__file__).parents[1]

_FIVE_STEPS = """
import json
import jax
import numpy as np
from gancmri_jax.training.sharding import data_mesh, replicated
from gancmri_jax.training.state import init_state
from gancmri_jax.training.step import make_step
from tests.tiny import tiny_config

config = tiny_config(learning_rate=0.001, inversion_learning_rate=0.001)
images = np.random.default_rng(0).integers(0, 256, (5, 4, 8, 8, 1)).astype(np.uint8)
begun = jax.device_get(init_state(config, data_mesh(jax.devices()[:1])))
for devices in (1, 4):
    mesh = data_mesh(jax.devices()[:devices])
    step, state, losses = make_step(config, mesh), jax.device_put(begun, replicated(mesh)), []
    for batch in images:
        state, metrics = step(state, batch, regularize_g=True, regularize_d=True, invert=True)
        losses.append([float(metrics[k]) for k in sorted(metrics)])
    print(json.dumps(losses))
"""


def run(*arguments, flags=""):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment_of_hosts(flags)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_global_batch_gives_the_same_losses_on_1_and_4_devices():
    process = run("-c", _FIVE_STEPS, flags="--xla_force_host_platform_device_count=4")
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    one, four = (np.array(json.loads(line)) for line in out.splitlines())
    assert len(one) == 5 and np.isfinite(one).all()
    np.testing.assert_allclose(four, one, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_two_hosts_train_as_one_does(tmp_path):
    rng = np.random.default_rng(0)
    cines = [
        Cine(rng.integers(0, 256, (8, 8, 8), np.uint8), (1.5, 1.5), 30.0, f"s{i}") for i in range(3)
    ]
    write_records(tmp_path / "data", {"train": cines})
    changes = {"kimg_per_snapshot": 0.016, "mbstd_group": 2, "distance_frames": 4}
    changes |= {"inversion_learning_rate": 0.001}
    config = json.dumps(changes)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = ["-m", "tests.run_training", tmp_path / "data"]
    two = ["--hosts", 2, "--port", port, "--config", config]
    processes = [run(*base, tmp_path / "two", *two, "--host", host) for host in (0, 1)]
    ends = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    alone = run(*base, tmp_path / "one", "--config", config)
    said = alone.communicate(timeout=600)
    assert alone.returncode == 0, said

    def metrics(name):
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    assert len(metrics("one")) == 5  # four steps, and the distance of the last one's model
    for two, one in zip(metrics("two"), metrics("one"), strict=True):
        assert two.keys() == one.keys()
        for name in two.keys() - {"images_per_second"}:
            assert two[name] == pytest.approx(one[name], rel=1e-2, abs=1e-3), name
    assert (tmp_path / "two" / "model.safetensors").exists()


def test_a_batch_that_does_not_come_out_even_is_refused():
    with pytest.raises(InputError, match="batch_size 4 must be a multiple of config.accumulate 3"):
        check_batch(4, 3, data_mesh())
    check_batch(tiny_config().batch_size, 2, data_mesh())
