"""The model file: one safetensors file with a JSON card, readable without this package.

Tensors: `generator/<path>`, `w_avg`, `noise/<nn>`, `trajectories/<name>`, `directions/<name>`,
and, where the model has them, `own_noise/<nn>`, `segmenter/<path>` and `encoder/<path>`. Metadata
(strings): `format`, `version`, `generator` (its sizes as JSON), `segmenter` and `encoder`
(likewise, where there is one), `card` (JSON). A file that training can go on from has
`discriminator/<path>` too, and `discriminator` among its metadata; it may have `training/<path>`,
what training keeps beside averages, and then has `training` among its metadata.
"""

import dataclasses
import functools
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gancmri_jax.atomic import atomic_write
from gancmri_jax.checksums import file_sha256
from gancmri_jax.disclaimer import marked_card, unmarked_card
from gancmri_jax.errors import InputError
from gancmri_jax.model import discriminator as judges
from gancmri_jax.model import encoder as encoders
from gancmri_jax.model import motion as motions
from gancmri_jax.model.digests import check_metadata, check_tensors, with_digests
from gancmri_jax.model.model import Model, RenderDtype
from gancmri_jax.model.segmenter import (
    FILE,
    SIZES_ERRORS,
    Segmenter,
    expected_shapes,
    from_tensors,
    is_segmenter,
    load_segmenter,
    to_tensors,
)
from gancmri_jax.networks.generator import Generator, draw_noise
from gancmri_jax.weights.hub import SCHEME, fetch_from_hub

FORMAT = "gancmri_jax model"
VERSION = "1"
EMBEDDED = {  # by name, with the SHA-256 of the file
    "demo": "f6fa834685900218fdf7129efa03e0e775f7da2a0c72ebf262d20cfb9d344c9c",
    "demo256": None,
}
# Segmenters in files of their own, by fingerprint: that of the demo model before 0.1.0, and one
# that judges alone, which no loss and no guidance may use.
SHIPPED_SEGMENTERS = ("d03f023ab58704a0", "820e95793a6cd530")
SEGMENTER, ENCODER = "segmenter", "encoder"  # of metadata and of the card
OWN_NOISE = "own_noise/"  # of tensors
DISCRIMINATOR, TRAINING = "discriminator", "training"  # of metadata

_SIZES = (
    "resolution",
    "img_channels",
    "z_dim",
    "w_dim",
    "mapping_layers",
    "channel_base",
    "channel_max",
)


