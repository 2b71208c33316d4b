"""Augmentation of a labelled frame: pure functions of a key, for one example, to be vmapped.

The frame is any scanner's, the labels are integers; geometry moves both alike, and labels become
fractions of each class, which keep outlines finer than a pixel. Brightness is never inverted.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from gancmri_jax.ops.fields import bias_field, blur, smooth_field

SWING_DEGREES = 35.0  # the usual rotation, either way
ANY_ANGLE = 0.4  # share of examples turned by any angle
MIRRORED = 0.35  # share of examples seen from the other side
LOG_SCALE_SD = 0.16
LOG_ASPECT_SD = 0.08
SHIFT_SD = 0.07  # of the picture's side
BEND = 0.028  # displacement's standard deviation, of the picture's side
BLUR_MOST = 1.3  # pixels
NOISE_MOST = 0.09  # of the picture's brightest tissue


class Geometry(NamedTuple):
    """Where each pixel of a result comes from, in pixels of the source [h w]."""

    rows: Float[Array, "h w"]
    columns: Float[Array, "h w"]


def augment(
    key: PRNGKeyArray,
    image: Float[Array, "H W"],
    labels: Integer[Array, "H W"],
    size: int,
    pixel: Float[Array, ""] | float,
    num_classes: int,
) -> tuple[Float[Array, "{size} {size}"], Float[Array, "{size} {size} k"]]:
    """Draw one augmented example.

    Args:
        key: Decides everything.
        image: Intensities from 0, any scale.
        labels: Classes, 0 the background.
        size: Side of the result.
        pixel: Width of the result's pixels in pixels of the source, before scaling.
        num_classes: How many classes there are.

    Returns:
        The picture in [0, 1], windowed, and each pixel's fractions of the classes.
    """
    names = "geometry tissue walls strands clutter curve bias blur noise window".split()
    keys = dict(zip(names, jax.random.split(key, len(names)), strict=True))
    geometry = draw_geometry(keys["geometry"], image.shape, size, pixel)
    picture = sample(image, geometry)
    fractions = sample_labels(labels, geometry, num_classes)
    picture = picture / (jnp.max(picture) + 1e-6)
    picture = recolour(keys["tissue"], picture, fractions)
    picture, fractions = thicken(keys["walls"], picture, fractions)
    picture = weave(keys["strands"], picture, fractions)
    picture = strew(keys["clutter"], picture, fractions[..., 0])
    picture = bend_contrast(keys["curve"], picture)
    picture = picture * jnp.exp(bias_field(keys["bias"], size))
    picture = blur(picture, BLUR_MOST * jax.random.uniform(keys["blur"]) ** 2)
    picture = add_noise(keys["noise"], picture)
    return window(keys["window"], picture), fractions


def draw_geometry(
    key: PRNGKeyArray, shape: tuple[int, ...], size: int, pixel: Float[Array, ""] | float
) -> Geometry:
    """Draw rotation, mirroring, scale, aspect, shift and a smooth deformation."""
    keys = jax.random.split(key, 7)
    swing = SWING_DEGREES * jax.random.uniform(keys[0], minval=-1, maxval=1)
    any_angle, mirrored = jax.random.uniform(keys[1], [2]) < jnp.asarray([ANY_ANGLE, MIRRORED])
    turned = jax.random.uniform(keys[2], minval=-180, maxval=180)
    angle = jnp.deg2rad(jnp.where(any_angle, turned, swing))
    scale = jnp.exp(LOG_SCALE_SD * jax.random.normal(keys[3]))
    aspect = jnp.exp(LOG_ASPECT_SD * jax.random.normal(keys[4]))
    shift = SHIFT_SD * size * jax.random.normal(keys[5], [2])
    bend = BEND * size * jax.vmap(lambda k: smooth_field(k, size, 5))(jax.random.split(keys[6]))

    at = jnp.arange(size) - (size - 1) / 2
    row, column = jnp.meshgrid(at, at, indexing="ij")
    row, column = row + bend[0] + shift[0], column + bend[1] + shift[1]
    column = jnp.where(mirrored, -column, column)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    row, column = cos * row - sin * column, sin * row + cos * column
    row, column = row * pixel * scale * aspect, column * pixel * scale / aspect
    return Geometry(row + (shape[0] - 1) / 2, column + (shape[1] - 1) / 2)


def sample(image: Float[Array, "H W"], geometry: Geometry) -> Float[Array, "h w"]:
    """Read a picture between its pixels, linearly; beyond its border there is nothing."""
    corners, weights = _corners(image.astype(jnp.float32), geometry)
    return jnp.sum(corners * weights, axis=0)


def sample_labels(
    labels: Integer[Array, "H W"], geometry: Geometry, num_classes: int
) -> Float[Array, "h w k"]:
    """Read each class's share of a place between pixels; beyond the border all is background."""
    corners, weights = _corners(labels, geometry)
    shares = jnp.stack(
        [jnp.sum(weights * (corners == k), axis=0) for k in range(1, num_classes)], axis=-1
    )
    return jnp.concatenate([1 - jnp.sum(shares, axis=-1, keepdims=True), shares], axis=-1)


def _corners(values: Array, geometry: Geometry) -> tuple[Array, Float[Array, "4 h w"]]:
    """Return the four neighbours of each place [4 h w], zero outside, and their weights."""
    height, width = values.shape
    row, column = jnp.floor(geometry.rows), jnp.floor(geometry.columns)
    down, right = geometry.rows - row, geometry.columns - column
    corners, weights = [], []
    for i, by_row in enumerate((1 - down, down)):
        for j, by_column in enumerate((1 - right, right)):
            r, c = row.astype(int) + i, column.astype(int) + j
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            value = values[jnp.clip(r, 0, height - 1), jnp.clip(c, 0, width - 1)]
            corners.append(jnp.where(inside, value, 0))
            weights.append(by_row * by_column)
    return jnp.stack(corners), jnp.stack(weights)


