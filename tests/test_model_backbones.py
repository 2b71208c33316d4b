import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model import backbones
from gancmri_jax.weights.cache import Weights


@pytest.mark.parametrize("loader", ["load_inception", "load_i3d", "load_lpips"])
def test_weights_of_another_network_are_refused(monkeypatch, loader):
    other = Weights({"conv/kernel": np.zeros((1, 1, 3, 2), np.float32)}, {})
    monkeypatch.setattr(backbones, "load_weights", lambda name: other)
    with pytest.raises(InputError, match="its tensors are not those of the network"):
        getattr(backbones, loader)()
