import click
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.main import gancmri
from gancmri_jax.cli.reading import reads_cines


@pytest.fixture
def taken():
    return {}


@pytest.fixture
def verb(taken):
    @click.command()
    @reads_cines
    @click.option("--size", default=3)
    def verb(**options):
        """Do something."""
        taken.update(options)

    return verb


def test_options_become_one_value(verb, taken):
    words = "--input x --slice 2 --mask-box 0 1 2 3 --mask-box 4 5 6 7 --spacing-mm 1.5 2 --size 4"
    assert CliRunner().invoke(verb, words.split()).exit_code == 0
    assert taken.pop("source").name == "x" and taken.pop("keep_ids") is False
    reading = taken.pop("reading")
    assert reading == ReadOptions(2, ((0, 1, 2, 3), (4, 5, 6, 7)), (1.5, 2.0))
    assert taken == {"size": 4}


def test_left_out_they_are_the_defaults(verb, taken):
    assert CliRunner().invoke(verb, ["--input", "x"]).exit_code == 0
    assert taken["reading"] == ReadOptions()


def test_input_is_needed_and_spacing_is_positive(verb):
    assert "Missing option '--input'" in CliRunner().invoke(verb, []).output
    wrong = CliRunner().invoke(verb, ["--input", "x", "--spacing-mm", "0", "1"])
    assert wrong.exit_code == 2 and "--spacing-mm" in wrong.output


@pytest.mark.parametrize("name", ["prepare", "project", "superres"])
def test_verbs_that_read_cines_have_them_all(name):
    said = CliRunner().invoke(gancmri, [name, "--help"]).output
    for option in ("--input", "--slice", "--mask-box", "--spacing-mm", "--keep-ids"):
        assert option in said
