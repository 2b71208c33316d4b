"""The segmenter that a model carries: the cardiac FCN, its numbers, and the grid it looks at."""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gancmri_jax.atomic import atomic_write
from gancmri_jax.disclaimer import marked_card, unmarked_card
from gancmri_jax.errors import InputError
from gancmri_jax.model.digests import check_metadata, check_tensors, with_digests
from gancmri_jax.networks.cardiac_fcn import CONVOLUTIONS, MULTIPLE, CardiacFCN

FORMAT = "gancmri_jax segmenter"
VERSION = "1"
FILE = "segmenter.safetensors"  # in a run directory
PREFIX = "segmenter/"  # of its tensors, here and in a model file
# Of metadata that are not what was written: brackets too deep, whole numbers that are infinite, ...
SIZES_ERRORS = (KeyError, OverflowError, RecursionError, TypeError, ValueError)


@dataclasses.dataclass(frozen=True)
class Segmenter:
    """A cardiac FCN and how pictures are shown to it.

    Attributes:
        network: The network; it holds the sizes, not the parameters.
        variables: Its parameters and batch statistics: `params` and `batch_stats`.
        pixel_mm: Spacing, rows and columns alike, of the grid that frames are brought to first.
        side: Pixels along a side of the window around the heart, which is looked for first, so that
            a cine's spacing does not matter (`segmentation.segment`); None where the grid is one of
            `pixel_mm` alone. With a side, `pixel_mm` is the spacing that most hearts get.
        x_first: It was trained on frames in NIfTI's order, transposed against display.
        card: How it was made and how good it is: JSON-like.
    """

    network: CardiacFCN
    variables: Any
    pixel_mm: float
    x_first: bool = False
    side: int | None = None
    card: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Identify the network by its numbers, so that what it measured is not mixed up."""
        digest = hashlib.sha256()
        for name, array in sorted(to_tensors(self).items()):
            digest.update(name.encode())
            digest.update(np.asarray(array, np.float32).tobytes())
        return digest.hexdigest()[:16]

    @property
    def sizes(self) -> dict[str, Any]:
        """Return all but the numbers and the card, JSON-like."""
        sizes = {
            "filters": list(self.network.filters),
            "level_width": self.network.level_width,
            "head_width": self.network.head_width,
            "pixel_mm": self.pixel_mm,
            "x_first": self.x_first,
        }
        if self.side is not None:  # older files lack these
            sizes |= {"phases": self.network.phases, "side": self.side}
        return sizes


def to_tensors(segmenter: Segmenter) -> dict[str, Any]:
    """Return the variables by the names that they have in a file."""
    flat = flax.traverse_util.flatten_dict(segmenter.variables, sep="/")
    return {f"{PREFIX}{name}": array for name, array in flat.items()}


def expected_shapes(sizes: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape that each tensor of a segmenter of these sizes has.

    Raises:
        KeyError, TypeError, ValueError: The sizes are no segmenter's.
    """
    network = _network(sizes)
    if not float(sizes["pixel_mm"]) > 0 or not isinstance(sizes["x_first"], bool):
        raise ValueError("pixel_mm must be positive, and x_first true or false")
    if (side := sizes.get("side")) is not None and (int(side) < MULTIPLE or int(side) % MULTIPLE):
        raise ValueError(f"the side must be a multiple of {MULTIPLE}, got {side}")
    image = jnp.zeros((1, MULTIPLE, MULTIPLE, 1))
    variables = jax.eval_shape(network.init, jax.random.key(0), image)
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    return {f"{PREFIX}{name}": leaf.shape for name, leaf in flat.items()}


def from_tensors(
    sizes: dict[str, Any], tensors: dict[str, np.ndarray], card: dict[str, Any]
) -> Segmenter:
    """Undo `sizes` and `to_tensors`; tensors of other names are passed over."""
    flat = {
        name.removeprefix(PREFIX): jnp.asarray(array)
        for name, array in tensors.items()
        if name.startswith(PREFIX)
    }
    return Segmenter(
        network=_network(sizes),
        variables=flax.traverse_util.unflatten_dict(flat, sep="/"),
        pixel_mm=float(sizes["pixel_mm"]),
        x_first=bool(sizes["x_first"]),
        side=None if sizes.get("side") is None else int(sizes["side"]),
        card=card,
    )


def _network(sizes: dict[str, Any]) -> CardiacFCN:
    filters = tuple(int(width) for width in sizes["filters"])
    if len(filters) != len(CONVOLUTIONS):
        raise ValueError(f"there must be {len(CONVOLUTIONS)} filters, got {len(filters)}")
    return CardiacFCN(
        filters=filters,
        level_width=int(sizes["level_width"]),
        head_width=int(sizes["head_width"]),
        phases=int(sizes.get("phases", 1)),
    )


def save_segmenter(segmenter: Segmenter, path: str | os.PathLike[str]) -> None:
    """Write a segmenter as a safetensors file of its own, whole or not at all."""
    path = pathlib.Path(path)
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "segmenter": json.dumps(segmenter.sizes),
        "card": json.dumps(marked_card(segmenter.card)),
    }
    arrays = {name: np.array(array, order="C") for name, array in to_tensors(segmenter).items()}
    try:
        with atomic_write(path, durable=True) as part:
            save_file(arrays, part, with_digests(metadata, arrays))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be written: {error}") from error


def is_segmenter(path: pathlib.Path) -> bool:
    """Say whether a file is a segmenter's own, whatever its name."""
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (OSError, SafetensorError):
        return False


def load_segmenter(path: str | os.PathLike[str]) -> Segmenter:
    """Load what `save_segmenter` wrote, or the one in a run directory.

    Raises:
        InputError: There is none, or it is not sound.
    """
    path = pathlib.Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a segmenter: {error}") from error
    if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
        raise InputError(f"{path}: is no gancmri_jax segmenter of version {VERSION}")
    digests = check_metadata(path, metadata)
    try:
        sizes, card = json.loads(metadata["segmenter"]), json.loads(metadata["card"])
        expected = expected_shapes(sizes)
    except SIZES_ERRORS as error:
        raise InputError(f"{path}: its metadata is not a segmenter's: {error}") from error
    if {key: array.shape for key, array in tensors.items()} != expected:
        raise InputError(f"{path}: its tensors are not those of a segmenter of its sizes")
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise InputError(f"{path}: holds values that are not finite")
    check_tensors(path, digests, tensors)
    return from_tensors(sizes, tensors, unmarked_card(card))
