"""The frozen networks in whose features tuning may compare frames, beside their pixels."""

from gancmri_jax.errors import InputError
from gancmri_jax.model.backbones import load_lpips
from gancmri_jax.model.model import Model
from gancmri_jax.projection.distance import LPIPS_LEAST_SIDE, LpipsFeatures
from gancmri_jax.training.perceptual import Look, load_frozen, segmenter_features

SEGMENTER_WEIGHT = 0.02  # features of unit length differ by some tenths, pixels by hundredths
LPIPS_WEIGHT = 0.05


def looks_of(model: Model, segmenter: str | None, lpips: bool) -> tuple[Look, ...]:
    """Load what is asked for.

    Args:
        model: Whose images are compared. Its own segmenter is not used: it may be one that
            measures models.
        segmenter: A run of `gancmri train-segmenter`, or a model, or None.
        lpips: LPIPS too.

    Raises:
        InputError: One cannot be had, measures models, or does not see images so small.
    """
    looks = []
    if segmenter is not None:
        features = segmenter_features(load_frozen(segmenter, "--segmenter"), model.resolution)
        looks.append(Look(features, "segmenter", SEGMENTER_WEIGHT))
    if lpips:
        if model.resolution < LPIPS_LEAST_SIDE:
            raise InputError(
                f"--lpips: sees images from {LPIPS_LEAST_SIDE}² on, the model makes "
                f"{model.resolution}²; leave it out"
            )
        looks.append(Look(LpipsFeatures(*load_lpips()), "lpips", LPIPS_WEIGHT))
    return tuple(looks)
