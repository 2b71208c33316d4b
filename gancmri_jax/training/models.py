"""Between a training state and a model file: what users get, and what training goes on from."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.model.discriminator import Judge
from gancmri_jax.model.encoder import Encoder, as_filed
from gancmri_jax.model.file import (
    load_discriminator,
    load_model,
    load_training,
    read_header,
    save_model,
)
from gancmri_jax.model.model import Model
from gancmri_jax.networks.generator import Generator, draw_noise
from gancmri_jax.training.inversion import Inversion, draw_queue, encoder_network
from gancmri_jax.training.sharding import on_host
from gancmri_jax.training.state import TrainState, networks
from gancmri_jax.version import __version__

_NOISE = 2**31  # of the seed's keys, the one of the constant noise: no step has this number


def start_from(config: ConfigDict, state: TrainState) -> TrainState:
    """Put a model file's networks into a fresh state, to fine-tune them.

    Raises:
        InputError: The model's networks have other sizes than the configuration's.
    """
    model = load_model(config.init_from)
    # Copies: a step takes its state's buffers over, and each of them once.
    found = {name: jax.tree.map(jnp.copy, model.params) for name in ("g_params", "g_ema")}
    found["w_avg"] = jnp.copy(model.w_avg)
    kept = load_training(config.init_from)
    for name in ("g_params", "pl_mean", "ada_p"):
        if name in kept:
            found[name] = jax.tree.map(jnp.asarray, kept[name])
    if read_header(config.init_from).discriminator is not None:
        found["d_params"] = load_discriminator(config.init_from).params
    for name, tree in found.items():
        shapes = [jax.tree.map(jnp.shape, x) for x in (tree, getattr(state, name))]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{config.init_from}: its {name} have other shapes than the configuration's; set "
                "resolution, channel_base, channel_max, mapping_layers, z_dim and w_dim as in "
                "`gancmri info`"
            )
    return state.replace(**found, inversion=_start_inversion(config, state.inversion, model, kept))


def _start_inversion(
    config: ConfigDict, own: Inversion | None, model: Model, kept: dict[str, Any]
) -> Inversion | None:
    """Take over a model's encoder, where one is to be trained on."""
    if own is None:
        return None
    queue = draw_queue(jax.random.key(config.seed), model.generator, model.params)
    sizes = Encoder(encoder_network(config), None).sizes
    if model.encoder is not None and model.encoder.sizes == sizes:
        params, ema = (jax.tree.map(jnp.copy, model.encoder.params) for _ in range(2))
        params = jax.tree.map(jnp.asarray, kept.get("encoder", params))
        return own.replace(params=params, ema=ema, w_queue=queue)
    if config.inversion_kimg:
        return own.replace(w_queue=queue)
    raise InputError(
        f"{config.init_from}: has no encoder of the sizes {sizes} to train on; give "
        "inversion_kimg too, for a new one to learn before the adversary, or set "
        "inversion_learning_rate to None"
    )


def averaged_model(state: TrainState, config: ConfigDict, origin: Mapping[str, Any]) -> Model:
    """Build the model that users get: the generator's moving average, `origin` on its card."""
    generator, _ = networks(config)
    noise_key = jax.random.fold_in(jax.random.key(config.seed), _NOISE)
    return Model(
        generator=generator,
        params=on_host(state.g_ema),
        w_avg=jnp.asarray(on_host(state.w_avg)),
        encoder=_averaged_encoder(state, generator, config),
        noise=draw_noise(noise_key, config.resolution),
        card={
            "gancmri_jax": __version__,
            "hardware": f"{jax.device_count()} × {jax.devices()[0].device_kind}",
            "trained_kimg": int(state.step) * config.batch_size / 1000,
            **origin,
            "config": json.loads(config.to_json()),
        },
    )


def _averaged_encoder(
    state: TrainState, generator: Generator, config: ConfigDict
) -> Encoder | None:
    """Build the encoder that was trained with the generator."""
    if state.inversion is None:
        return None
    card = {"gancmri_jax": __version__, "data": "its generator's, and trained together with it"}
    sizes = Encoder(encoder_network(config), None).sizes
    return as_filed(generator, sizes, on_host(state.inversion.ema), card)


def save_to_go_on(
    state: TrainState, config: ConfigDict, origin: Mapping[str, Any], path: pathlib.Path
) -> Model:
    """Write a model file that training can go on from elsewhere, without the optimisers' states.

    It is the averaged model with the discriminator, and with what training keeps beside averages:
    the generator and the encoder as they are, path lengths' mean and the augmentation's p.
    """
    model = averaged_model(state, config, origin)
    _, discriminator = networks(config)
    kept: dict[str, Any] = {
        "g_params": on_host(state.g_params),
        "pl_mean": on_host(state.pl_mean),
        "ada_p": on_host(state.ada_p),
    }
    if state.inversion is not None:
        kept["encoder"] = on_host(state.inversion.params)
    save_model(model, path, Judge(discriminator, on_host(state.d_params)), kept)
    return model
