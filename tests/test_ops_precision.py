"""Products are exact where numbers are promised, whatever the default precision is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.benchmarks.count import _inside
from gancmri_jax.latents import closed_path, pca, steps
from gancmri_jax.latents.motions import _over_time
from gancmri_jax.metrics.backbones import fcn_conv4
from gancmri_jax.networks.generator import Mapping
from gancmri_jax.ops.fields import blur
from gancmri_jax.ops.modulated_conv import demodulation
from gancmri_jax.ops.precision import in_full_precision
from gancmri_jax.projection.projector import measure
from gancmri_jax.training.augmentation import augment
from gancmri_jax.training.inversion import energy_coefficient
from tests.tiny_segmenter import tiny_segmenter


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def products(jaxpr):
    """Yield the matrix products and convolutions of a program, inner ones too."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield equation
        for inner in _inside(equation.params.values()):
            yield from products(inner)


def traced(function, *args):
    with jax.default_matmul_precision("bfloat16"):
        return list(products(jax.make_jaxpr(function)(*args).jaxpr))


EXACT = {
    "principal components": (lambda x: pca.pca_residual(x, 2), normal(6, 2, 4)),
    "a closed path": (closed_path.closed_path, normal(1, 4), normal(2, 1, 4), normal(5, 2)),
    "waves": (closed_path.waves_of, normal(5, 1, 4), normal(5, 2)),
    "motion that is left": (steps._travelled, normal(5, 2, 4), normal(2, 4)),
    "a smoothed path": (lambda x: _over_time(np.eye(5), x), normal(5, 2, 4)),
    "the energy distance": (energy_coefficient, normal(5, 4), normal(6, 4)),
    "a blur": (lambda x: blur(x, 1.0), normal(16, 16)),
    "demodulation": (demodulation, normal(3, 3, 4, 5), normal(2, 4)),
}


@pytest.mark.parametrize("name", EXACT)
def test_products_are_exact(name):
    function, *args = EXACT[name]
    found = traced(function, *args)
    assert found
    highest = jax.lax.Precision.HIGHEST
    assert {equation.params["precision"] for equation in found} == {(highest, highest)}


def test_features_that_metrics_rest_on_are_exact():
    backbone = fcn_conv4(tiny_segmenter(), "tiny")
    found = traced(backbone.features, jnp.zeros((1, 16, 16), jnp.uint8))
    highest = jax.lax.Precision.HIGHEST
    assert len(found) > 5
    assert {equation.params["precision"] for equation in found} == {(highest, highest)}


def test_distances_of_a_search_are_measured_exactly():
    assert measure.__wrapped__.__wrapped__ is not None  # `in_full_precision` stands below `jit`


def test_mapping_is_exact_and_coordinates_have_no_products():
    mapping = Mapping(8, 2)
    params = jax.eval_shape(mapping.init, jax.random.key(0), jnp.zeros((1, 8)))
    found = traced(mapping.apply, params, jnp.zeros((1, 8)))
    highest = jax.lax.Precision.HIGHEST
    assert [equation.params["precision"] for equation in found] == 2 * [(highest, highest)]
    images = jnp.zeros((2, 16, 16, 1))
    assert not traced(augment, jax.random.key(0), images, jnp.asarray(0.5))


def test_what_is_not_named_has_the_default():
    (default,) = traced(jnp.matmul, normal(2, 2), normal(2, 2))
    (exact,) = traced(in_full_precision(jnp.matmul), normal(2, 2), normal(2, 2))
    assert default.params["precision"] != exact.params["precision"]
    assert exact.params["precision"] == (jax.lax.Precision.HIGHEST,) * 2
