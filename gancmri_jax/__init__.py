"""GANcMRI in JAX: generative models of the beating heart.

>>> import gancmri_jax as gj
>>> model = gj.load_model("demo")
>>> frames = model.video(seed=0, method="frame-to-frame")  # [t h w c], nominally in [-1, 1]

A study: `prepare` and `read_cines` read cines, `project` finds their latent codes, `fit` learns
motion and directions from them, `segment` finds the chambers, `superres` raises the frame rate and
`guide` measures directions. The commands of `gancmri` call the same functions.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gancmri_jax.version import __version__

if TYPE_CHECKING:
    from gancmri_jax.cine.cine import Cine
    from gancmri_jax.cine.prepare import Options as PrepareOptions
    from gancmri_jax.cine.prepare import prepare
    from gancmri_jax.cine.read import read_cines, read_model_cines
    from gancmri_jax.errors import InputError
    from gancmri_jax.fitting.fit import FitOptions, fit
    from gancmri_jax.model.file import load_model, save_model
    from gancmri_jax.model.model import Model
    from gancmri_jax.model.motion import Motion
    from gancmri_jax.physiology.guidance_report import measure_guidance as guide
    from gancmri_jax.projection.settings import Settings as ProjectOptions
    from gancmri_jax.projection.study import project_study as project
    from gancmri_jax.segmentation.segment import segment
    from gancmri_jax.video.superres import super_resolve as superres

__all__ = [
    "Cine",
    "FitOptions",
    "InputError",
    "Model",
    "Motion",
    "PrepareOptions",
    "ProjectOptions",
    "__version__",
    "fit",
    "guide",
    "load_model",
    "prepare",
    "project",
    "read_cines",
    "read_model_cines",
    "save_model",
    "segment",
    "superres",
]

_HOMES = {  # module and name there
    "Cine": ("cine.cine", "Cine"),
    "FitOptions": ("fitting.fit", "FitOptions"),
    "InputError": ("errors", "InputError"),
    "Model": ("model.model", "Model"),
    "Motion": ("model.motion", "Motion"),
    "PrepareOptions": ("cine.prepare", "Options"),
    "ProjectOptions": ("projection.settings", "Settings"),
    "fit": ("fitting.fit", "fit"),
    "guide": ("physiology.guidance_report", "measure_guidance"),
    "load_model": ("model.file", "load_model"),
    "prepare": ("cine.prepare", "prepare"),
    "project": ("projection.study", "project_study"),
    "read_cines": ("cine.read", "read_cines"),
    "read_model_cines": ("cine.read", "read_model_cines"),
    "save_model": ("model.file", "save_model"),
    "segment": ("segmentation.segment", "segment"),
    "superres": ("video.superres", "super_resolve"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `gancmri --help` waits for no JAX."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, known_as = _HOMES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), known_as)


def __dir__() -> list[str]:
    """List public names, so that they complete before they are imported."""
    return sorted({*globals(), *__all__})
