"""`gancmri_jax/configs/ukbb256.py`, for `python train.py --config configs/ukbb256.py`."""

from gancmri_jax.configs.ukbb256 import get_config

__all__ = ["get_config"]
