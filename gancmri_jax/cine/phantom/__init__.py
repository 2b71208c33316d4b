"""The phantom: a parametric beating heart whose physiology is known exactly."""

from gancmri_jax.cine.phantom.anatomy import Subject, draw_subject
from gancmri_jax.cine.phantom.measure import measure
from gancmri_jax.cine.phantom.population import POPULATIONS, Population, draw
from gancmri_jax.cine.phantom.render import Phantom, phantom, render
from gancmri_jax.cine.phantom.twins import twin

__all__ = [
    "POPULATIONS",
    "Phantom",
    "Population",
    "Subject",
    "draw",
    "draw_subject",
    "measure",
    "phantom",
    "render",
    "twin",
]
