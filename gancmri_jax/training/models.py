"""Between a training state and a model file: what users get, and what training goes on from."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
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
from gancmri_jax.model.patient import is_personal
from gancmri_jax.networks.generator import Generator, draw_noise
from gancmri_jax.segmentation.beat import MOVING
from gancmri_jax.training.config import frozen_steps, option
from gancmri_jax.training.freezing import kept
from gancmri_jax.training.growing import no_encoder, start_grown
from gancmri_jax.training.growth import grown_motion, grown_rows
from gancmri_jax.training.inversion import Inversion, draw_queue, encoder_network
from gancmri_jax.training.sharding import on_host
from gancmri_jax.training.state import TrainState, networks
from gancmri_jax.version import __version__

_NOISE = 2**31  # of the seed's keys, the one of the constant noise: no step has this number


def start_from(config: ConfigDict, state: TrainState) -> TrainState:
    """Put a model's networks into a fresh state, to fine-tune them, or grown larger or wider.

    What is frozen at first is the moving average of what was trained, which users see.

    Raises:
        InputError: The model's networks have other sizes than the configuration's, or it was made
            from one patient's images.
    """
    header = read_header(config.init_from)
    if is_personal(header.card):
        raise InputError(
            f"{config.init_from}: was made from one patient's images; start from the model that it "
            "was made from"
        )
    sizes = header.generator
    size = sizes["resolution"]
    new = {name: config[name] for name in ("resolution", "channel_base", "channel_max")}
    if size <= config.resolution and any(sizes[name] != value for name, value in new.items()):
        state = start_grown(config, state)
    else:
        state = _start_equal(config, state)
    if not frozen_steps(config):
        return state
    if config.freeze_below > size:
        raise InputError(
            f"config.freeze_below {config.freeze_below}: {config.init_from} makes images of "
            f"{size}², so what is above has learned nothing yet; freeze {size} or below"
        )
    averages = jax.tree.map(jnp.copy, state.g_ema)
    state = state.replace(g_params=kept(averages, state.g_params, config.freeze_below))
    if (own := state.inversion) is not None:
        averages = jax.tree.map(jnp.copy, own.ema)
        own = own.replace(params=kept(averages, own.params, config.freeze_below))
    return state.replace(inversion=own)


def _start_equal(config: ConfigDict, state: TrainState) -> TrainState:
    model = load_model(config.init_from)
    if model.resolution > config.resolution:
        raise InputError(
            f"{config.init_from}: makes images of {model.resolution}², and config.resolution is "
            f"{config.resolution}; a model can grow, not shrink"
        )
    # Copies: a step takes its state's buffers over, and each of them once.
    found = {name: jax.tree.map(jnp.copy, model.params) for name in ("g_params", "g_ema")}
    found["w_avg"] = jnp.copy(model.w_avg)
    training = load_training(config.init_from)
    for name in ("g_params", "pl_mean", "ada_p"):
        if name in training:
            found[name] = jax.tree.map(jnp.asarray, training[name])
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
    inversion = _start_inversion(config, state.inversion, model, training)
    return state.replace(**found, inversion=inversion)


def _start_inversion(
    config: ConfigDict, own: Inversion | None, model: Model, training: dict[str, Any]
) -> Inversion | None:
    """Take over a model's encoder, where one is to be trained on."""
    if own is None:
        return None
    queue = draw_queue(jax.random.key(config.seed), model.generator, model.params)
    sizes = Encoder(encoder_network(config), None).sizes
    if model.encoder is not None and model.encoder.sizes == sizes:
        params, ema = (jax.tree.map(jnp.copy, model.encoder.params) for _ in range(2))
        params = jax.tree.map(jnp.asarray, training.get("encoder", params))
        return own.replace(params=params, ema=ema, w_queue=queue)
    if config.inversion_kimg:
        return own.replace(w_queue=queue)
    raise InputError(no_encoder(config, sizes))


def learned_by(config: ConfigDict) -> Callable[[Model], Model]:
    """Return what puts into a model the motion, directions and segmenter of the one it grew from.

    They hold as long as the layers that they were learned on are frozen: W is the same, and rows
    of W+ are repeated for layers that are new. Where nothing is frozen, or the file is gone, they
    are left out.
    """
    if not frozen_steps(config):
        return lambda model: model
    try:
        start = load_model(config.init_from)
    except InputError:  # a resumed run no longer needs what it began from
        return lambda model: model

    def put(model: Model) -> Model:
        rows = model.num_ws
        return dataclasses.replace(
            model,
            motion=grown_motion(start.motion, rows),
            directions={name: grown_rows(k, rows) for name, k in start.directions.items()},
            segmenter=start.segmenter,
        )

    return put


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
            **({"noise": MOVING} if option(config, "noise_by_adversary") else {}),
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
