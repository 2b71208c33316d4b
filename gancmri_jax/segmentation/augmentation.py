"""Augmentation of a labelled beat: pure functions of a key, for one example, to be vmapped.

An example is a frame and others of its beat, which move and change contrast with it. What is drawn
is far wider than what scanners do, as SynthSeg's is (Billot et al., Medical Image Analysis 2023).
Labels are integers; geometry moves them with the frames, and they become fractions of each class,
which keep outlines finer than a pixel. Brightness is never inverted.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from gancmri_jax.ops.fields import bias_field, blur, smooth_field

SWING_DEGREES = 35.0  # the usual rotation, either way
ANY_ANGLE = 0.4  # share of examples turned by any angle
MIRRORED = 0.35  # share of examples seen from the other side
HEART_SHARE = 0.62  # of the result's side that the heart's box has where it was found before
FOUND = 0.5  # share of examples like that; the others are frames of any field of view
LOG_SHARE_SD, LOG_SHARE_LEAST, LOG_SHARE_MOST = 0.12, -1.4, -0.05  # 25 to 95 %
LOG_ASPECT_SD = 0.08
SHIFT_SD = 0.05  # of the result's side, of a heart that was found before
BEND = 0.045  # displacement's standard deviation, of the heart's box
STILL = 0.15  # share of examples that show one frame in place of several
BOLD = 0.5  # share of examples whose tissues have contrasts that no scanner gives
DOUBLE = 0.4  # share of examples with pieces of another heart in their background
BLUR_MOST = 1.6  # pixels
NOISE_MOST = 0.12  # of the picture's brightest tissue


class Geometry(NamedTuple):
    """Where each pixel of a result comes from, in pixels of the source [h w]."""

    rows: Float[Array, "h w"]
    columns: Float[Array, "h w"]


class Beat(NamedTuple):
    """Frames of one beat with their labels, and the box around the heart (`data.Pool.hearts`)."""

    images: Float[Array, "p H W"] | Integer[Array, "p H W"]
    labels: Integer[Array, "p H W"]
    heart: Float[Array, "3"]


def augment(
    key: PRNGKeyArray, beat: Beat, other: Beat, size: int, num_classes: int
) -> tuple[Float[Array, "{size} {size} p"], Float[Array, "{size} {size} k"]]:
    """Draw one augmented example.

    Args:
        key: Decides everything.
        beat: The frame to label, first, and others of its beat; intensities from 0, any scale.
        other: A beat whose first frame lends pieces to the background.
        size: Side of the result.
        num_classes: How many classes there are.

    Returns:
        The pictures in [0, 1], windowed, and the first one's fractions of the classes.
    """
    names = "geometry still tissue walls strands clutter double curve bias blur noise window flow"
    keys = dict(zip(names.split(), jax.random.split(key, len(names.split())), strict=True))
    count = len(beat.images)
    geometry = draw_geometry(keys["geometry"], beat.heart, size)
    pictures = jax.vmap(sample, (0, None))(beat.images, geometry)
    fractions = jax.vmap(lambda labels: sample_labels(labels, geometry, num_classes))(beat.labels)
    pictures = pictures / (jnp.max(pictures) + 1e-6)
    lent = _lend(keys["double"], other, size)

    def change(picture, fractions, flow):
        picture = recolour(keys["tissue"], flow, picture, fractions)
        picture, fractions = thicken(keys["walls"], picture, fractions)
        picture = weave(keys["strands"], picture, fractions)
        picture = strew(keys["clutter"], picture, fractions[..., 0])
        picture = double(keys["double"], picture, lent, fractions[..., 0])
        picture = bend_contrast(keys["curve"], picture)
        picture = picture * jnp.exp(bias_field(keys["bias"], size))
        return blur(picture, BLUR_MOST * jax.random.uniform(keys["blur"]) ** 2), fractions

    flows = jax.random.split(keys["flow"], count)
    pictures, fractions = jax.vmap(change)(pictures, fractions, flows)
    grain = jax.random.split(keys["noise"], count)
    pictures = jax.vmap(add_noise, (None, 0, 0))(keys["noise"], grain, pictures)
    still = jax.random.uniform(keys["still"]) < STILL
    pictures = jnp.where(still, pictures[:1], pictures)
    return jnp.moveaxis(window(keys["window"], pictures), 0, -1), fractions[0]


def draw_geometry(key: PRNGKeyArray, heart: Float[Array, "3"], size: int) -> Geometry:
    """Draw rotation, mirroring, aspect, a smooth deformation, and where and how large a heart is.

    Half of the examples have the heart where a first look puts it (`segment.find_heart`); in the
    others it is anywhere, and its box takes up 25 to 95 % of the result.
    """
    keys = jax.random.split(key, 8)
    swing = SWING_DEGREES * jax.random.uniform(keys[0], minval=-1, maxval=1)
    any_angle, mirrored = jax.random.uniform(keys[1], [2]) < jnp.asarray([ANY_ANGLE, MIRRORED])
    turned = jax.random.uniform(keys[2], minval=-180, maxval=180)
    angle = jnp.deg2rad(jnp.where(any_angle, turned, swing))
    found = jax.random.uniform(keys[7]) < FOUND
    near = HEART_SHARE * jnp.exp(LOG_SHARE_SD * jax.random.normal(keys[3]))
    log_least, log_most = LOG_SHARE_LEAST, LOG_SHARE_MOST
    far = jnp.exp(jax.random.uniform(keys[3], minval=log_least, maxval=log_most))
    share = jnp.where(found, near, far)
    aspect = jnp.exp(LOG_ASPECT_SD * jax.random.normal(keys[4]))
    little, anywhere = jax.random.split(keys[5])
    shift = jnp.where(
        found,
        SHIFT_SD * jax.random.normal(little, [2]),
        jax.random.uniform(anywhere, [2], minval=-0.5, maxval=0.5) * jnp.maximum(1 - share, 0.1),
    )
    shift = size * shift
    fields = jax.vmap(lambda k: smooth_field(k, size, 5))(jax.random.split(keys[6]))
    bend = BEND * size * share * fields

    at = jnp.arange(size) - (size - 1) / 2
    row, column = jnp.meshgrid(at, at, indexing="ij")
    row, column = row + bend[0] + shift[0], column + bend[1] + shift[1]
    column = jnp.where(mirrored, -column, column)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    row, column = cos * row - sin * column, sin * row + cos * column
    pixel = heart[2] / (share * size)  # a pixel of the result, in pixels of the source
    row, column = row * pixel * aspect, column * pixel / aspect
    return Geometry(row + heart[0], column + heart[1])


def _lend(key: PRNGKeyArray, other: Beat, size: int) -> Float[Array, "{size} {size}"]:
    geometry = draw_geometry(jax.random.fold_in(key, 1), other.heart, size)
    picture = sample(other.images[0], geometry)
    return picture / (jnp.max(picture) + 1e-6)


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
    key: PRNGKeyArray,
    flow: PRNGKeyArray,
    picture: Float[Array, "h w"],
    fractions: Float[Array, "h w k"],
) -> Float[Array, "h w"]:
    """Change the contrast between tissues, each in patches of its own, and add fine texture.

    Class 0 is background, 2 is myocardium, and all others are blood, whose brightness changes
    within the beat (`flow`) as fresh blood comes in.
    """
    keys = jax.random.split(key, 11)
    size, classes = len(picture), fractions.shape[-1]
    bold = 1 + 1.5 * (jax.random.uniform(keys[9]) < BOLD)
    blood = 0.15 * jax.random.normal(keys[0])
    gains = blood + 0.10 * bold * jax.random.normal(keys[1], [classes])
    right = 0.12 * bold * jax.random.normal(keys[10])  # both chambers of the right heart
    gains = gains.at[jnp.array([3, 5])].add(right, mode="drop")
    often, much = jax.random.split(flow)
    gains += 0.05 * bold * jax.random.normal(often, [classes])
    gains = gains.at[0].set(0.6 * jax.random.normal(keys[2]) - 0.2)
    gains = gains.at[2].set(0.35 * jax.random.normal(keys[3]) - 0.05)
    background, muscle = fractions[..., 0], fractions[..., 2]
    inflow = (0.5 + jax.random.uniform(much)) * 0.6 * jax.random.uniform(keys[4]) ** 2
    log_gain = jnp.matmul(fractions, gains, precision="highest")
    log_gain += 0.35 * bold * background * smooth_field(keys[5], size, 6)
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


def double(
    key: PRNGKeyArray,
    picture: Float[Array, "h w"],
    other: Float[Array, "h w"],
    free: Float[Array, "h w"],
) -> Float[Array, "h w"]:
    """Lay pieces of another picture over what is free: what resembles a heart and is none.

    They do not move with the beat, and a piece is smaller than a heart.
    """
    keys = jax.random.split(jax.random.fold_in(key, 2), 3)
    there = jax.random.uniform(keys[0]) < DOUBLE
    field = smooth_field(keys[1], len(picture), 6)
    cover = there * free * jax.nn.sigmoid((field - 0.9) * 12)
    bright = jnp.exp(0.4 * jax.random.normal(keys[2]))
    return picture + cover * (bright * other - picture)


def bend_contrast(key: PRNGKeyArray, picture: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """Raise to a random power and add an offset: contrast that is monotone, never inverted."""
    power, offset = jax.random.normal(key, [2])
    return jnp.maximum(picture, 0) ** jnp.exp(0.3 * power) + 0.05 * jnp.abs(offset)


def add_noise(
    key: PRNGKeyArray, grain_key: PRNGKeyArray, picture: Float[Array, "h w"]
) -> Float[Array, "h w"]:
    """Add Rician noise; `key` decides how strong and how coarse it is, `grain_key` the rest."""
    strong, coarse = jax.random.split(key)
    sd = NOISE_MOST * jnp.max(picture) * jax.random.uniform(strong) ** 3
    grain = 0.9 * jax.random.uniform(coarse)
    real, imaginary = jax.random.split(grain_key)
    noise = [blur(jax.random.normal(k, picture.shape), grain) for k in (real, imaginary)]
    return jnp.sqrt((picture + sd * noise[0]) ** 2 + (sd * noise[1]) ** 2)


def window(key: PRNGKeyArray, pictures: Float[Array, "p h w"]) -> Float[Array, "p h w"]:
    """Make two percentiles of all pictures 0 and 1 and clip, much as cines are windowed."""
    low, high = jax.random.uniform(key, [2])
    # Every ninth pixel: sorting them all would take longer than everything else.
    ends = jnp.stack([2.5 * low, 99.7 - 3 * high])
    low, high = jnp.percentile(pictures[:, ::3, ::3], ends)
    return jnp.clip((pictures - low) / (high - low + 1e-6), 0, 1)
