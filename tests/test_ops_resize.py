import jax.numpy as jnp
import numpy as np

from gancmri_jax.ops.resize import resize_bilinear_tf1


def resize_row(row, width):
    image = jnp.asarray(row, jnp.float32).reshape(1, 1, -1, 1)
    return resize_bilinear_tf1(image, 1, width).ravel()


def test_enlarging_starts_on_pixel_0_and_repeats_the_edge():
    """Positions 0, 2/4, 4/4, 6/4: no half-pixel centres, nothing beyond the last pixel."""
    np.testing.assert_array_equal(resize_row([10, 20], 4), [10, 15, 20, 20])
    np.testing.assert_allclose(resize_row([0, 3, 6], 5), [0, 1.8, 3.6, 5.4, 6], rtol=1e-6)


def test_shrinking_skips_pixels():
    """Positions 0, 2, 4 of an alternating row: an antialiased resize would give 1/2."""
    np.testing.assert_array_equal(resize_row([0, 1, 0, 1, 0, 1], 3), [0, 0, 0])


def test_rows_and_columns_are_resized_apart():
    image = jnp.asarray([[0.0, 1], [10, 11]])[None, :, :, None]
    expected = [[0, 0.5, 1, 1], [5, 5.5, 6, 6], [10, 10.5, 11, 11], [10, 10.5, 11, 11]]
    np.testing.assert_array_equal(resize_bilinear_tf1(image, 4, 4)[0, :, :, 0], expected)


def test_the_same_size_changes_nothing():
    image = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(resize_bilinear_tf1(jnp.asarray(image), 5, 6), image)
