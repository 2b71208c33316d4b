"""A random encoder of the tiny model's images."""

import dataclasses

import numpy as np

from gancmri_jax.model.encoder import Encoder, expected_shapes, from_tensors
from gancmri_jax.model.model import Model
from tests.tiny import tiny_model

SIZES = {"channel_base": 64, "channel_max": 4, "hidden": 6}


def tiny_encoder(model: Model, seed: int = 0) -> Encoder:
    """Draw an encoder with nothing to compile."""
    rng = np.random.default_rng(seed)
    tensors = {
        name: rng.normal(0, 1 if len(shape) > 1 else 0.1, shape)
        for name, shape in expected_shapes(model.generator, SIZES).items()
    }
    return from_tensors(model.generator, SIZES, tensors, {"note": "for tests"})


def encoding_model(seed: int = 0, resolution: int = 16) -> Model:
    """Return the tiny model with an encoder."""
    model = tiny_model(seed, resolution)
    return dataclasses.replace(model, encoder=tiny_encoder(model, seed))