def recolour(
    key: PRNGKeyArray, picture: Float[Array, "h w"], fractions: Float[Array, "h w k"]
) -> Float[Array, "h w"]:
    """Change the contrast between tissues, each in patches of its own, and add fine texture.

    Class 0 is background, 2 is myocardium, and all others are blood.
    """
    keys = jax.random.split(key, 9)
    size = len(picture)
    blood = 0.15 * jax.random.normal(keys[0])
    gains = blood + 0.10 * jax.random.normal(keys[1], [fractions.shape[-1]])
    gains = gains.at[0].set(0.6 * jax.random.normal(keys[2]) - 0.2)
    gains = gains.at[2].set(0.35 * jax.random.normal(keys[3]) - 0.05)
    background, muscle = fractions[..., 0], fractions[..., 2]
    inflow = 0.6 * jax.random.uniform(keys[4]) ** 2  # fresh blood is brighter
    log_gain = fractions @ gains
    log_gain += 0.35 * background * smooth_field(keys[5], size, 6)
    log_gain += 0.20 * muscle * smooth_field(keys[6], size, 8)
    log_gain += inflow * (1 - background - muscle) * smooth_field(keys[7], size, 5)
    amount, texture = jax.random.split(keys[8])
    log_gain += 0.12 * jax.random.uniform(amount) * smooth_field(texture, size, 36)
    return picture * jnp.exp(log_gain)


def thicken(
    key: PRNGKeyArray, picture: Float[Array, "h w"], fractions: Float[Array, "h w k"]
) -> tuple[Float[Array, "h w"], Float[Array, "h w k"]]:
    """Let the myocardium (class 2) grow unevenly into the left ventricle (class 1), or not at all.

    Ventricles that contract far, or have thick walls, are narrower than any a phantom has.
    """
    where, how = jax.random.split(key)
    muscle = fractions[..., 2]
    dark = jnp.sum(picture * muscle) / (jnp.sum(muscle) + 1e-3)
    near = blur(blur(muscle, 2.5), 2.5) * (1 + 0.35 * smooth_field(where, len(picture), 7))
    grown = jax.nn.sigmoid((near - jax.random.uniform(how, minval=0.08, maxval=1.7)) * 25)
    cover = fractions[..., 1] * grown
    picture = picture + cover * (dark - picture)
    moved = jnp.zeros(fractions.shape[-1]).at[1].set(-1.0).at[2].set(1.0)
    return picture, fractions + cover[..., None] * moved[None, None]


def weave(
    key: PRNGKeyArray, picture: Float[Array, "h w"], fractions: Float[Array, "h w k"]
) -> Float[Array, "h w"]:
    """Draw strands as dark as myocardium into the ventricles (classes 1 and 3), which they stay.

    Trabeculae and papillary muscles count as blood pool.
    """
    where, how = jax.random.split(key)
    threshold, opaque = jax.random.uniform(how, [2])
    muscle = fractions[..., 2]
    dark = jnp.sum(picture * muscle) / (jnp.sum(muscle) + 1e-3)
    field = smooth_field(where, len(picture), 28)
    cover = jax.nn.sigmoid((field - 1.4 - 1.5 * threshold) * 5)
    cover = (fractions[..., 1] + fractions[..., 3]) * cover * 0.6 * opaque
    return picture + cover * (dark - picture)


def strew(
    key: PRNGKeyArray, picture: Float[Array, "h w"], free: Float[Array, "h w"]
) -> Float[Array, "h w"]:
    """Lay blobs of any brightness over what is free: fat, fluid, an arm, other organs."""
    for cells in (4, 9):
        key, where, how = jax.random.split(key, 3)
        field = smooth_field(where, len(picture), cells)
        threshold, bright, opaque = jax.random.uniform(how, [3])
        cover = jax.nn.sigmoid((field - 0.6 - 3 * threshold) * 60 / cells)
        cover = free * cover * jnp.minimum(1, 1.5 * opaque)
        picture = picture + cover * (1.2 * bright**2 - picture)
    return picture


def bend_contrast(key: PRNGKeyArray, picture: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """Raise to a random power and add an offset: contrast that is monotone, never inverted."""
    power, offset = jax.random.normal(key, [2])
    return jnp.maximum(picture, 0) ** jnp.exp(0.3 * power) + 0.05 * jnp.abs(offset)


def add_noise(key: PRNGKeyArray, picture: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """Add Rician noise, more or less coarse, of a random strength."""
    strong, coarse, real, imaginary = jax.random.split(key, 4)
    sd = NOISE_MOST * jnp.max(picture) * jax.random.uniform(strong) ** 3
    grain = 0.9 * jax.random.uniform(coarse)
    noise = [blur(jax.random.normal(k, picture.shape), grain) for k in (real, imaginary)]
    return jnp.sqrt((picture + sd * noise[0]) ** 2 + (sd * noise[1]) ** 2)


def window(key: PRNGKeyArray, picture: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """Make two percentiles 0 and 1 and clip, as cines are windowed, a little varied."""
    low, high = jax.random.uniform(key, [2])
    # Every ninth pixel: sorting them all would take longer than everything else.
    low, high = jnp.percentile(picture[::3, ::3], jnp.stack([2.5 * low, 100 - 2.5 * high]))
    return jnp.clip((picture - low) / (high - low + 1e-6), 0, 1)
