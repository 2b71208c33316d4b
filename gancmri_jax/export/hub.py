"""A folder to upload to the Hugging Face hub: the model file and its model card."""

import json
import os
import pathlib
import shutil
from typing import Any

from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import Header, read_header
from gancmri_jax.model.patient import insist_public

_TEMPLATES = pathlib.Path(__file__).parents[1] / "templates"


def export_hub(name: str | os.PathLike[str], folder: pathlib.Path) -> None:
    """Write `model.safetensors`, byte for byte, and `README.md`, whose first lines the hub reads.

    Args:
        name: `demo`, a model file or a run folder.
        folder: Made where it is missing; a `README.md` in it is kept, for its author may have
            changed it.

    Raises:
        InputError: No such model, it was made from one patient's images, or the folder cannot be
            written.
    """
    header = read_header(name)
    insist_public(header.card, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "model.safetensors") as part:
            shutil.copyfile(header.path, part)
        if not (folder / "README.md").exists():
            with atomic_write(folder / "README.md") as part:
                part.write_text(_card(header, pathlib.Path(name).name), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error}") from error


def _card(header: Header, title: str) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown
        keep_trailing_newline=True,
    )
    card = header.card
    return environment.get_template("hub_card.md").render(
        title=title,
        licence=card.get("licence"),
        resolution=header.generator["resolution"],
        facts=[(name, value) for name, value in _facts(header).items() if value is not None],
        card=json.dumps(card, indent=2),
    )


def _facts(header: Header) -> dict[str, Any]:
    card = header.card
    spacing = card.get("spacing_mm")
    return {
        "Numbers": f"{header.num_values / 1e6:.2f} M",
        "Trained on": f"{card['trained_kimg']} thousand frames" if "trained_kimg" in card else None,
        "Hardware": card.get("hardware"),
        "Pixel spacing": " × ".join(map(str, spacing)) + " mm" if spacing else None,
        "Frame": f"{card['frame_ms']} ms" if "frame_ms" in card else None,
        "Distances": ", ".join(f"{k} {v}" for k, v in card.get("distances", {}).items()) or None,
        "gancmri_jax": card.get("gancmri_jax"),
    }
