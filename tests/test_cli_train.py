import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--config=configs/phantom65.py"],
            "configs/phantom65.py: no such configuration; did you mean phantom64?",
        ),
        (
            ["--config=configs/phantom64.py", "--config.lerning_rate=1"],
            "key lerning_rate; did you mean",
        ),
        (["--config=configs/phantom64.py", "--config.batch_size=few"], "batch_size=few"),
        (["--config=configs/phantom64.py", "runs/a"], "unexpected argument runs/a"),
        (["--config=configs/phantom64.py", "--config.batch_size=0"], "config.batch_size must be"),
        (["--config=phantom64", "--config.batch_size", "0"], "config.batch_size must be"),
        (["--config=ukbb256", "--config.data=nowhere", "--new_data"], "nowhere: holds no"),
        (
            ["-config=ukbb256", "--notensorboard", "--new_data=true", "--config.data=nowhere"],
            "nowhere: holds no",
        ),
        (["--config=configs/phantom64.py", "--workdri=runs/a"], "No such option '--workdri'"),
        ([], "Missing option '--config'"),
        (
            [
                "--config=configs/dsb256.py",
                "--config.r1_gamma=10",
                "--config.d_learning_rate=0.001",
                "--config.data=nowhere",
            ],
            "nowhere",
        ),
    ],
    ids=[
        "no such file",
        "unknown key",
        "no number",
        "stray word",
        "bad value",
        "bad value of a configuration of the package",
        "no data, with a spelling of before",
        "no data, with other spellings of before",
        "unknown option",
        "nothing",
        "no data, with keys that are None by default",
    ],
)
def test_bad_input_is_one_line_and_status_2(options, said):
    command = [sys.executable, "train.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and said in line
