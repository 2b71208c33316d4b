"""Runs in processes of their own, ended at any moment, go on as if they had not been."""

import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from gancmri_jax.cache import COMPILED_VARIABLE
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import write_records
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.training.state import init_state
from tests.compiling import environment_of_hosts
from tests.tiny import tiny_config

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = {
    "total_kimg": 0.08,
    "kimg_per_snapshot": 0.012,
    "g_reg_interval": 4,
    "d_reg_interval": 4,
    "ada_target": 0.6,
    "inversion_learning_rate": 0.002,
    "inversion_kimg": 0.02,  # 5 steps; then the discriminator's own; then 14 of all parts
    "d_warmup_kimg": 0.004,
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    rng = np.random.default_rng(0)
    cines = [
        Cine(rng.integers(0, 256, (7, 8, 8), np.uint8), (1.5, 1.5), 30.0, f"s{i}") for i in range(3)
    ]
    out = tmp_path_factory.mktemp("records") / "out"
    write_records(out, {"train": cines})
    return out


@pytest.fixture(scope="module")
def kept():
    """The folder where the first run keeps its programs, for the next time that tests run too."""
    return pathlib.Path(os.environ[COMPILED_VARIABLE]) / "resume"


def start(records, workdir, programs, **changes):
    command = [sys.executable, "-m", "tests.run_training", records, workdir]
    return subprocess.Popen(
        [*map(str, command), "--config", json.dumps(CONFIG | changes)],
        cwd=ROOT,
        env={
            **os.environ,
            **environment_of_hosts(),
            "JAX_PLATFORMS": "cpu",
            COMPILED_VARIABLE: str(programs),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps_told(workdir):
    """Return the last step that the metrics tell of; a last line may be half written."""
    try:
        lines = (workdir / "metrics.jsonl").read_text().splitlines(keepends=True)
    except OSError:
        return 0
    whole = [line for line in lines if line.endswith("\n")]
    return json.loads(whole[-1])["step"] if whole else 0


def steps(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def wait_for_step(process, workdir, step):
    end = time.monotonic() + 600
    while steps_told(workdir) < step and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


@functools.cache
def shaped():
    """Return a state like those of checkpoints, drawn once: tracing that takes seconds."""
    return init_state(tiny_config(**CONFIG))


def checkpoint(workdir):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return checkpoints.load_latest(shaped())


@pytest.fixture(scope="module")
def whole(records, kept, tmp_path_factory):
    """A run that nothing befell."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    process = start(records, workdir, kept)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return workdir


@pytest.fixture
def programs(whole, kept, tmp_path):
    """A folder of its own for a run's programs, which has the first run's to begin with."""
    return shutil.copytree(kept, tmp_path / "compiled")


def names(programs):
    return {path.name for path in programs.iterdir()}


def test_a_run_killed_at_random_moments_is_the_same_bit_for_bit(
    records, whole, programs, tmp_path, request
):
    kills = request.config.getoption("--kills")
    rng = np.random.default_rng(kills)
    workdir = tmp_path / "run"
    begun_with = names(programs)
    for moment in np.sort(rng.uniform(1, 19, kills)):
        process = start(records, workdir, programs)
        wait_for_step(process, workdir, int(moment))
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate(timeout=600)
    process = start(records, workdir, programs)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    (state, data), (again, data_again) = map(checkpoint, (whole, workdir))
    assert state.step == 20 and data == data_again
    jax.tree.map(np.testing.assert_array_equal, state, again)
    tensors, tensors_again = (load_file(run / "model.safetensors") for run in (whole, workdir))
    jax.tree.map(np.testing.assert_array_equal, tensors, tensors_again)
    assert steps(workdir) == steps(whole)
    assert names(programs) == begun_with != set()  # so nothing was compiled anew, encoder and all


def test_a_run_asked_to_end_saves_and_goes_on(records, whole, programs, tmp_path):
    workdir = tmp_path / "run"
    process = start(records, workdir, programs, total_kimg=4000.0)  # which the signal alone ends
    wait_for_step(process, workdir, 4)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    ended = int(checkpoint(workdir)[0].step)
    assert ended >= 4 and ended == steps_told(workdir)
    if ended >= 20:
        pytest.skip(f"ended at step {ended} of 20 only: this machine is too busy to tell more")
    process = start(records, workdir, programs)
    process.communicate(timeout=600)
    jax.tree.map(np.testing.assert_array_equal, checkpoint(workdir)[0], checkpoint(whole)[0])
