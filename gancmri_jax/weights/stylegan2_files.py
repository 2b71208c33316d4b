"""StyleGAN2 generators and discriminators out of other projects' files, none of which is run."""

import dataclasses
import hashlib
import json
import mmap
import pathlib
import zipfile
from typing import Any

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.weights import rosinality, stylegan2_ada, stylegan2_tf
from gancmri_jax.weights.pickles import NUMPY, read_pickle
from gancmri_jax.weights.stylegan2_shapes import State, discriminator_sizes, generator_sizes
from gancmri_jax.weights.torch_files import LEGACY_MAGIC, read_notes, read_torch

_ALLOWED = NUMPY | {
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "_codecs.encode"),
    *("builtins.set", "__builtin__.set", "collections.OrderedDict", "dnnlib.util.EasyDict"),
    *(stylegan2_tf.NETWORK, stylegan2_ada.MODULE, stylegan2_ada.PARAMETER, stylegan2_ada.STORAGE),
    *stylegan2_ada.TENSORS,
}


@dataclasses.dataclass(frozen=True)
class Foreign:
    """A StyleGAN2 as another project trained it.

    Attributes:
        kind: What wrote the file.
        sha256: Of the file.
        generator: The moving average, under stylegan2-ada-pytorch's names; `mapping.w_avg` may be
            missing.
        generator_sizes: What `networks.generator.Generator` is told.
        discriminator: Under those names; None where the file has none.
        discriminator_sizes: `resolution`, `img_channels`, `channel_base`, `channel_max` and
            `mbstd_group`.
        card: The card of the model that the file was exported from, if it was one of ours.
        conv_clamp: What activations were kept within there, as float16 needs, if they were.
    """

    kind: str
    sha256: str
    generator: State
    generator_sizes: dict[str, Any]
    discriminator: State | None
    discriminator_sizes: dict[str, Any]
    card: dict[str, Any] | None = None
    conv_clamp: float | None = None


def read_foreign(path: pathlib.Path) -> Foreign:
    """Read a StyleGAN2 TensorFlow pickle, a stylegan2-ada-pytorch pickle, or a rosinality `.pt`.

    What `gancmri export` wrote for stylegan2-ada-pytorch is read too.

    Raises:
        InputError: It is none of them, or broken, or asks for anything that weights do not need, or
            its network is not one that ours can be.
    """
    try:
        kind, (generator, discriminator, group), more = _read(path)
        sizes = generator_sizes(generator)
        d_sizes = {} if discriminator is None else discriminator_sizes(discriminator)
        if discriminator is not None:
            if not isinstance(group, int) or not 0 < group < 1 << 31:
                raise InputError("has a discriminator whose groups have no number of images")
            d_sizes["mbstd_group"] = group
            for name in ("resolution", "img_channels"):
                if d_sizes[name] != sizes[name]:
                    raise InputError(f"has a generator and a discriminator of different {name}")
    except InputError as error:
        told = str(error).removeprefix(f"{path}: ")
        raise InputError(f"{path}: {told}") from error
    except Exception as error:  # whatever is not as it should be is the file's fault
        raise InputError(f"{path}: is not sound ({type(error).__name__})") from error
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Foreign(
        kind=kind,
        sha256=sha256,
        generator=_float32(generator),
        generator_sizes=sizes,
        discriminator=None if discriminator is None else _float32(discriminator),
        discriminator_sizes=d_sizes,
        **more,
    )


def _float32(state: State) -> State:
    return {name: np.asarray(array, np.float32) for name, array in state.items()}


_Read = tuple[str, tuple[State, State | None, int], dict[str, Any]]  # and more of `Foreign`


def _read(path: pathlib.Path) -> _Read:
    if not path.is_file():
        raise InputError("no such file")
    if zipfile.is_zipfile(path):
        return _of_torch(path)
    tree = _first_pickle(path)
    if stylegan2_tf.is_tf_pickle(tree):
        return "StyleGAN2 TensorFlow pickle", stylegan2_tf.read_tf(tree), {}
    if stylegan2_ada.is_ada_pickle(tree):
        states = stylegan2_ada.read_ada(tree)
        more = {"conv_clamp": stylegan2_ada.conv_clamp(tree)}
        return "stylegan2-ada-pytorch pickle", states, more
    if tree == LEGACY_MAGIC:
        return _of_torch(path)
    raise InputError(
        "is a pickle, but neither (G, D, Gs) of StyleGAN2 nor G_ema of stylegan2-ada-pytorch"
    )


def _first_pickle(path: pathlib.Path) -> Any:
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return read_pickle(content, _ALLOWED.__contains__)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError("is empty") from error  # and cannot be mapped


def _of_torch(path: pathlib.Path) -> _Read:
    tensors = read_torch(path)
    if "G_ema/synthesis.b4.const" in tensors:
        states = {
            room: {
                name.removeprefix(f"{room}/"): array
                for name, array in tensors.items()
                if name.startswith(f"{room}/")
            }
            for room in ("G_ema", "D")
        }
        notes = read_notes(path) if zipfile.is_zipfile(path) else {}
        found = states["G_ema"], states["D"] or None, notes.get("mbstd_group_size", 4)
        return "stylegan2-ada-pytorch state", found, {"card": _card(notes.get("card"))}
    if any(name.startswith("g_ema/") for name in tensors):
        return "rosinality checkpoint", rosinality.read_rosinality(tensors), {}
    raise InputError("is a PyTorch file without g_ema (rosinality's) or G_ema (our own)")


def _card(text: Any) -> dict[str, Any] | None:
    try:
        card = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return card if isinstance(card, dict) else None
