import dataclasses
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from click.testing import CliRunner

from gancmri_jax.apps import packages
from gancmri_jax.apps.serve import LOOPBACK, listen
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import EdToEs
from gancmri_jax.model.file import save_model
from gancmri_jax.model.motion import LearnedMotion
from tests.tiny import tiny_model


def explore(*words):
    return CliRunner().invoke(gancmri, ["explore", *map(str, words)], catch_exceptions=False)


def test_what_stands_in_the_way_is_told_before_anything_is_compiled(tmp_path, monkeypatch):
    with listen(LOOPBACK, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}: cannot listen there .*--port"):
            explore("--model", tmp_path / "none", "--port", port)
    with pytest.raises(InputError, match="none"):
        explore("--model", tmp_path / "none", "--port", 0)
    monkeypatch.setattr(packages, "NEEDED", ("web_pages_that_are_not_there",))
    with pytest.raises(InputError, match=r"pip install 'gancmri_jax\[apps\]'"):
        explore()


@pytest.mark.slow
def test_it_serves_until_ctrl_c(tmp_path):
    path = tmp_path / "tiny.safetensors"
    learned = tiny_model(resolution=8)
    few = LearnedMotion((learned.motion.of(EdToEs),))  # little to compile
    save_model(dataclasses.replace(learned, motion=few), path)
    command = [sys.executable, "-c", "from gancmri_jax.cli.main import main; main()", "explore"]
    command += ["--model", str(path), "--port", "0", "--no-browser"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        url = process.stdout.readline().split()[0]
        for _ in range(100):
            try:
                assert "Synthetic hearts" in httpx.get(url).text
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "compiling …\n")
