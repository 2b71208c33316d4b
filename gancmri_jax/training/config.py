"""Training configurations: finding and reading them, what they must hold, and each step's parts."""

import difflib
import importlib.util
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags
from ml_collections.config_dict import placeholder

import gancmri_jax.configs
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
_OPTIONAL_NOT_NEGATIVE = ("warmup_kimg", "perceptual_weight", "lpips_weight", "freeze_kimg")
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
_SHIPPED = pathlib.Path(gancmri_jax.configs.__file__).parent


def config_names() -> list[str]:
    """Return the names of the configurations that ship with the package."""
    return sorted(path.stem for path in _SHIPPED.glob("*.py") if path.stem != "__init__")


def find_config(name: str | os.PathLike[str]) -> pathlib.Path:
    """Return the file of a configuration: one that ships with the package, or a file's path.

    Raises:
        InputError: There is none of this name.
    """
    path = pathlib.Path(name)
    if path.suffix == ".py" and path.is_file():
        return path
    names = config_names()
    if str(name) in names:
        return _SHIPPED / f"{name}.py"
    near = difflib.get_close_matches(path.stem, names, 1, 0.8)
    hint = f"did you mean {near[0]}?" if near else f"give {', '.join(names)} or a file"
    raise InputError(f"{path}: no such configuration; {hint}")


def read_config(name: str | os.PathLike[str], settings: Sequence[str] = ()) -> ConfigDict:
    """Read a configuration by the name or path that `find_config` takes.

    Args:
        name: The name or path; what follows a colon is given to the file's `get_config`.
        settings: Values that override the file's, as on a command line: `--config.seed=1`.

    Raises:
        InputError: There is no such file, it fails, or a setting names no key or is no value of it.
    """
    where, colon, choice = os.fspath(name).partition(":")
    path = find_config(where)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    words = ["gancmri train", *settings]
    values = flags.FlagValues()
    try:
        spec.loader.exec_module(module)
        config = with_optional(module.get_config(*[choice] * bool(colon)))
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=words)
        stray = values(words)[1:]
    except Exception as error:  # a configuration is a program, which can fail in any way
        unknown = error.__context__
        if isinstance(unknown, KeyError):  # how ml_collections reports an unknown key
            said = re.findall(r"'(.+?)'|Did you mean \"(.+?)\"", str(unknown.args[0]))
            key, *near = (a or b for a, b in said)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(f"unknown configuration key {key}{hint}") from error
        raise InputError(" ".join(f"{path}: {error}".split())) from error
    if stray:
        raise InputError(f"unexpected argument {stray[0]}")
    return config


def _optional() -> dict[str, Any]:
    """Return keys that configurations may leave out, with values that change nothing."""
    return {
        "warmup_kimg": 0.0,  # at the start, in which all learning rates rise from 0
        "noise_by_adversary": False,  # the reconstruction loss leaves noise strengths alone
        "perceptual_segmenter": placeholder(str),  # a frozen segmenter: a file or a run folder
        "perceptual_weight": 0.0,  # of the distance in its features, beside the pyramid of pixels
        "perceptual_fingerprint": placeholder(str),  # of the segmenter; training fills it in
        "lpips_weight": 0.0,  # of LPIPS, beside the pyramid of pixels
        "phantoms_share": 0.0,  # of each batch: phantoms that are rendered while training
        "freeze_below": 0,  # mapping and layers of resolutions up to this one stay as they are
        "freeze_kimg": 0.0,  # how long they do; 0 is to the end
    }


OPTIONAL = tuple(_optional())


def with_optional(config: ConfigDict) -> ConfigDict:
    """Return a configuration with the keys that it leaves out."""
    return ConfigDict({**_optional(), **dict(config.items(preserve_field_references=True))})


def option(config: ConfigDict, name: str) -> Any:
    """Return the value of a key that the configuration may leave out."""
    return with_optional(config)[name]


