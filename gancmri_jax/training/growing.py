"""A training state whose networks are a smaller model's, grown."""

import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.model.encoder import Encoder
from gancmri_jax.model.file import load_discriminator, load_model, load_training, read_header
from gancmri_jax.networks.layers import num_channels
from gancmri_jax.training.growth import grown_generator, grown_trunk, misfit, widened
from gancmri_jax.training.inversion import draw_queue, encoder_network
from gancmri_jax.training.run_state import load_run
from gancmri_jax.training.state import TrainState, networks

Params = Any


class _Learned(NamedTuple):
    """What a model file or a run's checkpoint holds; None for what it has not.

    Attributes:
        sizes: Of the generator.
        found: Fields of the training state, of the smaller networks.
        encoder, encoder_ema: The encoder's parameters, and their average.
        widths: channel_base and channel_max of each network, by its name.
    """

    sizes: dict[str, Any]
    found: dict[str, Any]
    encoder: Params | None
    encoder_ema: Params | None
    widths: dict[str, tuple[int, int]]


def start_grown(config: ConfigDict, state: TrainState) -> TrainState:
    """Put a smaller model's networks, grown, into a fresh state.

    Raises:
        InputError: They are not what the configuration's become of their first layers on.
    """
    learned = _learned(config)
    _insist_fits(config, learned)
    found: dict[str, Any] = dict(learned.found)
    size = learned.sizes["resolution"]
    base, most = config.channel_base, config.channel_max
    small = ConfigDict({**config, "resolution": size})
    images = jnp.zeros((config.mbstd_group, size, size, 1))

    def grown(params: Params, network: Any) -> Params:
        fresh = network.init(jax.random.key(config.seed), images)["params"]
        widths = functools.partial(num_channels, channel_base=base, channel_max=most)
        return grown_trunk(widened(params, fresh), size, config.resolution, widths, config.seed)

    # Copies: a step takes its state's buffers over, and each of them once.
    for name in ("g_params", "g_ema"):
        found[name] = jax.tree.map(jnp.copy, grown_generator(found[name], state.g_params))
    if "d_params" in found:
        found["d_params"] = grown(found["d_params"], networks(small)[1])
    inversion = state.inversion
    if inversion is not None:
        generator, _ = networks(config)
        queue = draw_queue(jax.random.key(config.seed), generator, found["g_params"])
        inversion = inversion.replace(w_queue=queue)
        if learned.encoder is not None:
            encoder = encoder_network(small)
            params, ema = grown(learned.encoder, encoder), grown(learned.encoder_ema, encoder)
            inversion = inversion.replace(params=params, ema=ema)
        elif not config.inversion_kimg:
            raise InputError(no_encoder(config, {"channel_base": base, "channel_max": most}))
    return state.replace(**found, inversion=inversion)


def no_encoder(config: ConfigDict, sizes: dict[str, int]) -> str:
    """Say that a model has no encoder to train on, and what to do."""
    return (
        f"{config.init_from}: has no encoder of the sizes {sizes} to train on; give "
        "inversion_kimg too, for a new one to learn before the adversary, or set "
        "inversion_learning_rate to None"
    )


def _learned(config: ConfigDict) -> _Learned:
    """Read a run's latest checkpoint, or a model file and what training keeps in it."""
    path, header = pathlib.Path(config.init_from), read_header(config.init_from)
    if (path / "checkpoints").is_dir() and (path / "config.json").is_file():
        own, state = load_run(path)
        names = ("g_params", "g_ema", "w_avg", "d_params", "pl_mean", "ada_p")
        found = {name: getattr(state, name) for name in names}
        encoder = encoder_ema = None
        if state.inversion is not None:
            encoder, encoder_ema = state.inversion.params, state.inversion.ema
        width = (own.channel_base, own.channel_max)
        return _Learned(header.generator, found, encoder, encoder_ema, {"generator": width})
    model, training = load_model(config.init_from), load_training(config.init_from)
    found = {"g_params": model.params, "g_ema": model.params, "w_avg": jnp.copy(model.w_avg)}
    for name in ("g_params", "pl_mean", "ada_p"):
        if name in training:
            found[name] = jax.tree.map(jnp.asarray, training[name])
    widths = {"generator": _width(header.generator)}
    if header.discriminator is not None:
        found["d_params"] = load_discriminator(config.init_from).params
        widths["discriminator"] = _width(header.discriminator)
    encoder = encoder_ema = None
    if model.encoder is not None and _is_prefix(model.encoder, config):
        encoder_ema = model.encoder.params
        encoder = training.get("encoder", encoder_ema)
    return _Learned(header.generator, found, encoder, encoder_ema, widths)


def _insist_fits(config: ConfigDict, learned: _Learned) -> None:
    for name in ("z_dim", "w_dim", "mapping_layers"):
        if learned.sizes[name] != config[name]:
            raise InputError(
                f"{config.init_from}: its {name} is {learned.sizes[name]}, and the configuration's "
                f"{config[name]}; only resolution and width can grow"
            )
    if learned.sizes["img_channels"] != 1:
        raise InputError(f"{config.init_from}: makes images in colour; training is of grey ones")
    new = (config.channel_base, config.channel_max)
    for name, old in learned.widths.items():
        if (found := misfit(learned.sizes["resolution"], old, new)) is not None:
            res, had, has = found
            raise InputError(
                f"{config.init_from}: layers of its {name} at {res}² are {had} wide, the "
                f"configuration's {has}; layers can grow wider, except at 4²: give "
                f"channel_base={old[0]} or more, and channel_max={old[1]}"
            )


def _is_prefix(encoder: Encoder, config: ConfigDict) -> bool:
    """Say whether an encoder can grow into the configuration's; others are drawn anew."""
    new = (config.channel_base, config.channel_max)
    found = misfit(encoder.network.resolution, _width(encoder.sizes), new)
    return found is None and encoder.sizes["hidden"] == encoder_network(config).hidden


def _width(sizes: dict[str, Any]) -> tuple[int, int]:
    return int(sizes["channel_base"]), int(sizes["channel_max"])
