"""A report in a folder: as Markdown, and as one HTML page that holds its pictures and films."""

import pathlib
from collections.abc import Sequence

from gancmri_jax.atomic import atomic_write
from gancmri_jax.page import Block, render_html, render_markdown


def write_report(folder: pathlib.Path, blocks: Sequence[Block]) -> None:
    """Write `report.md` and `report.html`."""
    with atomic_write(folder / "report.md") as part:
        part.write_text(render_markdown(blocks))
    with atomic_write(folder / "report.html") as part:
        part.write_text(render_html(blocks, folder))
