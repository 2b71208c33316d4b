"""A model as stylegan2-ada-pytorch's state dictionaries: weights only."""

import json
import pathlib
from typing import Any

import jax
import numpy as np

from gancmri_jax.atomic import atomic_write
from gancmri_jax.disclaimer import marked_card
from gancmri_jax.model.discriminator import Judge
from gancmri_jax.model.model import Model
from gancmri_jax.weights.stylegan2_shapes import discriminator_shapes, generator_shapes
from gancmri_jax.weights.stylegan2_torch import discriminator_state, generator_state
from gancmri_jax.weights.torch_write import write_torch

_STAY = ("segmenter", "fit")  # what the card says of parts that stay out


def export_torch(model: Model, discriminator: Judge | None, path: pathlib.Path) -> None:
    """Write `G_ema` and, where there is one, `D`, with what their classes are told, and the card.

    `gancmri convert` reads the file back, bit for bit; motion, directions and segmenter stay out.
    """
    network = model.generator
    channels = {"channel_base": network.channel_base, "channel_max": network.channel_max}
    pictures = {"img_resolution": network.resolution, "img_channels": network.img_channels}
    sizes = {
        "resolution": network.resolution,
        "img_channels": network.img_channels,
        "z_dim": network.z_dim,
        "w_dim": network.w_dim,
        "mapping_layers": network.mapping_layers,
        **channels,
    }
    params = jax.tree.map(np.asarray, model.params)
    state = generator_state(params, np.asarray(model.w_avg), model.noise, generator_shapes(sizes))
    kwargs = {
        "c_dim": 0,
        "z_dim": network.z_dim,
        "w_dim": network.w_dim,
        **pictures,
        "mapping_kwargs": {"num_layers": network.mapping_layers},
        "synthesis_kwargs": channels,
    }
    card = marked_card({key: value for key, value in model.card.items() if key not in _STAY})
    tree: dict[str, Any] = {
        "G_ema": state,
        "G_init_kwargs": kwargs,
        "card": json.dumps(card),
    }
    if discriminator is not None:
        d_sizes = discriminator.sizes
        params = jax.tree.map(np.asarray, discriminator.params)
        tree["D"] = discriminator_state(params, discriminator_shapes(d_sizes))
        tree["mbstd_group_size"] = d_sizes["mbstd_group"]
        tree["D_init_kwargs"] = {
            "c_dim": 0,
            **pictures,
            **{name: d_sizes[name] for name in channels},
            "epilogue_kwargs": {"mbstd_group_size": d_sizes["mbstd_group"]},
        }
    with atomic_write(path) as part:
        write_torch(part, tree)
