import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.phantom.shapes import (
    coverage,
    disc,
    distances,
    egg,
    ellipse,
    intersection,
    segment,
    superellipse,
    taper,
    union,
)

compiled_distances = jax.jit(distances, static_argnums=0)


def grid(half_mm=60.0, step_mm=0.25):
    at = jnp.arange(-half_mm, half_mm, step_mm) + step_mm / 2
    return jnp.meshgrid(at, at)


def test_a_disc_by_hand():
    np.testing.assert_allclose(disc(jnp.array([3.0, 0.0]), jnp.array([4.0, 1.0]), 2.0), [3.0, -1.0])


def test_a_circle_becomes_its_exact_distance():
    x, y = jnp.array([3.0, 0.0, 30.0]), jnp.array([4.0, 7.0, 40.0])
    near = compiled_distances(lambda x, y: ellipse(x, y, 10.0, 10.0), x, y)
    np.testing.assert_allclose(near, [-5.0, -3.0, 40.0], rtol=1e-5)


def test_an_ellipse_is_a_distance_to_first_order_at_its_outline():
    x, y = jnp.array([30.5, 29.5, 0.0]), jnp.array([0.0, 0.0, 10.5])
    near = compiled_distances(lambda x, y: ellipse(x, y, 30.0, 10.0), x, y)
    np.testing.assert_allclose(near, [0.5, -0.5, 0.5], rtol=1e-4)


@pytest.mark.parametrize(
    "shape, area",
    [
        (lambda x, y: ellipse(x, y, 50.0, 20.0), np.pi * 50 * 20),
        (lambda x, y: superellipse(x, y, 50.0, 20.0, 2.0), np.pi * 50 * 20),
        # Two half ellipses: (30 + 50) / 2 times 20 π.
        (lambda x, y: egg(x, y, 30.0, 50.0, 20.0), np.pi * 40 * 20),
    ],
)
def test_areas_are_those_of_the_formulas(shape, area):
    x, y = grid()
    inside = np.asarray(compiled_distances(shape, x, y)) < 0
    assert inside.sum() * 0.25**2 == pytest.approx(area, rel=1e-3)


def test_segment_and_taper_by_hand():
    x, y = jnp.array([5.0, 13.0, 5.0]), jnp.array([3.0, 4.0, 0.0])
    start, end = (0.0, 0.0), (10.0, 0.0)
    np.testing.assert_allclose(segment(x, y, start, end), [3.0, 5.0, 0.0], atol=1e-4)
    # Half way the radius is half way from 1 to 3; beyond the end it is 3.
    np.testing.assert_allclose(taper(x, y, start, end, 1.0, 3.0), [1.0, 2.0, -2.0], atol=1e-4)


def test_union_and_intersection_differ_from_min_and_max_near_the_corner_only():
    a, b = jnp.array([1.0, 9.0, 2.0]), jnp.array([8.0, 1.0, 2.0])
    np.testing.assert_allclose(union(a, b, 4.0), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(intersection(a, b, 4.0), [8.0, 9.0, 3.0])


def test_coverage_of_an_edge_is_half_and_sums_to_one_across_it():
    np.testing.assert_allclose(coverage(jnp.array([-9.0, 0.0, 9.0]), 2.0), [1.0, 0.5, 0.0])
    near = jnp.array([0.3, 0.8])
    np.testing.assert_allclose(coverage(near, 2.0) + coverage(-near, 2.0), 1.0, rtol=1e-6)
