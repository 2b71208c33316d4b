"""Phantoms that no training draws, with what a scanner's noise hides of them."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.anatomy import Subject
from gancmri_jax.cine.phantom.population import Population, draw
from gancmri_jax.cine.phantom.render import render
from gancmri_jax.cine.preprocess import preprocess, window_of
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.training.phantoms import population_of

_BLOOD_AND_WALLS = range(1, len(CLASSES))


class HeldOut(NamedTuple):
    """A phantom as records would hold it, beside the same one without noise and with other noise.

    All three are windowed alike.

    Attributes:
        cine: Its frames, uint8.
        population: `normal` or `clinical`.
        clean, other_noise: Its frames without noise, and with noise drawn anew.
        masks: Its labels.
    """

    cine: Cine
    population: Population
    clean: UInt8[np.ndarray, "t h w"]
    other_noise: UInt8[np.ndarray, "t h w"]
    masks: UInt8[np.ndarray, "t h w"]

    @property
    def heart(self) -> Bool[np.ndarray, "t h w"]:
        """Pixels that belong to the heart."""
        return np.isin(self.masks, _BLOOD_AND_WALLS)


def held_out(seed: int, index: int, size: int, frames: int) -> HeldOut:
    """Render subject `index` of a seed: every fifth is clinical, the others normal.

    Training draws seeds from 2³¹ on (`training.phantoms`), and records those that they were made
    with, so any other seed's subjects are held out.
    """
    population = population_of(index)
    anatomy_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), index))
    subject = draw(anatomy_key, population)
    name = f"{population}-{index:04d}"

    def seen(noise_key: jax.Array, subject: Subject) -> tuple[Cine, UInt8[np.ndarray, "t h w"]]:
        rendered = render(noise_key, subject, size, frames, name, population)
        return rendered.cine, rendered.masks

    raw, masks = seen(noise_key, subject)
    window = window_of(raw)

    def prepared(cine: Cine) -> Cine:
        return preprocess(cine, size, window=window)

    clean, _ = seen(noise_key, subject._replace(noise=subject.noise * 0))
    other, _ = seen(jax.random.fold_in(noise_key, 1), subject)
    return HeldOut(prepared(raw), population, prepared(clean).pixels, prepared(other).pixels, masks)
