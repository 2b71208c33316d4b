"""What a training configuration must hold, checked before anything is made of it."""

from ml_collections import ConfigDict

from gancmri_jax.errors import InputError

_COUNTS = (
    "z_dim",
    "w_dim",
    "mapping_layers",
    "channel_max",
    "mbstd_group",
    "batch_size",
    "d_reg_interval",
    "g_reg_interval",
)
_POSITIVE = ("learning_rate", "ema_kimg", "total_kimg", "kimg_per_tick", "kimg_per_snapshot")
_NOT_NEGATIVE = ("r1_gamma", "pl_weight", "style_mixing", "seed")
_OTHERS = ("data", "resolution", "channel_base", "dtype", "ema_rampup")
DTYPES = ("float32", "bfloat16")


def check_config(config: ConfigDict) -> None:
    """See that every key is there, none is unknown, and values are such as can be trained with.

    Raises:
        InputError: Names the key.
    """
    keys = {*_COUNTS, *_POSITIVE, *_NOT_NEGATIVE, *_OTHERS}
    if missing := sorted(keys - set(config)):
        raise InputError(f"the configuration has no {missing[0]}; take configs/phantom64.py's")
    if unknown := sorted(set(config) - keys):
        raise InputError(f"the configuration has {unknown[0]}, which means nothing here; remove it")
    for name in _COUNTS:
        _insist(config, name, config[name] >= 1, "at least 1")
    for name in _POSITIVE:
        _insist(config, name, config[name] > 0, "above 0")
    for name in _NOT_NEGATIVE:
        _insist(config, name, config[name] >= 0, "0 or above")
    _insist(config, "seed", config.seed < 2**32, "below 2³²")
    _insist(config, "style_mixing", config.style_mixing <= 1, "a probability")
    rampup = config.ema_rampup
    _insist(config, "ema_rampup", rampup is None or rampup > 0, "above 0, or None")
    size = config.resolution
    _insist(config, "resolution", size >= 8 and size & (size - 1) == 0, "a power of two from 8 on")
    _insist(config, "channel_base", config.channel_base >= size, f"at least resolution ({size})")
    _insist(config, "dtype", config.dtype in DTYPES, " or ".join(DTYPES))


def _insist(config: ConfigDict, name: str, is_so: bool, rule: str) -> None:
    if not is_so:
        raise InputError(f"config.{name} must be {rule}, got {config[name]}")
