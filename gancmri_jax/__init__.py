"""GANcMRI in JAX: generative models of the beating heart.

>>> import gancmri_jax as gj
>>> model = gj.load_model("demo")
>>> frames = model.video(seed=0, method="frame-to-frame")  # [t h w c], nominally in [-1, 1]

A study: `prepare` and `read_cines` read cines, `train` trains a model by a configuration
(`read_config`), `project` finds latent codes, `fit` learns motion and directions from them,
`segment` finds the chambers, `superres` raises the frame rate, `guide` measures directions,
`evaluate` compares two sets, `memorisation` looks for copies. `run` does all of it, with one
report. The commands of `gancmri` call the same functions.
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
    from gancmri_jax.experiments.run import RunOptions, run
    from gancmri_jax.fitting.fit import FitOptions, fit
    from gancmri_jax.metrics.audit import audit_model as memorisation
    from gancmri_jax.metrics.card import Card
    from gancmri_jax.metrics.compare import evaluate
    from gancmri_jax.metrics.protocol import Protocol
    from gancmri_jax.model.file import load_model, save_model
    from gancmri_jax.model.model import Model
    from gancmri_jax.model.motion import Motion
    from gancmri_jax.physiology.guidance_report import measure_guidance as guide
    from gancmri_jax.projection.settings import Settings as ProjectOptions
    from gancmri_jax.projection.study import project_study as project
    from gancmri_jax.segmentation.segment import segment
    from gancmri_jax.training.config import read_config
    from gancmri_jax.training.loop import train
    from gancmri_jax.video.superres import super_resolve as superres

__all__ = [
    "Card",
    "Cine",
    "FitOptions",
    "InputError",
    "Model",
    "Motion",
    "PrepareOptions",
    "ProjectOptions",
    "Protocol",
    "RunOptions",
    "__version__",
    "evaluate",
    "fit",
    "guide",
    "load_model",
    "memorisation",
    "prepare",
    "project",
    "read_cines",
    "read_config",
    "read_model_cines",
    "run",
    "save_model",
    "segment",
    "superres",
    "train",
]

_HOMES = {  # module and name there
    "Card": ("metrics.card", "Card"),
    "Cine": ("cine.cine", "Cine"),
    "FitOptions": ("fitting.fit", "FitOptions"),
    "InputError": ("errors", "InputError"),
    "Model": ("model.model", "Model"),
    "Motion": ("model.motion", "Motion"),
    "PrepareOptions": ("cine.prepare", "Options"),
    "ProjectOptions": ("projection.settings", "Settings"),
    "Protocol": ("metrics.protocol", "Protocol"),
    "RunOptions": ("experiments.run", "RunOptions"),
    "evaluate": ("metrics.compare", "evaluate"),
    "fit": ("fitting.fit", "fit"),
    "guide": ("physiology.guidance_report", "measure_guidance"),
    "load_model": ("model.file", "load_model"),
    "memorisation": ("metrics.audit", "audit_model"),
    "prepare": ("cine.prepare", "prepare"),
    "project": ("projection.study", "project_study"),
    "read_cines": ("cine.read", "read_cines"),
    "read_config": ("training.config", "read_config"),
    "read_model_cines": ("cine.read", "read_model_cines"),
    "run": ("experiments.run", "run"),
    "save_model": ("model.file", "save_model"),
    "segment": ("segmentation.segment", "segment"),
    "superres": ("video.superres", "super_resolve"),
    "train": ("training.loop", "train"),
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
