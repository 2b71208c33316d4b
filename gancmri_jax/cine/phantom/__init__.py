"""The phantom: a parametric beating heart whose physiology is known exactly."""

from gancmri_jax.cine.phantom.anatomy import Subject, draw_subject
from gancmri_jax.cine.phantom.measure import measure
from gancmri_jax.cine.phantom.render import Phantom, phantom, render

__all__ = ["Phantom", "Subject", "draw_subject", "measure", "phantom", "render"]
