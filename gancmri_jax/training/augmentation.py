"""Discriminator augmentation that leaves a heart a heart (Karras et al. 2020, StyleGAN2-ADA).

Of the paper's pipeline: shift by whole pixels, scale, rotation, aspect, shift by fractions,
brightness and contrast, in that order. Left out is what would turn one anatomy into another, or
into none: mirroring (situs), quarter turns and inverted luma; and rotation is small.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from gancmri_jax.ops.resample import downsample, upsample

WHOLE_SHIFT = 0.125  # at most, of the side
LOG2_SCALE = 0.2  # standard deviations of binary logarithms
LOG2_ASPECT = 0.2
ROTATION_DEGREES = 10.0  # at most
FRACTION_SHIFT = 0.125  # standard deviation, of the side
BRIGHTNESS = 0.2  # standard deviation
LOG2_CONTRAST = 0.5

_MARGIN = 4  # pixels around an image while it moves


class Drawn(NamedTuple):
    """What happens to one image.

    Attributes:
        inverse: From a place in the new image to its place in the old one, about the centre, in
            sides: [row, column] = inverse @ [row, column, 1].
        moved: Whether that is more than nothing.
        gain, offset: Of grey values.
    """

    inverse: Float[Array, "2 3"]
    moved: Bool[Array, ""]
    gain: Float[Array, ""]
    offset: Float[Array, ""]


def augment(
    key: PRNGKeyArray, images: Float[Array, "n h w c"], p: Float[Array, ""]
) -> Float[Array, "n h w c"]:
    """Augment each image by itself, each change with probability `p`.

    At p = 0 images come back bit for bit, and nothing is warped. What lies beyond the border is
    mirrored. Images are filtered to twice the resolution and back where they move, so that nothing
    aliases.
    """
    keys = jax.random.split(key, len(images))
    size = images.shape[1]
    drawn = jax.vmap(lambda k: draw(k, p, size))(keys)

    def warp(images):
        # The filters take zeros for what lies beyond the border, and zero is grey: mirror it first.
        margin = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
        fine = upsample(jnp.pad(images, margin, mode="reflect"))
        moved = jax.vmap(lambda x, inverse: _move(x, inverse, size))(fine, drawn.inverse)
        moved = downsample(moved)[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        return jnp.where(drawn.moved[:, None, None, None], moved, images)

    images = lax.cond(p > 0, warp, lambda images: images, images)
    gain, offset = (x[:, None, None, None].astype(images.dtype) for x in (drawn.gain, drawn.offset))
    return images * gain + offset


def draw(key: PRNGKeyArray, p: Float[Array, ""], size: int) -> Drawn:
    """Draw what happens to one image of side `size`."""
    chance, whole, scale, angle, aspect, fraction, light, contrast = jax.random.split(key, 8)
    happens = jax.random.uniform(chance, (7,)) < p

    def normal(key: PRNGKeyArray, deviation: float, shape: tuple[int, ...] = ()) -> Array:
        return deviation * jax.random.normal(key, shape)

    shift = jax.random.uniform(whole, (2,), minval=-WHOLE_SHIFT, maxval=WHOLE_SHIFT)
    shift = jnp.where(happens[0], jnp.round(shift * size) / size, 0)
    zoom = jnp.where(happens[1], jnp.exp2(normal(scale, LOG2_SCALE)), 1)
    turn = jax.random.uniform(angle, (), minval=-1, maxval=1) * jnp.deg2rad(ROTATION_DEGREES)
    turn = jnp.where(happens[2], turn, 0)
    stretch = jnp.where(happens[3], jnp.exp2(normal(aspect, LOG2_ASPECT)), 1)
    drift = jnp.where(happens[4], normal(fraction, FRACTION_SHIFT, (2,)), 0)

    # Forward: x → stretch · turn · zoom · (x + shift) + drift; here its inverse.
    cos, sin = jnp.cos(turn), jnp.sin(turn)
    unturn = jnp.stack([jnp.stack([cos, sin]), jnp.stack([-sin, cos])])
    # Sums and no matrix products, which accelerators round to fewer bits.
    linear = unturn * jnp.stack([1 / stretch, stretch])[None] / zoom
    constant = -jnp.sum(linear * drift[None], axis=1) - shift
    return Drawn(
        inverse=jnp.concatenate([linear, constant[:, None]], axis=1),
        moved=jnp.any(happens[:5]),
        gain=jnp.where(happens[6], jnp.exp2(normal(contrast, LOG2_CONTRAST)), 1),
        offset=jnp.where(happens[5], normal(light, BRIGHTNESS), 0),
    )


def next_p(
    p: Float[Array, ""],
    mean_sign: Float[Array, ""],
    target: float,
    images: int,
    images_per_unit: int = 500_000,
) -> Float[Array, ""]:
    """Return p after `images` more real images of mean sign E[sign D(real)] (section 3, r_t).

    It goes up where the discriminator is surer of real images than `target`, by one in half a
    million images, and stays in [0, 1].
    """
    step = jnp.sign(mean_sign - target) * (images / images_per_unit)
    return jnp.clip(p + step, 0, 1)


def _move(
    fine: Float[Array, "H W c"], inverse: Float[Array, "2 3"], size: int
) -> Float[Array, "H W c"]:
    """Move a picture of twice the resolution that stands out `_MARGIN` pixels around `size`."""
    side, unit = fine.shape[0], 2 * size
    at = (jnp.arange(side) - (side - 1) / 2) / unit
    row, column = at[:, None], at[None]
    place = jnp.stack([a * row + b * column + c for a, b, c in inverse])  # [2 H W]
    index = place * unit + (side - 1) / 2
    # Mirrored about the picture's own border, not the margin's, which the filters have touched.
    low, high = 2 * _MARGIN - 0.5, side - 2 * _MARGIN - 0.5
    index = low + (high - low) * _triangle((index - low) / (high - low))
    channel = lambda image: map_coordinates(image, list(index), order=1, mode="mirror")  # noqa: E731
    return jax.vmap(channel, in_axes=2, out_axes=2)(fine)


def _triangle(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Fold the line into [0, 1]: what goes beyond an end comes back."""
    return 1 - jnp.abs(1 - jnp.mod(x, 2))
