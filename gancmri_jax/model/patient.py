"""The mark of a model made from one patient's images, which must not be published."""

from collections.abc import Mapping
from typing import Any

from gancmri_jax.errors import InputError

PERSONAL = "personal"  # the key of a card; what it holds says how the model was made


def is_personal(card: Mapping[str, Any]) -> bool:
    """Return whether a card is of a model made from one patient's images."""
    return PERSONAL in card


def insist_public(card: Mapping[str, Any], name: object) -> None:
    """See that a model may be published.

    Raises:
        InputError: It was made from one patient's images.
    """
    if is_personal(card):
        raise InputError(
            f"{name}: was made from one patient's images, which it renders; it cannot be exported "
            "for the public. Export the model that it was made from"
        )
