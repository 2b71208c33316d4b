import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open

from gancmri_jax.cli.info import command
from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import EdToEs
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.metrics.similarity import ssim
from gancmri_jax.model.encoder import from_tensors, network_for, to_tensors
from gancmri_jax.model.file import load_model, read_header, save_model
from gancmri_jax.model.motion import LearnedMotion
from gancmri_jax.training.encoder import generated_frames, score
from gancmri_jax.video.render import render_uint8
from tests.test_model_file import rewrite
from tests.tiny import tiny_model
from tests.tiny_encoder import SIZES, encoding_model
from tests.tiny_segmenter import tiny_segmenter


@pytest.fixture(scope="module")
def model():
    return encoding_model()


@pytest.fixture
def path(model, tmp_path):
    save_model(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_a_file_keeps_the_encoder_in_float16_and_the_generator_as_it_was(model, path):
    again = load_model(path)
    assert again.fingerprint == model.fingerprint == tiny_model().fingerprint
    assert again.encoder.fingerprint == model.encoder.fingerprint
    assert again.encoder.sizes == SIZES and again.encoder.card == {"note": "for tests"}
    jax.tree.map(np.testing.assert_array_equal, again.encoder.params, model.encoder.params)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(again.encoder.params)} == {"float32"}
    images = jax.random.normal(jax.random.key(3), (2, 16, 16, 1))
    np.testing.assert_array_equal(again.encode(images), model.encode(images))
    with safe_open(path, framework="numpy") as file:
        dtypes = {name: file.get_tensor(name).dtype.name for name in file.keys()}
        assert json.loads(file.metadata()["encoder"]) == SIZES
    assert {d for n, d in dtypes.items() if n.startswith("encoder/")} == {"float16"}
    assert {d for n, d in dtypes.items() if not n.startswith("encoder/")} == {"float32"}


def test_the_fingerprint_is_of_the_numbers(model):
    assert model.encoder.fingerprint != encoding_model(seed=1).encoder.fingerprint
    assert dataclasses.replace(model.encoder, card={}).fingerprint == model.encoder.fingerprint


def test_one_w_an_image(model):
    w = model.encode(np.zeros((3, 16, 16, 1), np.float32))
    assert w.shape == (3, 8)
    np.testing.assert_allclose(w[1:], np.broadcast_to(w[:1], (2, 8)), rtol=1e-5)


def test_what_is_added_to_a_model_leaves_its_encoder(model, tmp_path):
    fitted = model.with_fit(LearnedMotion((EdToEs(jnp.ones((6, 8))),)), {}, {"note": 1})
    both = dataclasses.replace(fitted, segmenter=tiny_segmenter())
    save_model(both, tmp_path / "both.safetensors")
    again = load_model(tmp_path / "both.safetensors")
    assert again.encoder.fingerprint == model.encoder.fingerprint
    assert again.segmenter.fingerprint == tiny_segmenter().fingerprint
    assert again.card["encoder"] == {"note": "for tests"} and again.card["fit"] == {"note": 1}


def test_without_an_encoder_the_card_has_none(model, tmp_path):
    save_model(dataclasses.replace(load_saved(model, tmp_path), encoder=None), tmp_path / "bare")
    bare = load_model(tmp_path / "bare")
    assert bare.encoder is None and "encoder" not in bare.card


def load_saved(model, folder):
    save_model(model, folder / "saved.safetensors")
    return load_model(folder / "saved.safetensors")


def test_no_encoder_and_images_of_another_size(model):
    with pytest.raises(InputError, match="no encoder; `gancmri train-encoder"):
        tiny_model().encode(jnp.zeros((1, 16, 16, 1)))
    for shape in [(1, 8, 8, 1), (1, 16, 16, 3), (16, 16, 1)]:
        with pytest.raises(InputError, match=r"of \(16, 16, 1\), got"):
            model.encode(jnp.zeros(shape))


def test_info_tells_of_it(path):
    printed = CliRunner().invoke(command, [str(path)], catch_exceptions=False).output
    assert "encoder: channel_base 64, channel_max 4, hidden 6" in printed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, m: t.pop("encoder/out/bias"), "encoder/out/bias is missing"),
        (lambda t, m: t["encoder/out/bias"].fill(np.inf), "encoder/out/bias .* not finite"),
        (lambda t, m: m.pop("encoder"), "encoder/.* not expected"),
        (lambda t, m: m.update(encoder=m["encoder"].replace("64", "8")), "metadata"),
        (lambda t, m: m.update(encoder="{}"), "metadata"),
        (lambda t, m: m.update(encoder=m["encoder"].replace("6}", "7}")), r"is expected \(7,\)"),
    ],
)
def test_an_unsound_encoder_is_refused_by_what_is_wrong(path, change, said):
    rewrite(path, change)
    with pytest.raises(InputError, match=f"model.safetensors: .*{said}"):
        load_model(path)


def test_sizes_that_no_encoder_has(model):
    with pytest.raises(ValueError, match="16² cannot have the sizes"):
        network_for(model.generator, SIZES | {"channel_base": 8})
    with pytest.raises(KeyError, match="hidden"):
        from_tensors(model.generator, {"channel_base": 64, "channel_max": 4}, {}, {})
    assert all(array.dtype == np.float16 for array in to_tensors(model.encoder).values())


def test_the_embedded_encoder_finds_what_its_model_makes():
    model = load_model("demo")
    frames = generated_frames(model, 11, 16)
    found = score(model, frames)
    mean = broadcast_w(model.w_avg[None], model.num_ws)
    typical = np.broadcast_to(render_uint8(model, mean), frames.shape)
    assert found["ssim"] > 0.8 > np.median(ssim(frames, typical)) + 0.1
    assert read_header("demo").path.stat().st_size < 8_000_000
