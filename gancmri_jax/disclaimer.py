"""What stands wherever output leaves this package: files, reports, model cards and web pages."""

from collections.abc import Mapping
from typing import Any

NOT_FOR_DIAGNOSIS = "not for diagnosis"
PAGE_FOOTER = f"Made with gancmri_jax for research; {NOT_FOR_DIAGNOSIS}."
COMMENT = f"made with gancmri_jax; {NOT_FOR_DIAGNOSIS}"  # of pictures, films and NIfTI files
_USE = "use"  # the key of a card


def marked_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's card as files hold it."""
    return {**card, _USE: f"for research; {NOT_FOR_DIAGNOSIS}"}


def unmarked_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card from a file as models hold it."""
    return {key: value for key, value in card.items() if key != _USE}
