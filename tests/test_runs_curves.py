import json

import pytest
from click.testing import CliRunner
from PIL import Image

from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.runs.curves import read_run, summarize


def write(folder, lines, rest=""):
    folder.mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + rest)
    return folder


@pytest.fixture
def run(tmp_path):
    tick = {"loss/g": 1.0, "loss/d": 1.4, "images_per_second": 20.0}
    lines = [{"step": i, "kimg": float(i), **tick} for i in (1, 2, 3)]
    lines += [{"step": 2, "kimg": 2.0, "fcn_fd2k": 5.0}, {"step": 3, "kimg": 3.0, "fcn_fd2k": 7.0}]
    return write(tmp_path / "a", lines, rest='{"step": 4, "ki')


def test_a_run_is_read_but_for_a_line_cut_short(run):
    lines = read_run(run)
    assert len(lines) == 5
    assert summarize(lines) == "3 kimg; fcn_fd2k 5 at best, at 2 kimg; 20 images/s lately"


def test_runs_are_drawn_beside_each_other(run, tmp_path):
    other = write(tmp_path / "b", [{"step": 1, "kimg": 1.0, "loss/g": 2.0}])
    out = tmp_path / "runs.png"
    result = CliRunner().invoke(gancmri, ["runs", str(run), str(other), "--out", str(out)])
    assert result.exit_code == 0 and "fcn_fd2k 5 at best" in result.output
    with Image.open(out) as picture:  # three panels in a row
        assert picture.size[0] > 3 * picture.size[1] * 0.9


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no training run"):
        read_run(tmp_path)
    with pytest.raises(InputError, match="has told nothing yet"):
        read_run(write(tmp_path / "empty", []))
