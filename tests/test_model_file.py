import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from gancmri_jax.cli.info import command
from gancmri_jax.errors import InputError
from gancmri_jax.model import file as model_file
from gancmri_jax.model.digests import with_digests
from gancmri_jax.model.file import load_model, read_header, save_model
from gancmri_jax.model.motion import LearnedMotion
from tests.tiny import tiny_model


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(tiny_model(), path)
    return path


def rewrite(path, change, seal=with_digests):
    """Change the tensors and metadata of a model file, its checksums too unless told otherwise."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, seal(metadata, tensors))


def test_round_trip_is_exact(path):
    before, after = tiny_model(), load_model(path)
    assert jax.tree.structure(before.params) == jax.tree.structure(after.params)
    for name in ("params", "noise", "w_avg", "trajectories", "directions"):
        a, b = getattr(before, name), getattr(after, name)
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert after.generator == before.generator and after.card == before.card
    assert after.fingerprint == before.fingerprint


def test_a_run_directory_stands_for_its_model(path):
    assert load_model(path.parent).fingerprint == tiny_model().fingerprint


def test_readable_with_safetensors_alone(path):
    with safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["generator"])["resolution"] == 16
        assert file.get_tensor("generator/synthesis/const").shape == (4, 4, 8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, m: t.pop("w_avg"), "w_avg is missing"),
        (lambda t, m: t.update(w_avg=np.zeros(3, np.float32)), r"w_avg \(3,\) is expected \(8,\)"),
        (lambda t, m: t["w_avg"].fill(np.nan), "w_avg holds values that are not finite"),
        (lambda t, m: t.update(extra=np.zeros(1, np.float32)), "extra .* not expected"),
        (lambda t, m: m.update(version="9"), "version 9"),
        (lambda t, m: m.update(format="other"), "no gancmri_jax model"),
        (lambda t, m: m.update(generator="{}"), "metadata"),
        (lambda t, m: m.update(generator=m["generator"].replace("16", "17")), "power of two"),
        (lambda t, m: m.update(generator=m["generator"].replace("16", "1e999")), "metadata"),
        (lambda t, m: m.update(card="[" * 1000 + "]" * 1000), "metadata"),
    ],
)
def test_an_unsound_file_is_refused_by_what_is_wrong(path, change, said):
    rewrite(path, change)
    with pytest.raises(InputError, match=f"model.safetensors: .*{said}"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, m: t["w_avg"].__setitem__(0, 0.25), "tensor w_avg has another SHA-256"),
        (lambda t, m: m.update(card='{"spacing_mm": [9, 9]}'), "its metadata has another SHA-256"),
        (lambda t, m: m.update(sha256="[" * 5000), "its checksums cannot be read"),
    ],
)
def test_what_was_changed_since_it_was_written_is_refused(path, change, said):
    rewrite(path, change, seal=lambda metadata, tensors: metadata)
    with pytest.raises(InputError, match=f"model.safetensors: is damaged: {said}"):
        load_model(path)


def test_a_file_without_checksums_is_named_once(path, capsys):
    rewrite(path, lambda t, m: m.pop("sha256"), seal=lambda metadata, tensors: metadata)
    for _ in range(2):
        assert load_model(path).fingerprint == tiny_model().fingerprint
    said = capsys.readouterr().err
    assert said.count("without checksums") == 1 and str(path) in said


def test_the_embedded_model_is_known_by_its_file(tmp_path, monkeypatch, capsys):
    header = read_header("demo")
    assert model_file._read_tensors(header, ["w_avg"])["w_avg"].shape == (512,)
    assert capsys.readouterr().err == ""
    own = pathlib.Path(model_file.__file__)
    content = bytearray(own.with_name("demo.safetensors").read_bytes())
    content[-5] ^= 1
    (tmp_path / "demo.safetensors").write_bytes(content)
    monkeypatch.setattr(model_file, "__file__", str(tmp_path / "file.py"))
    with pytest.raises(InputError, match="demo.safetensors: is damaged: .* install gancmri_jax"):
        load_model("demo")


def test_no_such_model_and_no_such_format(tmp_path):
    with pytest.raises(InputError, match="no such model"):
        load_model(tmp_path / "nothing")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path / "text.safetensors")


def test_writing_where_nothing_can_be_written_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        save_model(dataclasses.replace(tiny_model()), tmp_path / "none" / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_info_prints_what_the_file_says(path):
    result = CliRunner().invoke(command, [str(path)])
    assert result.exit_code == 0
    assert "resolution 16" in result.output and '"note": "for tests"' in result.output
    assert "directions: lv_area [6, 8]" in result.output


def test_what_has_all_rows_alike_is_kept_as_one(tmp_path):
    model = tiny_model()
    step = jnp.repeat(jax.random.normal(jax.random.key(1), (49, 1, 8)), model.num_ws, axis=1)
    other = step.at[3, 2, 1].add(1.0)
    model = dataclasses.replace(
        model, motion=LearnedMotion(unknown={"alike": step, "apart": other})
    )
    save_model(model, tmp_path / "m.safetensors")
    shapes = read_header(tmp_path / "m.safetensors").shapes
    assert shapes["trajectories/alike"] == (49, 1, 8)
    assert shapes["trajectories/apart"] == (49, model.num_ws, 8)
    loaded = load_model(tmp_path / "m.safetensors").trajectories
    np.testing.assert_array_equal(loaded["alike"], step)
    np.testing.assert_array_equal(loaded["apart"], other)
