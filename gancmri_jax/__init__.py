"""GANcMRI in JAX: generative models of the beating heart.

>>> import gancmri_jax as gj
>>> model = gj.load_model("demo")
>>> frames = model.video(seed=0, method="frame-to-frame")  # [t h w c], nominally in [-1, 1]
"""

import importlib
from typing import Any

from gancmri_jax.version import __version__

__all__ = [
    "Cine",
    "InputError",
    "Model",
    "Motion",
    "__version__",
    "load_model",
    "read_cines",
    "save_model",
]

_HOMES = {
    "Cine": "cine.cine",
    "InputError": "errors",
    "Model": "model.model",
    "Motion": "model.motion",
    "load_model": "model.file",
    "read_cines": "cine.read",
    "save_model": "model.file",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `gancmri --help` waits for no JAX."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
