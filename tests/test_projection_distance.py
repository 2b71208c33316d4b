import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.cli.project import command
from gancmri_jax.errors import InputError
from gancmri_jax.networks.lpips import LPIPS
from gancmri_jax.projection import distance as distance_module
from gancmri_jax.projection.distance import (
    DISTANCES,
    LpipsFeatures,
    chosen,
    distance_provenance,
    image_features,
    in_bfloat16,
    multiscale_pixel,
)
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter


def distance(a, b):
    return jnp.sum((multiscale_pixel(a) - multiscale_pixel(b)) ** 2, axis=1)


def test_a_constant_difference_counts_once_a_level():
    a, b = jnp.zeros((2, 32, 32, 1)), jnp.full((2, 32, 32, 1), 0.5)
    np.testing.assert_allclose(distance(a, b), 3 * 0.25, rtol=1e-6)  # 32², 16², 8²


def test_the_finest_detail_counts_at_the_finest_level_alone():
    checks = (-1.0) ** (np.arange(16)[:, None] + np.arange(16))
    a = jnp.asarray(checks)[None, :, :, None]
    np.testing.assert_allclose(distance(a, jnp.zeros_like(a)), 1, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_does_not_change_the_scale(channels):
    a = jnp.ones((1, 8, 8, channels))
    np.testing.assert_allclose(distance(a, -a), 4, rtol=1e-6)


@pytest.fixture(scope="module")
def model():
    return dataclasses.replace(tiny_model(), segmenter=tiny_segmenter())


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1)), jnp.float32)


@jax.jit
def see(features, images):
    """One program: operation by operation it would take far longer to compile."""
    return features(images)


def test_cardiac_features_are_of_each_image_alone(model, images):
    features = image_features("cardiac_features", model)
    together = see(features, images)
    np.testing.assert_allclose(together[1:2], see(features, images[1:2]), atol=1e-5)
    assert float(jnp.sum((together[0] - together[1]) ** 2)) > 1e-4


def test_cardiac_levels_are_of_unit_length_and_count_alike(model, images):
    # Five levels, in each pixel a vector no longer than one, averaged over the pixels.
    energy = jnp.sum(see(image_features("cardiac_features", model), images) ** 2, axis=1)
    assert ((0 < energy) & (energy <= 5)).all()


def test_cardiac_features_lead_back_to_the_image(model, images):
    features = image_features("cardiac_features", model)
    target = see(features, images)

    @jax.jit
    def loss_and_gradient(x):
        return jax.value_and_grad(lambda x: jnp.sum((features(x) - target) ** 2))(x)

    other = images[::-1] * 0.5
    loss, gradient = loss_and_gradient(other)
    assert np.isfinite(gradient).all()
    better, _ = loss_and_gradient(other - 1e-3 * gradient / jnp.linalg.norm(gradient))
    assert better < loss
    assert loss_and_gradient(images)[0] < 1e-8


def test_a_feature_map_is_an_input_of_compiled_programs(model, images):
    @jax.jit
    def apply(features, images):
        return features(images)

    for name in ("multiscale_pixel", "cardiac_features"):
        features = image_features(name, model)
        np.testing.assert_allclose(apply(features, images), features(images), atol=1e-5)


def test_a_segmenter_trained_on_transposed_frames_sees_them_so(model, images):
    turned = dataclasses.replace(
        model, segmenter=dataclasses.replace(model.segmenter, x_first=True)
    )
    a = see(image_features("cardiac_features", model), images)
    b = see(image_features("cardiac_features", turned), images.swapaxes(1, 2))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_what_was_learned_is_provenance(model):
    assert distance_provenance("multiscale_pixel", model) == {}
    known = distance_provenance("cardiac_features", model)
    assert known == {"segmenter": tiny_segmenter().fingerprint}


def test_a_model_without_a_segmenter_says_so(model):
    bare = dataclasses.replace(model, segmenter=None)
    for ask in (image_features, distance_provenance):
        with pytest.raises(InputError, match="cardiac_features: the model has no segmenter"):
            ask("cardiac_features", bare)


def test_auto_is_the_best_there_is(model, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    bare = dataclasses.replace(model, segmenter=None)
    assert chosen("auto", model) == "cardiac_features"
    assert chosen("auto", bare) == "multiscale_pixel"
    (tmp_path / "vgg16-lpips.safetensors").touch()
    assert chosen("auto", bare) == "lpips" and chosen("multiscale_pixel", bare) != "lpips"
    small = tiny_model(resolution=8)
    assert chosen("auto", small) == "multiscale_pixel"  # too small for it
    with pytest.raises(InputError, match="lpips: sees images from 16² on, the model makes 8²"):
        image_features("lpips", small)


def test_the_command_line_offers_every_distance():
    (option,) = [o for o in command.params if o.name == "distance"]
    assert tuple(option.type.choices) == DISTANCES


@pytest.mark.slow
def test_lpips_is_the_networks_own_distance(model, images, backbone, monkeypatch):
    """With the published weights, through the features that the projector compares."""
    network, params = backbone("load_lpips")
    monkeypatch.setattr(distance_module, "load_lpips", lambda: (network, params))
    features = image_features("lpips", model)
    seen = see(features, images[:2])
    found = jnp.sum((seen[:1] - seen[1:]) ** 2, axis=1)
    expected = jax.jit(network.apply)({"params": params}, images[:1], images[1:2])
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_lpips_sees_large_images_averaged_to_256():
    class Whole:
        __class__ = LPIPS  # what `isinstance` goes by

        def apply(self, _, images, method):
            return [images]

    features = distance_module.LpipsFeatures(Whole(), {})
    checks = (-1.0) ** (np.arange(512)[:, None] + np.arange(512))
    seen = features(jnp.asarray(checks)[None, :, :, None] + 0.25)
    np.testing.assert_allclose(seen, np.full((1, 256**2), 0.25), atol=1e-6)


@pytest.mark.slow
def test_feature_maps_see_in_half_precision_what_they_see_in_full(images):
    network, colour = LPIPS(), jnp.zeros((1, 16, 16, 3))
    shapes = jax.eval_shape(network.init, jax.random.key(1), colour, colour)["params"]
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        """Draw what `init` would: kernels of variance 2 / fan-in, biases of 0, heads of 1."""
        if leaf.ndim == 1:
            return jnp.full(leaf.shape, float(path[-1].key.startswith("head")))
        scale = np.float32((2 / np.prod(leaf.shape[:-1])) ** 0.5)
        return jnp.asarray(rng.standard_normal(leaf.shape, np.float32) * scale)

    params = jax.tree_util.tree_map_with_path(draw, shapes)
    model = dataclasses.replace(tiny_model(), segmenter=tiny_segmenter())
    for features in (LpipsFeatures(network, params), image_features("cardiac_features", model)):
        full, half = see(features, images[:2]), see(in_bfloat16(features), images[:2])
        assert half.dtype == jnp.bfloat16
        error = jnp.linalg.norm(half.astype(jnp.float32) - full) / jnp.linalg.norm(full)
        assert error < 0.03
