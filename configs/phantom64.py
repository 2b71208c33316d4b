"""`gancmri_jax/configs/phantom64.py`, for `python train.py --config configs/phantom64.py`."""

from gancmri_jax.configs.phantom64 import get_config

__all__ = ["get_config"]
