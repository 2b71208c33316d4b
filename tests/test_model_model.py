import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.model.motion import Motion
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_sizes(model):
    assert (model.resolution, model.z_dim, model.w_dim, model.num_ws) == (16, 8, 8, 6)


def test_full_truncation_gives_the_mean(model):
    ws = model.map(jnp.ones((2, 8)), truncation_psi=0.0)
    np.testing.assert_allclose(ws, jnp.broadcast_to(model.w_avg, (2, 6, 8)), rtol=1e-6)


def test_noise_modes_differ_and_const_is_the_models_own(model):
    ws = model.map(jnp.ones((2, 8)))
    const = model.synthesize(ws)
    assert const.shape == (2, 16, 16, 1)
    np.testing.assert_array_equal(const, model.synthesize(ws, model.noise))
    without = model.synthesize(ws, "none")
    drawn = model.synthesize(ws, jax.random.key(1))
    assert not np.allclose(const, without) and not np.allclose(const, drawn)
    assert not np.allclose(drawn[0], drawn[1])  # fresh maps for each image


def test_fingerprint_is_of_the_parameters_alone(model):
    assert model.fingerprint == tiny_model().fingerprint
    assert model.fingerprint != tiny_model(seed=1).fingerprint


def test_a_frame_is_the_same_in_any_request(model):
    path = model.beat(model.sample(0), Motion(num_frames=23))
    frames = model.render(path)
    assert frames.shape == (23, 16, 16, 1)
    np.testing.assert_array_equal(model.render(path[:3]), frames[:3])
    # At another place in the batch, some processors round the last bits otherwise.
    np.testing.assert_allclose(model.render(path[20:]), frames[20:], rtol=1e-5, atol=4e-6)


def test_a_video_is_a_beat_of_the_seeds_heart(model):
    video = model.video(3, "ed-to-es", num_frames=6, truncation_psi=0.5, adjust={"lv_area": 1.0})
    start = model.at_ed(model.sample(3, 0.5)) + model.directions["lv_area"]
    np.testing.assert_array_equal(video, model.render(model.beat(start, Motion("ed-to-es", 6))))
    np.testing.assert_array_equal(video[0], video[-1])
    np.testing.assert_array_equal(model.video(3)[:, :, :, 0].shape, (50, 16, 16))


def test_a_saved_model_makes_the_same_video(model, tmp_path):
    save_model(model, tmp_path / "heart.safetensors")
    again = load_model(tmp_path / "heart.safetensors")
    np.testing.assert_array_equal(again.video(1), model.video(1))


def test_bfloat16_is_near_float32_and_stays_an_option():
    """The demo model, as accelerators render it; images are float32 in any case."""
    model = load_model("demo", "bfloat16")
    ws = model.map(jax.random.normal(jax.random.key(0), (2, model.z_dim)), 0.7)
    narrow, exact = (
        np.asarray(dataclasses.replace(model, dtype=dtype).synthesize(ws))
        for dtype in ("bfloat16", "float32")
    )
    assert narrow.dtype == np.float32
    error = np.linalg.norm(narrow - exact) / np.linalg.norm(exact)
    assert 0 < error < 3e-2


def test_on_an_accelerator_rendering_is_narrow_unless_asked_otherwise(monkeypatch):
    monkeypatch.setattr("gancmri_jax.model.model.platform_of", lambda _: "gpu")
    model = tiny_model()
    assert model.renderer.dtype == jnp.bfloat16
    assert dataclasses.replace(model, dtype="float32").renderer.dtype == jnp.float32
    assert model.generator.dtype == jnp.float32  # searches and exports have their own
    monkeypatch.setattr("gancmri_jax.model.model.platform_of", lambda _: "cpu")
    assert model.renderer is model.generator