def save_model(
    model: Model,
    path: str | os.PathLike[str],
    discriminator: judges.Judge | None = None,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a model file, whole or not at all, with what training goes on from where it is given.

    Args:
        model: The model.
        path: The file.
        discriminator: Its discriminator.
        training: A tree of what else training keeps; see `load_training`.
    """
    path = pathlib.Path(path)
    params = flax.traverse_util.flatten_dict(model.params, sep="/")
    tensors = {
        "w_avg": model.w_avg,
        **{f"generator/{name}": array for name, array in params.items()},
        **{f"noise/{index:02d}": array for index, array in enumerate(model.noise)},
        **{f"{OWN_NOISE}{index:02d}": array for index, array in enumerate(model.own_noise or ())},
        **{
            f"trajectories/{name}": _brief(array)
            for name, array in motions.to_tensors(model.motion).items()
        },
        **{f"directions/{name}": _brief(array) for name, array in model.directions.items()},
    }
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "generator": json.dumps({name: getattr(model.generator, name) for name in _SIZES}),
    }
    card = {key: value for key, value in model.card.items() if key not in (SEGMENTER, ENCODER)}
    if model.segmenter is not None:
        tensors |= to_tensors(model.segmenter)
        metadata[SEGMENTER] = json.dumps(model.segmenter.sizes)
        card[SEGMENTER] = model.segmenter.card
    if model.encoder is not None:
        tensors |= encoders.to_tensors(model.encoder)
        metadata[ENCODER] = json.dumps(model.encoder.sizes)
        card[ENCODER] = model.encoder.card
    if discriminator is not None:
        tensors |= judges.to_tensors(discriminator)
        metadata[DISCRIMINATOR] = json.dumps(discriminator.sizes)
    if training is not None:
        flat = flax.traverse_util.flatten_dict(dict(training), sep="/")
        tensors |= {f"{TRAINING}/{name}": array for name, array in flat.items()}
        metadata[TRAINING] = json.dumps(sorted(training))
    metadata["card"] = json.dumps(marked_card(card))
    arrays = {name: np.array(array, order="C") for name, array in tensors.items()}
    try:
        with atomic_write(path, durable=True) as part:
            save_file(arrays, part, with_digests(metadata, arrays))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be written: {error}") from error


def load_model(name: str | os.PathLike[str] = "demo", dtype: RenderDtype = "auto") -> Model:
    """Load `demo`, a model file, a run folder's `model.safetensors`, or `hf://OWNER/NAME`.

    A discriminator in the file stays there: see `load_discriminator`. On accelerators the model
    renders in bfloat16 unless `dtype` is `float32`; see `Model.dtype`.

    Raises:
        InputError: No such model, or the file is not a sound model of this version.
    """
    header = read_header(name)
    left = [judges.PREFIX] if header.discriminator is not None else []
    left += [f"{TRAINING}/"] if header.training else []
    wanted = [key for key in header.shapes if not key.startswith(tuple(left))]
    return dataclasses.replace(_assemble(header, _read_tensors(header, wanted)), dtype=dtype)


def load_discriminator(name: str | os.PathLike[str]) -> judges.Judge:
    """Load the discriminator of a model file that training can go on from.

    Raises:
        InputError: No such model, or it has none, or it is not sound.
    """
    header = read_header(name)
    if header.discriminator is None:
        raise InputError(
            f"{header.path}: has no discriminator; one that `gancmri convert` wrote may"
        )
    wanted = [key for key in header.shapes if key.startswith(judges.PREFIX)]
    try:
        return judges.from_tensors(header.discriminator, _read_tensors(header, wanted))
    except InputError:
        raise
    except SIZES_ERRORS as error:
        raise InputError(f"{header.path}: {error}") from error


def load_training(name: str | os.PathLike[str]) -> dict[str, Any]:
    """Load what training keeps in a model file beside averages and discriminator, as a tree.

    It is empty for other files. The values are such as the file's checksums promise; whoever trains
    compares the shapes with the configuration's.

    Raises:
        InputError: No such model, or it is not sound.
    """
    header = read_header(name)
    if not header.training:
        return {}
    wanted = [key for key in header.shapes if key.startswith(f"{TRAINING}/")]
    tensors = _read_tensors(header, wanted)
    for key, array in tensors.items():
        if not np.isfinite(array).all():
            raise InputError(f"{header.path}: tensor {key} holds values that are not finite")
    flat = {key.removeprefix(f"{TRAINING}/"): array for key, array in tensors.items()}
    return flax.traverse_util.unflatten_dict(flat, sep="/")


def load_segmenter_of(name: str | os.PathLike[str]) -> Segmenter:
    """Load the segmenter of a model, or of a run of `gancmri train-segmenter`.

    Args:
        name: A model, a run's folder, or the fingerprint of one of `SHIPPED_SEGMENTERS`.

    Raises:
        InputError: No such model, or it has none.
    """
    if name in SHIPPED_SEGMENTERS:
        return load_segmenter(pathlib.Path(__file__).with_name(f"segmenter_{name}.safetensors"))
    path = pathlib.Path(name)
    if (path / FILE).is_file() or path.name == FILE or is_segmenter(path):
        return load_segmenter(path)
    if (segmenter := load_model(name).segmenter) is None:
        raise InputError(
            f"{name}: has no segmenter; `gancmri train-segmenter --into {name}` puts one in"
        )
    return segmenter


@functools.cache
def shipped_segmenters() -> frozenset[str]:
    """Return the fingerprints of all segmenters that ship with the package, which judge models."""
    folder, found = pathlib.Path(__file__).parent, set(SHIPPED_SEGMENTERS)
    for name in EMBEDDED:
        if (folder / f"{name}.safetensors").is_file():
            segmenter = load_model(name).segmenter
            found |= set() if segmenter is None else {segmenter.fingerprint}
    return frozenset(found)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a model file says of itself: its metadata, and its tensors' shapes and checksums.

    `digests` is None for a file of an earlier version.
    """

    path: pathlib.Path
    generator: dict[str, Any]
    segmenter: dict[str, Any] | None
    encoder: dict[str, Any] | None
    discriminator: dict[str, Any] | None
    card: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    digests: dict[str, str] | None
    training: list[str] = dataclasses.field(default_factory=list)

    @property
    def num_values(self) -> int:
        """How many numbers the file holds."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def read_header(name: str | os.PathLike[str]) -> Header:
    """Read a model's metadata and shapes, and none of its tensors.

    Raises:
        InputError: No such model, or no model file of this version.
    """
    path = _locate(name)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a model file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path}: is a safetensors file, but no gancmri_jax model")
    if metadata.get("version") != VERSION:
        raise InputError(
            f"{path}: is a model file of version {metadata.get('version')}, and this program "
            f"reads version {VERSION}; install the gancmri_jax that wrote it"
        )
    digests = check_metadata(path, metadata)
    try:
        sizes = json.loads(metadata["generator"])
        generator = {key: int(sizes[key]) for key in _SIZES}
        segmenter, encoder, discriminator = (
            json.loads(metadata[part]) if part in metadata else None
            for part in (SEGMENTER, ENCODER, DISCRIMINATOR)
        )
        card, training = json.loads(metadata["card"]), json.loads(metadata.get(TRAINING, "[]"))
        return Header(
            path, generator, segmenter, encoder, discriminator, card, shapes, digests, training
        )
    except SIZES_ERRORS as error:
        raise InputError(f"{path}: its metadata is not a model's: {error}") from error


def _read_tensors(header: Header, names: list[str]) -> dict[str, np.ndarray]:
    """Read tensors of a model file, and compare them with their checksums.

    Raises:
        InputError: One has changed since it was written.
    """
    try:
        with safe_open(header.path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{header.path}: cannot be read as a model file: {error}") from error
    if (known := _embedded_sha256(header.path)) is None:
        check_tensors(header.path, header.digests, tensors)
    elif known != file_sha256(header.path):
        raise InputError(
            f"{header.path}: is damaged: it has another SHA-256 than the one that this version "
            "ships; install gancmri_jax again"
        )
    return tensors


def _embedded_sha256(path: pathlib.Path) -> str | None:
    """Return what is known of a file that ships with the package, written before checksums were."""
    return EMBEDDED.get(path.stem) if path.parent == pathlib.Path(__file__).parent else None


def _locate(name: str | os.PathLike[str]) -> pathlib.Path:
    if isinstance(name, str) and name.startswith(SCHEME):
        return fetch_from_hub(name)
    if name in EMBEDDED:
        path = pathlib.Path(__file__).with_name(f"{name}.safetensors")
        if not path.is_file():
            raise InputError(f"model {name} is not shipped with this version; give a model file")
        return path
    path = pathlib.Path(name)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise InputError(
            f"{path}: no such model; give demo, a model file, a run directory or hf://OWNER/NAME"
        )
    return path


def _assemble(header: Header, tensors: dict[str, np.ndarray]) -> Model:
    """Build the model, checking every tensor's shape and values."""
    path = header.path
    generator = Generator(**header.generator)
    try:
        expected = _expected_shapes(generator)
        if has_own_noise := any(key.startswith(OWN_NOISE) for key in tensors):
            expected |= {
                name.replace("noise/", OWN_NOISE): shape
                for name, shape in expected.items()
                if name.startswith("noise/")
            }
        if header.segmenter is not None:
            expected |= expected_shapes(header.segmenter)
        if header.encoder is not None:
            expected |= encoders.expected_shapes(generator, header.encoder)
    except SIZES_ERRORS as error:
        raise InputError(f"{path}: its metadata is not a model's: {error}") from error
    rooms: dict[str, dict[str, Any]] = {"trajectories": {}, "directions": {}}
    for key, array in tensors.items():
        room, _, name = key.partition("/")
        if room in rooms:
            rows, full = array.shape[-2:-1], (generator.num_ws, generator.w_dim)
            sound = array.shape[-1:] == full[1:] and rows in ((1,), full[:1])
            if sound:
                rooms[room][name] = jnp.broadcast_to(array, array.shape[:-2] + full)
        else:
            sound = key in expected and expected[key] == array.shape
        if not sound:
            wanted = f"expected {expected[key]}" if key in expected else "not expected here"
            raise InputError(f"{path}: tensor {key} {array.shape} is {wanted}")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: tensor {key} holds values that are not finite")
    missing = sorted(expected.keys() - tensors.keys())
    if missing:
        raise InputError(f"{path}: tensor {missing[0]} is missing ({len(missing)} in all)")
    params = {
        key.removeprefix("generator/"): jnp.asarray(array)
        for key, array in tensors.items()
        if key.startswith("generator/")
    }
    noise, own_noise = (
        tuple(jnp.asarray(tensors[key]) for key in sorted(expected) if key.startswith(room))
        for room in ("noise/", OWN_NOISE)
    )
    segmenter = None
    if header.segmenter is not None:
        segmenter = from_tensors(header.segmenter, tensors, header.card.get(SEGMENTER, {}))
    encoder = None
    if header.encoder is not None:
        card = header.card.get(ENCODER, {})
        encoder = encoders.from_tensors(generator, header.encoder, tensors, card)
    try:
        motion = motions.from_tensors(rooms["trajectories"])
    except ValueError as error:
        raise InputError(f"{path}: tensor trajectories/{error}") from error
    return Model(
        generator=generator,
        params=flax.traverse_util.unflatten_dict(params, sep="/"),
        w_avg=jnp.asarray(tensors["w_avg"]),
        noise=noise,
        motion=motion,
        directions=rooms["directions"],
        segmenter=segmenter,
        encoder=encoder,
        card=unmarked_card(header.card),
        own_noise=own_noise if has_own_noise else None,
    )


def _brief(array: Any) -> np.ndarray:
    """Keep one row of what has all rows alike, as everything learned from codes in W has."""
    rows = np.asarray(array)
    return rows[..., :1, :] if (rows == rows[..., :1, :]).all() else rows


def _expected_shapes(generator: Generator) -> dict[str, tuple[int, ...]]:
    key = jax.random.key(0)
    params = jax.eval_shape(generator.init, key, jnp.zeros((1, generator.z_dim)))["params"]
    noise = jax.eval_shape(lambda: draw_noise(key, generator.resolution))
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    return {
        "w_avg": (generator.w_dim,),
        **{f"generator/{name}": leaf.shape for name, leaf in flat.items()},
        **{f"noise/{index:02d}": leaf.shape for index, leaf in enumerate(noise)},
    }
