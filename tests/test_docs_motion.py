"""The list of motions in the documents is that of the table."""

import pathlib

from gancmri_jax.latents.motions import MOTIONS

DOCS = pathlib.Path(__file__).parents[1] / "docs"


def test_the_document_lists_every_motion_in_order():
    lines = (DOCS / "motion.md").read_text().splitlines()
    rows = lines[lines.index("| `--motion` | what it is |") + 2 :]
    names = [row.split("`")[1] for row in rows[: rows.index("")]]
    assert names == list(MOTIONS)
