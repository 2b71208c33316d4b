"""Fine-tuning: from an existing segmenter's numbers, on labelled real frames beside phantoms.

Chambers that a data set lacks, atria say, are labelled background there. Such examples are compared
after the probabilities of those chambers are added to the background's (marginal loss; Shi et al.,
Medical Image Analysis 2021), so that nothing is learnt about what was not drawn.
"""

from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.ops.fields import bias_field, blur
from gancmri_jax.segmentation.augmentation import (
    BLUR_MOST,
    STILL,
    Beat,
    add_noise,
    bend_contrast,
    draw_geometry,
    sample,
    sample_labels,
    window,
)
from gancmri_jax.segmentation.labelled import LabelledFrames

RATE, STEPS = (
    1e-3,
    1000,
)  # a third of the rate and a quarter of the steps of a network's first hours
SIZES = {  # keys of the configuration: option and attribute of the segmenter
    "filters": "--widths",
    "level_width": "--level-width",
    "head_width": "--head-width",
    "phases": "--phases",
    "size": "--size",
}


def start_from(config: ConfigDict, start: Segmenter, name: str, given: Collection[str]) -> None:
    """Set a configuration's sizes to those of a segmenter, and its rate and steps.

    Args:
        config: Changed in place.
        start: What is fine-tuned.
        name: How the user calls it.
        given: Keys of the configuration that the user chose.

    Raises:
        InputError: The segmenter cannot be fine-tuned, or has other sizes than were chosen.
    """
    if start.side is None or start.x_first:
        raise InputError(
            f"{name}: its segmenter looks at whole frames on a fixed grid, and training shows a "
            "window around the heart; fine-tune one that `gancmri train-segmenter` of this version "
            "trained"
        )
    network = start.network
    sizes = {
        "filters": tuple(network.filters),
        "level_width": network.level_width,
        "head_width": network.head_width,
        "phases": network.phases,
        "size": start.side,
    }
    for key, value in sizes.items():
        if key in given and config[key] != value:
            raise InputError(
                f"{SIZES[key]} {_shown(config[key])} differs from {name}, which has "
                f"{_shown(value)}; leave {SIZES[key]} out"
            )
    config.update(**sizes, learning_rate=RATE)
    if "steps" not in given:
        config.steps = STEPS
    config.start = start.fingerprint


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def labelled_count(config: ConfigDict) -> int:
    """Return how many examples of a batch are labelled frames; the others are phantoms.

    Raises:
        InputError: One kind would have none.
    """
    count = round(config.data_share * config.batch_size)
    if not 0 < count < config.batch_size:
        raise InputError(
            f"a share of {config.data_share:g} of {config.batch_size} examples leaves no "
            f"{'phantom' if count else 'labelled frame'} in a batch; choose another --data-share "
            "or --batch-size"
        )
    return count


def start_variables(start: Segmenter) -> dict[str, Any]:
    """Return a segmenter's numbers in float32; a file may hold them shorter."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), dict(start.variables))


def draw_labelled(
    key: PRNGKeyArray, frames: LabelledFrames, size: int, count: int
) -> tuple[Float[Array, "n s s p"], Float[Array, "n s s k"], Bool[Array, "n k"]]:
    """Draw labelled frames, each augmented by a key of its own, and which classes they have."""
    who, rest = jax.random.split(key)
    index = jax.random.randint(who, [count], 0, len(frames.images))

    def example(key, at):
        beat = Beat(frames.images[at], frames.labels[at][None], frames.hearts[at])
        return augment_labelled(key, beat, size, len(CLASSES))

    images, fractions = jax.vmap(example)(jax.random.split(rest, count), index)
    return images, fractions, frames.drawn[index]


def augment_labelled(
    key: PRNGKeyArray, beat: Beat, size: int, num_classes: int
) -> tuple[Float[Array, "{size} {size} p"], Float[Array, "{size} {size} k"]]:
    """Augment a real frame: geometry, bias, blur and noise as for phantoms, its tissues unchanged.

    Masks of the other frames of its beat are not known, so nothing that needs them is changed.
    """
    names = "geometry still curve bias blur noise window"
    keys = dict(zip(names.split(), jax.random.split(key, len(names.split())), strict=True))
    geometry = draw_geometry(keys["geometry"], beat.heart, size)
    pictures = jax.vmap(sample, (0, None))(beat.images.astype(jnp.float32), geometry)
    pictures = pictures / (jnp.max(pictures) + 1e-6)
    bias = jnp.exp(bias_field(keys["bias"], size))
    softness = BLUR_MOST * jax.random.uniform(keys["blur"]) ** 2
    pictures = jax.vmap(lambda p: blur(bend_contrast(keys["curve"], p) * bias, softness))(pictures)
    grain = jax.random.split(keys["noise"], len(pictures))
    pictures = jax.vmap(add_noise, (None, 0, 0))(keys["noise"], grain, pictures)
    still = jax.random.uniform(keys["still"]) < STILL
    pictures = jnp.where(still, pictures[:1], pictures)
    fractions = sample_labels(beat.labels[0], geometry, num_classes)
    return jnp.moveaxis(window(keys["window"], pictures), 0, -1), fractions


def marginal_loss_and_metrics(
    logits: Float[Array, "n h w k"],
    fractions: Float[Array, "n h w k"],
    drawn: Bool[Array, "n k"],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Compare as `training.loss_and_metrics` does, each example by the classes drawn in it.

    Classes that were not drawn count as background in the cross-entropy, and are left out of the
    example's soft Dice.
    """
    shown = drawn[:, None, None, :]
    merged = (~shown).at[..., 0].set(True)  # what a background pixel may be
    log_shares = jax.nn.log_softmax(logits)
    background = jax.nn.logsumexp(log_shares, axis=-1, b=merged.astype(log_shares.dtype))
    merged_log_shares = log_shares.at[..., 0].set(background)
    entropy = -jnp.mean(jnp.sum(fractions * merged_log_shares, axis=-1))
    shares = jnp.exp(log_shares) * shown
    axes = (0, 1, 2)
    both = 2 * jnp.sum(shares * fractions, axes) + 1
    dice = both / (jnp.sum(jnp.square(shares) + jnp.square(fractions * shown), axes) + 1)  # [k]
    loss = entropy + 0.5 * (1 - jnp.mean(dice[1:]))
    named = {f"dice/{name}": value for name, value in zip(CLASSES[1:], dice[1:], strict=True)}
    return loss, {"loss": loss, "cross_entropy": entropy, **named}
