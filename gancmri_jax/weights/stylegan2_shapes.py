"""StyleGAN2's sizes, found from its tensors, and the names and shapes that follow from them.

Names are stylegan2-ada-pytorch's (`synthesis.b8.conv0.weight`), which every foreign file is brought
to first.
"""

import re
from collections.abc import Mapping

import numpy as np

from gancmri_jax.errors import InputError

State = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]

FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
W_AVG = "mapping.w_avg"
_LARGEST = 4096  # pixels a side; published generators end at 1024


def generator_sizes(state: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Find what `networks.generator.Generator` is told, and see that every tensor agrees.

    Raises:
        InputError: The tensors are not those of a StyleGAN2 generator with an image skip.
    """
    resolution = _resolution(state, "synthesis.b{}.conv1.weight", "generator")
    widths = {res: _size(state, f"synthesis.b{res}.conv1.weight", 0) for res in _blocks(resolution)}
    base, most = _channels(widths)
    sizes = {
        "resolution": resolution,
        "img_channels": _size(state, f"synthesis.b{resolution}.torgb.weight", 0),
        "z_dim": _size(state, "mapping.fc0.weight", 1),
        "w_dim": _size(state, "mapping.fc0.weight", 0),
        "mapping_layers": sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", n)) for n in state),
        "channel_base": base,
        "channel_max": most,
    }
    _check(state, generator_shapes(sizes), "generator")
    return sizes


def discriminator_sizes(state: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Find a discriminator's sizes, and see that every tensor agrees.

    Raises:
        InputError: The tensors are not those of a residual StyleGAN2 discriminator.
    """
    resolution = _resolution(state, "b{}.conv0.weight", "discriminator")
    widths = {res: _size(state, f"b{res}.conv0.weight", 0) for res in _blocks(resolution)[1:]}
    base, most = _channels({4: _size(state, "b4.conv.weight", 0), **widths})
    sizes = {
        "resolution": resolution,
        "img_channels": _size(state, f"b{resolution}.fromrgb.weight", 1),
        "channel_base": base,
        "channel_max": most,
    }
    _check(state, discriminator_shapes(sizes), "discriminator")
    return sizes


def generator_shapes(sizes: Mapping[str, int]) -> Shapes:
    """Return the shape of every tensor of a generator, buffers included."""
    w_dim, channels = sizes["w_dim"], sizes["img_channels"]
    shapes: Shapes = {W_AVG: (w_dim,)}
    for index in range(sizes["mapping_layers"]):
        incoming = w_dim if index else sizes["z_dim"]
        shapes |= _layer(f"mapping.fc{index}", w_dim, incoming)
    before = 0
    for res in _blocks(sizes["resolution"]):
        block, width = f"synthesis.b{res}", _width(sizes, res)
        shapes[f"{block}.resample_filter"] = FILTER.shape
        if not before:
            shapes[f"{block}.const"] = (width, 4, 4)
        for conv, incoming in (("conv0", before), ("conv1", width))[not before :]:
            shapes |= _layer(f"{block}.{conv}", width, incoming, 3, 3)
            shapes |= _layer(f"{block}.{conv}.affine", incoming, w_dim)
            shapes |= {
                f"{block}.{conv}.noise_const": (res, res),
                f"{block}.{conv}.noise_strength": (),
                f"{block}.{conv}.resample_filter": FILTER.shape,
            }
        shapes |= _layer(f"{block}.torgb", channels, width, 1, 1)
        shapes |= _layer(f"{block}.torgb.affine", width, w_dim)
        before = width
    return shapes


def discriminator_shapes(sizes: Mapping[str, int]) -> Shapes:
    """Return the shape of every tensor of a discriminator, buffers included."""
    resolution = sizes["resolution"]
    first = f"b{resolution}.fromrgb"
    shapes = _layer(first, _width(sizes, resolution), sizes["img_channels"], 1, 1)
    shapes[f"{first}.resample_filter"] = FILTER.shape
    for res in _blocks(resolution)[:0:-1]:
        width, after = _width(sizes, res), _width(sizes, res // 2)
        shapes[f"b{res}.resample_filter"] = FILTER.shape
        shapes |= _layer(f"b{res}.conv0", width, width, 3, 3)
        shapes |= _layer(f"b{res}.conv1", after, width, 3, 3)
        shapes[f"b{res}.skip.weight"] = (after, width, 1, 1)
        for conv in ("conv0", "conv1", "skip"):
            shapes[f"b{res}.{conv}.resample_filter"] = FILTER.shape
    last = _width(sizes, 4)
    shapes |= _layer("b4.conv", last, last + 1, 3, 3)
    shapes["b4.conv.resample_filter"] = FILTER.shape
    shapes |= _layer("b4.fc", last, 16 * last)
    shapes |= _layer("b4.out", 1, last)
    return shapes


def _layer(name: str, features: int, *incoming: int) -> Shapes:
    return {f"{name}.weight": (features, *incoming), f"{name}.bias": (features,)}


def _blocks(resolution: int) -> list[int]:
    return [1 << bits for bits in range(2, resolution.bit_length())]


def _width(sizes: Mapping[str, int], res: int) -> int:
    return min(sizes["channel_base"] // res, sizes["channel_max"])


def _resolution(state: Mapping[str, np.ndarray], name: str, what: str) -> int:
    """Return the largest resolution that a tensor of this name is there for."""
    resolution = 4
    while resolution < _LARGEST and name.format(2 * resolution) in state:
        resolution *= 2
    if resolution < 8:
        raise InputError(
            f"holds no StyleGAN2 {what} (no {name.format(8)}); StyleGAN2, stylegan2-ada and "
            "rosinality's are read, StyleGAN and StyleGAN3 are not"
        )
    return resolution


def _size(state: Mapping[str, np.ndarray], name: str, axis: int) -> int:
    if name not in state or state[name].ndim <= axis:
        raise InputError(f"has no sound tensor {name}")
    return state[name].shape[axis]


def _channels(widths: dict[int, int]) -> tuple[int, int]:
    """Return channel_base and channel_max, with which min(base / res, max) are the widths."""
    most = max(widths.values())
    narrower = [res * width for res, width in widths.items() if width < most]
    base = narrower[0] if narrower else most * max(widths)
    if any(width != min(base // res, most) for res, width in widths.items()):
        raise InputError(
            f"has layers {', '.join(map(str, widths.values()))} wide, where StyleGAN2's halve from "
            "a largest width on"
        )
    return base, most


def _check(state: Mapping[str, np.ndarray], shapes: Shapes, what: str) -> None:
    """See that all tensors are there, finite, and no others; buffers that are not may lack."""
    for name, shape in shapes.items():
        if name not in state:
            if name == W_AVG or name.endswith("resample_filter"):
                continue
            raise InputError(f"has no {name}, which a {what} of its size has")
        found = state[name].shape
        if found != shape:
            raise InputError(f"has {name} {found}, where a {what} of its size has {shape}")
    if unknown := sorted(state.keys() - shapes.keys()):
        raise InputError(
            f"has {unknown[0][:100]}, which no {what} without labels, with the usual connections, "
            "has"
        )
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise InputError(f"has values in {name} that are not finite")
        if name.endswith("resample_filter") and not np.allclose(array, FILTER, atol=1e-6):
            raise InputError(f"resamples with another filter than [1, 3, 3, 1] ({name})")
