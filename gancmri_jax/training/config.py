"""What a training configuration must hold, checked first, and what it asks of each step."""

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
    "accumulate",
)
_POSITIVE = (
    "learning_rate",
    "ema_kimg",
    "ada_kimg",
    "total_kimg",
    "kimg_per_tick",
    "kimg_per_snapshot",
)
_NOT_NEGATIVE = (
    "pl_weight",
    "style_mixing",
    "d_warmup_kimg",
    "inversion_kimg",
    "anneal_kimg",
    "seed",
)
_ABOVE_0_OR_NONE = ("d_learning_rate", "inversion_learning_rate", "ema_rampup", "clamp")
_OTHERS = (
    "data",
    "init_from",
    "resolution",
    "channel_base",
    "dtype",
    "remat",
    "r1_gamma",
    "ada_target",
    "distance_frames",
)
DTYPES = ("float32", "bfloat16")


def check_config(config: ConfigDict) -> None:
    """See that every key is there, none is unknown, and values are such as can be trained with.

    Raises:
        InputError: Names the key.
    """
    keys = {*_COUNTS, *_POSITIVE, *_NOT_NEGATIVE, *_ABOVE_0_OR_NONE, *_OTHERS}
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
    for name in _ABOVE_0_OR_NONE:
        _insist(config, name, config[name] is None or config[name] > 0, "above 0, or None")
    gamma, frames, target = config.r1_gamma, config.distance_frames, config.ada_target
    _insist(config, "r1_gamma", gamma is None or gamma >= 0, "0 or above, or None")
    _insist(config, "distance_frames", frames == 0 or frames >= 4, "0, or 4 and above")
    _insist(config, "ada_target", target is None or 0 < target < 1, "between 0 and 1, or None")
    total = config.total_kimg
    _insist(config, "anneal_kimg", config.anneal_kimg <= total, f"at most total_kimg ({total:g})")
    inverts = config.inversion_learning_rate is not None
    if config.inversion_kimg and not inverts:
        raise InputError("config.inversion_kimg needs an inversion_learning_rate, such as 0.002")
    if config.d_warmup_kimg and not (config.init_from or config.inversion_kimg):
        raise InputError(
            "config.d_warmup_kimg lets the discriminator catch up with a generator that has "
            "learned: give init_from or inversion_kimg too"
        )
    size = config.resolution
    _insist(config, "resolution", size >= 8 and size & (size - 1) == 0, "a power of two from 8 on")
    _insist(config, "channel_base", config.channel_base >= size, f"at least resolution ({size})")
    _insist(config, "dtype", config.dtype in DTYPES, " or ".join(DTYPES))


def _insist(config: ConfigDict, name: str, is_so: bool, rule: str) -> None:
    if not is_so:
        raise InputError(f"config.{name} must be {rule}, got {config[name]}")


def steps_of(kimg: float, config: ConfigDict) -> int:
    """Return how many steps take in so many thousand real images, at least one."""
    return max(round(kimg * 1000 / config.batch_size), 1)


def schedule(config: ConfigDict, index: int) -> dict[str, bool]:
    """Return the parts of the step after `index` others.

    At first generator and encoder learn by inversion alone; then the discriminator catches up
    with the generator; then all are trained.
    """
    alone = steps_of(config.inversion_kimg, config) if config.inversion_kimg else 0
    warm = alone + (steps_of(config.d_warmup_kimg, config) if config.d_warmup_kimg else 0)
    train_g, train_d = index >= warm, index >= alone
    return {
        "regularize_g": train_g and index % config.g_reg_interval == 0,
        "regularize_d": train_d and index % config.d_reg_interval == 0,
        "train_g": train_g,
        "train_d": train_d,
        "invert": config.inversion_learning_rate is not None and (train_g or not train_d),
    }
