"""`gancmri_jax/configs/dsb256.py`, for `python train.py --config configs/dsb256.py`."""

from gancmri_jax.configs.dsb256 import get_config

__all__ = ["get_config"]
