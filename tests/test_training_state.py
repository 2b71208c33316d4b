import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from gancmri_jax.training.state import optimizers


@pytest.mark.parametrize(("network", "c"), [(0, 4 / 5), (1, 16 / 17)], ids=["g", "d"])
def test_adam_is_corrected_for_lazy_regularisation(network, c):
    """Two steps by hand: β₁ = 0, so only the second moment remembers, with β₂ = 0.99^c."""
    config = ConfigDict(dict(learning_rate=0.002, g_reg_interval=4, d_reg_interval=16))
    adam = optimizers(config)[network]
    state = adam.init(jnp.zeros(()))
    first, state = adam.update(jnp.asarray(-1.0), state)
    assert first == pytest.approx(0.002 * c, rel=1e-5)
    second, _ = adam.update(jnp.asarray(3.0), state)
    decay = 0.99**c
    variance = (decay * 1 + 9) / (1 + decay)  # (β(1 − β)1² + (1 − β)3²) / (1 − β²)
    assert second == pytest.approx(-0.002 * c * 3 / variance**0.5, rel=1e-5)
