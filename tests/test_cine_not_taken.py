import pathlib

import pytest

from gancmri_jax.cine.not_taken import no_cine


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("notes.TXT", ".txt"),
        ("LICENSE", "no suffix"),
        (".hidden", "no suffix"),
        ("MUELLER.HANS", "another suffix"),
        ("1.2.840.113619.2.1234567", "another suffix"),
    ],
)
def test_a_kind_names_no_one(name, said):
    assert no_cine(pathlib.Path("a") / name) == f"files that hold no cine ({said})"
