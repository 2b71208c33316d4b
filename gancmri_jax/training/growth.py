"""A larger model, in resolution or in width, that renders what the smaller one did until it learns.

Progressive GAN (Karras et al. 2018) for StyleGAN2's networks. The generator is a skip generator,
so a block whose contribution to the image is 0 leaves the smaller image, upsampled by its own
filter. Blocks in front of a discriminator or an encoder pass the image on and halve it by their own
filter (Net2Net, Chen et al. 2016), so both say of the larger image what they said of the smaller.
Channels that are added to a layer are drawn; no old channel reads them at first.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.motions import Conditioned
from gancmri_jax.model.motion import LearnedMotion
from gancmri_jax.networks.layers import block_resolutions, num_channels
from gancmri_jax.ops.activation import SQRT2

Params = Any

SHIFTS = 9  # of the encoder's first kernel, a channel each


def misfit(
    resolution: int, old: tuple[int, int], new: tuple[int, int]
) -> tuple[int, int, int] | None:
    """Return the first resolution whose layers cannot grow to the new width, and both widths.

    Layers may grow wider, but at 4², where the discriminator and the encoder end.

    Args:
        resolution: The smaller network's.
        old, new: channel_base and channel_max of the smaller and of the larger network.
    """
    for res in block_resolutions(resolution):
        had, has = num_channels(res, *old), num_channels(res, *new)
        if has < had or (res == 4 and has != had):
            return res, had, has
    return None


def widened(params: Params, fresh: Params) -> Params:
    """Put a network's parameters into a freshly drawn one, equal but for wider layers.

    It computes what it did: weights from new channels to old ones are 0. New channels are drawn,
    and learn as soon as an old one reads them.

    Args:
        params: Of the network as it is.
        fresh: Of the wider one; further layers in it are left out.
    """

    def layer(old: Params, new: Params) -> Params:
        if isinstance(old, dict):
            return {name: layer(part, new[name]) for name, part in old.items()}
        if old.shape == new.shape:
            return old
        if old.ndim == 1:  # a bias
            return jnp.asarray(new).at[: len(old)].set(old)
        inputs, outputs = old.shape[-2:]
        # Kernels are multiplied by 1 / √fan_in as they are used, or normalised.
        gain = (new.shape[-2] / inputs) ** 0.5
        kernel = jnp.asarray(new).at[..., inputs:, :outputs].set(0)
        return kernel.at[..., :inputs, :outputs].set(gain * old)

    return layer(params, fresh)


def grown_generator(params: Params, fresh: Params) -> Params:
    """Put a generator's parameters into a freshly drawn, larger one, which renders the same.

    Args:
        params: Of the smaller generator.
        fresh: Of the larger one, whose own blocks they keep, without a contribution to the image.
    """
    params = widened(params, fresh)
    synthesis = dict(fresh["synthesis"]) | params["synthesis"]
    for name in fresh["synthesis"].keys() - params["synthesis"].keys():
        if name.endswith("_torgb"):
            silent = {part: jnp.zeros_like(fresh["synthesis"][name][part]) for part in _IMAGE}
            synthesis[name] = {**fresh["synthesis"][name], **silent}
    return {**params, "synthesis": synthesis}


_IMAGE = ("kernel", "bias")  # of a layer that adds to the image


def grown_trunk(params: Params, resolution: int, larger: int, widths: Any, seed: int) -> Params:
    """Grow a discriminator or an encoder in front, an octave at a time.

    A discriminator is what it was of the filtered and halved image. So is an encoder, whose first
    kernel covers 3×3 pixels, but for the image's border, and for images within [−1, 1].

    Args:
        params: Of the smaller network.
        resolution, larger: What they are for, and what they become for.
        widths: Returns how wide the layers at a resolution are.
        seed: Of the channels that carry nothing yet.
    """
    rng = np.random.default_rng(seed)
    while resolution < larger:
        rgb_size = params["fromrgb"]["kernel"].shape[0]
        wide, out = widths(2 * resolution), widths(resolution)
        front = _front(params["fromrgb"], wide, out, rng, rgb_size)
        resolution *= 2
        names = {"fromrgb": "fromrgb"} | {
            part: f"b{resolution}_{part}" for part in ("conv0", "conv1", "skip")
        }
        params = {**params, **{names[part]: layer for part, layer in front.items()}}
    return jax.tree.map(jnp.array, params)  # copies: a step takes each buffer over once


def _front(
    first: Params, wide: int, out: int, rng: np.random.Generator, rgb_size: int
) -> dict[str, Params]:
    """Return the block that passes an image on to what the layer `first` did with it.

    Where there are too few channels to carry it, it is drawn as any other.
    """
    old, bias = np.asarray(first["kernel"]), np.asarray(first["bias"])  # [k k c out], [out]
    image = old.shape[2]
    front = {
        "fromrgb": _layer(rng, rgb_size, image, wide),
        "conv0": _layer(rng, 3, wide, wide),
        "conv1": _layer(rng, 3, wide, out),
        "skip": {"kernel": rng.normal(size=(1, 1, wide, out)).astype(np.float32)},
    }
    carried = image * (2 if rgb_size == 1 else SHIFTS)
    if carried > wide:
        return front
    # Kernels are multiplied by 1 / √fan_in as they are used.
    rgb_gain, gain = (rgb_size**2 * image) ** 0.5, (9 * wide) ** 0.5
    rgb, conv0, conv1 = (front[name]["kernel"] for name in ("fromrgb", "conv0", "conv1"))
    rgb[..., :carried], conv0[..., :carried], conv1[:], front["skip"]["kernel"][:] = 0, 0, 0, 0
    effective = SQRT2 * old / rgb_gain  # the block's sum is halved in energy
    if rgb_size == 1:
        # Slopes 1 and 0.2 of x and of −x differ by 1.2 · x.
        line = 1 / (1.2 * SQRT2)
        for c in range(image):
            for sign, at in ((1, 2 * c), (-1, 2 * c + 1)):
                rgb[0, 0, c, at] = sign * rgb_gain
                conv0[1, 1, at, 2 * c : 2 * c + 2] = sign * np.array([1, -1]) * line * gain
                conv1[1, 1, at] = sign * effective[0, 0, c] * line * gain
        front["conv1"]["bias"] = (SQRT2 * bias).astype(np.float32)
        return front
    # x + 1 is never negative, so that an activation multiplies it by √2.
    for row in range(3):
        for column in range(3):
            for c in range(image):
                at = (3 * row + column) * image + c
                rgb[row, column, c, at] = rgb_gain
                front["fromrgb"]["bias"][at] = 1
                conv0[1, 1, at, at] = gain / SQRT2
                conv1[row, column, at] = effective[row, column, c] * gain / SQRT2
    front["conv1"]["bias"] = (SQRT2 * bias - effective.sum(axis=(0, 1, 2))).astype(np.float32)
    return front


def _layer(rng: np.random.Generator, size: int, wide: int, out: int) -> Params:
    kernel = rng.normal(size=(size, size, wide, out)).astype(np.float32)
    return {"kernel": kernel, "bias": np.zeros(out, np.float32)}


def grown_rows(codes: Array, num_ws: int) -> Array:
    """Repeat the last row of codes [.. num_ws w_dim] for the layers that are new."""
    codes = jnp.asarray(codes)
    return jnp.concatenate(
        [codes, jnp.repeat(codes[..., -1:, :], num_ws - codes.shape[-2], axis=-2)], axis=-2
    )


def grown_motion(motion: LearnedMotion, num_ws: int) -> LearnedMotion:
    """Return the motion for codes with more rows: what scores a code reads the old rows alone."""

    def unread(gradient: Array) -> Array:
        pad = [(0, 0)] * (gradient.ndim - 2) + [(0, num_ws - gradient.shape[-2]), (0, 0)]
        return jnp.pad(jnp.asarray(gradient), pad)

    def linear(each: Linear | None) -> Linear | None:
        if each is None:
            return None
        return Linear(grown_rows(each.zero, num_ws), unread(each.gradient))

    kept = []
    for each in motion.kept:
        grown = jax.tree.map(lambda codes: grown_rows(codes, num_ws), each)
        if isinstance(each, Conditioned):
            axes = jnp.concatenate([grown.axes[:1], unread(each.axes[1:])])
            grown = grown._replace(axes=axes)
        kept.append(grown)
    return dataclasses.replace(
        motion,
        kept=tuple(kept),
        contraction=linear(motion.contraction),
        log_depth=linear(motion.log_depth),
        unknown={name: grown_rows(codes, num_ws) for name, codes in motion.unknown.items()},
    )
