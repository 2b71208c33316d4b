"""What is exported is run again, by the programs it is for, and compared."""

import dataclasses
import json
import sys

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from gancmri_jax.disclaimer import marked_card
from gancmri_jax.errors import InputError
from gancmri_jax.export.graphs import export_onnx, export_stablehlo
from gancmri_jax.latents.motions import EdToEs
from gancmri_jax.model.convert import convert
from gancmri_jax.model.motion import LearnedMotion
from gancmri_jax.weights.stylegan2_files import read_foreign
from tests import foreign


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """In colour at 16², with noise that shows, and codes that are not all alike."""
    source = tmp_path_factory.mktemp("net") / "net.pkl"
    foreign.write_ada(source, foreign.generator(), foreign.discriminator())
    model, _ = convert(read_foreign(source), source.name)
    motion = jax.numpy.ones((model.num_ws, model.w_dim))
    return dataclasses.replace(model, motion=LearnedMotion((EdToEs(motion),)))


@pytest.fixture(scope="module")
def expected(model):
    random = np.random.default_rng(0)
    z = random.normal(size=(3, model.z_dim)).astype(np.float32)
    ws = random.normal(size=(3, model.num_ws, model.w_dim)).astype(np.float32)
    return z, np.asarray(model.map(z)), ws, np.asarray(model.synthesize(ws))


def assert_close(found, wanted):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def assert_beside(model, folder):
    latents = load_file(folder / "latents.safetensors")
    np.testing.assert_array_equal(latents["w_avg"], model.w_avg)
    np.testing.assert_array_equal(latents["trajectories/ed_to_es"], model.motion.ed_to_es)
    assert json.loads((folder / "card.json").read_text()) == marked_card(model.card)
    assert model.card["licence"] == "unknown: ask its author"


def test_stablehlo_runs_and_agrees(model, expected, tmp_path):
    z, mapped, ws, images = expected
    folder = tmp_path / "graphs"
    export_stablehlo(model, folder)
    for name, entry, wanted in (("mapping", z, mapped), ("synthesis", ws, images)):
        content = bytearray((folder / f"{name}.stablehlo").read_bytes())
        graph = jax.export.deserialize(content)
        assert {"cpu", "cuda", "tpu"} <= set(graph.platforms)
        assert str(graph.in_avals[0].shape[0]) == "batch"
        assert_close(np.asarray(graph.call(entry)), wanted)
        assert len(graph.call(entry[:1])) == 1
    assert_beside(model, folder)


def test_onnx_runs_and_agrees(model, expected, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    z, mapped, ws, images = expected
    folder = tmp_path / "graphs"
    export_onnx(model, folder)
    for name, given, wanted in (
        ("mapping", {"z": z}, {"ws": mapped}),
        ("synthesis", {"ws": ws}, {"images": images}),
    ):
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
        (output,) = wanted
        assert [each.name for each in session.get_outputs()] == [output]
        assert session.get_outputs()[0].shape == ["batch", *wanted[output].shape[1:]]
        assert_close(session.run([output], given)[0], wanted[output])
        one = {key: array[:1] for key, array in given.items()}
        assert_close(session.run([output], one)[0], wanted[output][:1])
        told = session.get_modelmeta().custom_metadata_map
        assert json.loads(told["card"]) == marked_card(model.card)
    assert_beside(model, folder)


def test_without_onnx_the_way_out_is_said(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "gancmri_jax.export.onnx_graph", raising=False)
    with pytest.raises(InputError, match=r"pip install 'gancmri_jax\[onnx\]'"):
        export_onnx(model, tmp_path / "graphs")
    assert not (tmp_path / "graphs").exists()
