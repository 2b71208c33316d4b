"""`gancmri_jax/configs/phantom256.py`, for `python train.py --config configs/phantom256.py`."""

from gancmri_jax.configs.phantom256 import get_config

__all__ = ["get_config"]
