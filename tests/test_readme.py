"""The README's programs do what it says."""

import pathlib
import re

import pytest

from gancmri_jax.cine.phantom.write import write_phantoms
from gancmri_jax.model.file import load_model
from tests.tiny import tiny_config

README = pathlib.Path(__file__).parents[1] / "README.md"
AT_TINY_SIZE = {
    "size=64": "size=8",
    '"phantom64"': '"tiny.py"',
    "num_steps=1000": 'num_steps=2, distance="multiscale_pixel"',
}


def test_it_is_short():
    assert len(README.read_text().splitlines()) <= 145


@pytest.mark.slow
def test_a_study_in_python(tmp_path, monkeypatch, capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(program.strip().splitlines()) <= 15
    for words, smaller in AT_TINY_SIZE.items():
        assert program.count(words) == 1
        program = program.replace(words, smaller)
    monkeypatch.chdir(tmp_path)
    write_phantoms(pathlib.Path("cines"), range(10), 32, 8, 0)
    config = tiny_config().to_dict()
    pathlib.Path("tiny.py").write_text(
        "from ml_collections import ConfigDict\n"
        f"def get_config():\n    return ConfigDict({config!r})\n"
    )
    names: dict = {}
    exec(program, names)
    assert names["video"].shape == (50, 8, 8, 1)
    assert "lv_area" in load_model("heart.safetensors").directions
    lines = [line for line in capsys.readouterr().out.splitlines() if " = " in line]
    assert [line.split(" = ")[0] for line in lines] == ["roughness", "closure"]