def check_config(config: ConfigDict) -> None:
    """See that every key is there, none is unknown, and values are such as can be trained with.

    Raises:
        InputError: Names the key.
    """
    keys = {*_COUNTS, *_POSITIVE, *_NOT_NEGATIVE, *_ABOVE_0_OR_NONE, *_OTHERS}
    if missing := sorted(keys - set(config)):
        raise InputError(f"the configuration has no {missing[0]}; copy it from phantom64")
    if unknown := sorted(set(config) - keys - set(OPTIONAL)):
        near = _near(unknown[0], keys | set(OPTIONAL))
        raise InputError(f"unknown configuration key {unknown[0]}; {near}")
    for name in _COUNTS:
        _insist(config, name, config[name] >= 1, "at least 1")
    for name in _POSITIVE:
        _insist(config, name, config[name] > 0, "above 0")
    for name in _NOT_NEGATIVE:
        _insist(config, name, config[name] >= 0, "0 or above")
    whole = with_optional(config)
    for name in _OPTIONAL_NOT_NEGATIVE:
        _insist(whole, name, whole[name] >= 0, "0 or above")
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
    _check_optional(whole)


def _check_optional(config: ConfigDict) -> None:
    inverts = config.inversion_learning_rate is not None
    for name in ("noise_by_adversary", "perceptual_weight", "lpips_weight"):
        if config[name] and not inverts:
            raise InputError(f"config.{name} needs an inversion_learning_rate, such as 0.002")
    if bool(config.perceptual_weight) != bool(config.perceptual_segmenter):
        raise InputError(
            "config.perceptual_weight and config.perceptual_segmenter belong together: give both, "
            "or neither"
        )
    share, batch = config.phantoms_share, config.batch_size
    _insist(config, "phantoms_share", 0 <= share < 1, "from 0 to below 1")
    if share and not 0 < round(share * batch) < batch:
        raise InputError(
            f"config.phantoms_share {share} of {batch} images is {round(share * batch)}; a batch "
            "needs at least one phantom and one recorded frame"
        )
    below = config.freeze_below
    powers = below >= 4 and below & (below - 1) == 0 and below < config.resolution
    _insist(config, "freeze_below", below == 0 or powers, "0, or a power of two below resolution")
    if below and not config.init_from:
        raise InputError("config.freeze_below needs an init_from: what is frozen has learned")
    if config.freeze_kimg and not below:
        raise InputError("config.freeze_kimg needs a freeze_below: the resolution that is frozen")


def _near(key: str, keys: set[str]) -> str:
    near = difflib.get_close_matches(key, sorted(keys), 1)
    return f"did you mean {near[0]}?" if near else "remove it"


def _insist(config: ConfigDict, name: str, is_so: bool, rule: str) -> None:
    if not is_so:
        raise InputError(f"config.{name} must be {rule}, got {config[name]}")


def steps_of(kimg: float, config: ConfigDict) -> int:
    """Return how many steps take in so many thousand real images, at least one."""
    return max(round(kimg * 1000 / config.batch_size), 1)


def frozen_steps(config: ConfigDict) -> int:
    """Return how many steps leave the layers below `freeze_below` as they are."""
    if not config.get("freeze_below"):
        return 0
    kimg = config.get("freeze_kimg") or config.total_kimg
    return steps_of(kimg, config)


def schedule(config: ConfigDict, index: int) -> dict[str, bool]:
    """Return the parts of the step after `index` others.

    At first generator and encoder learn by inversion alone; then the discriminator catches up
    with the generator; then all are trained.
    """
    alone = steps_of(config.inversion_kimg, config) if config.inversion_kimg else 0
    warm = alone + (steps_of(config.d_warmup_kimg, config) if config.d_warmup_kimg else 0)
    train_g, train_d = index >= warm, index >= alone
    freeze = {"freeze": True} if index < frozen_steps(config) else {}
    return freeze | {
        "regularize_g": train_g and index % config.g_reg_interval == 0,
        "regularize_d": train_d and index % config.d_reg_interval == 0,
        "train_g": train_g,
        "train_d": train_d,
        "invert": config.inversion_learning_rate is not None and (train_g or not train_d),
    }
