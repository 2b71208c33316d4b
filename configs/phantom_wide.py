"""`gancmri_jax/configs/phantom_wide.py`, for `python train.py --config configs/phantom_wide.py`."""

from gancmri_jax.configs.phantom_wide import get_config

__all__ = ["get_config"]
