"""The documents' Slurm script: rendered by dask-jobqueue, where there is no Slurm."""

import pathlib
import re

import pytest

from gancmri_jax.cine.subject import KEY_FILE_VARIABLE, subject_key

DOCUMENT = pathlib.Path(__file__).parents[1] / "docs/clusters.md"


@pytest.fixture
def snippet():
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return code


def test_the_job_script_asks_for_what_the_document_says(snippet, monkeypatch, tmp_path):
    (tmp_path / "subject.key").write_text("5ec2e7" * 10 + "abcd\n")
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(tmp_path / "subject.key"))
    key = subject_key()
    names = {"__name__": "snippet"}
    exec(compile(snippet, str(DOCUMENT), "exec"), names)
    with names["slurm"]() as cluster:
        script = cluster.job_script()
        address = cluster.scheduler_address
    lines = script.splitlines()
    assert lines[0].startswith("#!") and "sh" in lines[0]
    for line in ("-p cpu", "--cpus-per-task=1", "--mem=8G", "-t 12:00:00", "--requeue"):
        assert f"#SBATCH {line}" in lines, script
    (worker,) = (line for line in lines if "dask_worker" in line)
    assert address in worker and "--nthreads 1" in worker and "--nanny" in worker
    assert "--memory-limit" in worker
    assert "JAX_PLATFORMS=cpu" in script
    assert key.hex() not in script and KEY_FILE_VARIABLE not in script
