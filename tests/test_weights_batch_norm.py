import numpy as np

from gancmri_jax.weights.batch_norm import fold_batch_norm


def test_a_folded_kernel_does_both():
    """(k·x − mean) · gain / √(variance + 0.001) + shift, for a 1×1 kernel and one pixel."""
    kernel, bias = fold_batch_norm(
        np.asarray([[[[3.0, 1.0]]]], np.float32),
        shift=np.asarray([10.0, 0.0]),
        mean=np.asarray([1.0, 2.0]),
        variance=np.asarray([0.249, 3.999]),
        gain=np.asarray([1.0, 4.0]),
    )
    assert kernel.dtype == bias.dtype == np.float32
    np.testing.assert_allclose(2 * kernel.ravel() + bias, [(6 - 1) / 0.5 + 10, (2 - 2) * 2])
