import dataclasses
import json

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from gancmri_jax.cli.info import command
from gancmri_jax.errors import InputError
from gancmri_jax.model.digests import with_digests
from gancmri_jax.model.file import SHIPPED_SEGMENTERS, load_model, load_segmenter_of, save_model
from gancmri_jax.model.segmenter import FILE, load_segmenter, save_segmenter
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter


@pytest.fixture(scope="module")
def segmenter():
    return tiny_segmenter()


@pytest.fixture(scope="module")
def plain():
    return tiny_model()


@pytest.fixture
def path(tmp_path, segmenter):
    save_segmenter(segmenter, tmp_path / FILE)
    return tmp_path / FILE


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a.variables, b.variables)
    assert (a.network, a.pixel_mm, a.x_first, a.card) == (b.network, b.pixel_mm, b.x_first, b.card)
    assert a.fingerprint == b.fingerprint


def rewrite(path, change):
    """Change the tensors and metadata of a file."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, with_digests(metadata, tensors))  # as if it had been written so


def test_a_file_of_its_own_round_trips(path, segmenter):
    assert_same(load_segmenter(path), segmenter)
    for name in (path, path.parent):  # the file, or the run directory that it lies in
        assert_same(load_segmenter_of(name), segmenter)


def test_a_model_file_carries_it(tmp_path, plain, segmenter):
    model = dataclasses.replace(plain, segmenter=segmenter)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert_same(loaded.segmenter, segmenter)
    assert_same(load_segmenter_of(tmp_path / "model.safetensors"), segmenter)
    assert loaded.card == plain.card | {"segmenter": segmenter.card}
    assert loaded.fingerprint == plain.fingerprint  # which is the generator's
    said = CliRunner().invoke(command, [str(tmp_path)]).output
    assert "segmenter: filters [2, 2, 2, 2, 2], level_width 2, head_width 2, pixel_mm 4.0" in said
    save_model(dataclasses.replace(loaded, segmenter=None), tmp_path / "model.safetensors")
    without = load_model(tmp_path / "model.safetensors")
    assert without.segmenter is None and without.card == plain.card
    with pytest.raises(InputError, match="has no segmenter.*--into"):
        load_segmenter_of(tmp_path / "model.safetensors")
    assert "segmenter: none" in CliRunner().invoke(command, [str(tmp_path)]).output


def test_numbers_make_the_fingerprint(segmenter):
    other = tiny_segmenter(seed=1)
    assert other.fingerprint != segmenter.fingerprint
    assert dataclasses.replace(segmenter, card={}).fingerprint == segmenter.fingerprint


@pytest.mark.parametrize("inside_a_model", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda t, m: t.pop("segmenter/params/classify/bias"),
        lambda t, m: t.update({"segmenter/extra": np.zeros(1, np.float32)}),
        lambda t, m: t["segmenter/params/classify/bias"].fill(np.nan),
        lambda t, m: m.update(segmenter="{}"),
        lambda t, m: m.update(segmenter=m["segmenter"].replace("[2, 2, 2, 2, 2]", "[2, 2]")),
        lambda t, m: m.update(segmenter=m["segmenter"].replace("4.0", "-4.0")),
        lambda t, m: m.update(segmenter=m["segmenter"].replace("false", '"no"')),
    ],
    ids=["missing", "extra", "nan", "empty", "levels", "spacing", "order"],
)
def test_an_unsound_one_is_refused(path, plain, segmenter, change, inside_a_model):
    if inside_a_model:
        path = path.with_name("model.safetensors")
        save_model(dataclasses.replace(plain, segmenter=segmenter), path)
    rewrite(path, change)
    with pytest.raises(InputError, match=path.name):
        (load_model if inside_a_model else load_segmenter)(path)


def test_a_model_without_its_sizes_refuses_its_tensors(tmp_path, plain, segmenter):
    path = tmp_path / "model.safetensors"
    save_model(dataclasses.replace(plain, segmenter=segmenter), path)
    rewrite(path, lambda t, m: m.pop("segmenter"))
    with pytest.raises(InputError, match="tensor segmenter/.* is not expected here"):
        load_model(path)


def test_one_that_was_changed_since_it_was_written_is_refused(path, capsys):
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    name = next(iter(tensors))
    tensors[name] = tensors[name] + 1
    save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=f"is damaged: tensor {name} has another SHA-256"):
        load_segmenter(path)
    del metadata["sha256"]  # as an earlier version wrote it
    save_file(tensors, path, metadata)
    load_segmenter(path)
    assert "without checksums" in capsys.readouterr().err


def test_other_files_are_no_segmenters(path, tmp_path):
    rewrite(path, lambda t, m: m.update(format=json.dumps("other")))
    with pytest.raises(InputError, match="no gancmri_jax segmenter"):
        load_segmenter(path)
    with pytest.raises(InputError, match="cannot be read as a segmenter"):
        load_segmenter(tmp_path / "nothing")
    with pytest.raises(InputError, match="cannot be written"):
        save_segmenter(tiny_segmenter(), tmp_path / "none" / FILE)


@pytest.mark.parametrize("name", SHIPPED_SEGMENTERS)
def test_shipped_ones_are_at_hand_by_their_fingerprints(name):
    assert load_segmenter_of(name).fingerprint == name
