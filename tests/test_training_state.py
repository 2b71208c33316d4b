import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from gancmri_jax.training.state import optimizers


@pytest.mark.parametrize(
    ("network", "c", "d_rate"), [(0, 4 / 5, None), (1, 16 / 17, None), (1, 16 / 17, 0.008)]
)
def test_adam_is_corrected_for_lazy_regularisation(network, c, d_rate):
    """Two steps by hand: β₁ = 0, so only the second moment remembers, with β₂ = 0.99^c."""
    config = ConfigDict(
        dict(learning_rate=0.002, d_learning_rate=d_rate, g_reg_interval=4, d_reg_interval=16)
    )
    adam, rate = optimizers(config)[network], d_rate or 0.002
    state = adam.init(jnp.zeros(()))
    first, state = adam.update(jnp.asarray(-1.0), state)
    assert first == pytest.approx(rate * c, rel=1e-5)
    second, _ = adam.update(jnp.asarray(3.0), state)
    decay = 0.99**c
    variance = (decay * 1 + 9) / (1 + decay)  # (β(1 − β)1² + (1 − β)3²) / (1 − β²)
    assert second == pytest.approx(-rate * c * 3 / variance**0.5, rel=1e-5)
