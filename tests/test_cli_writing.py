import click
import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cli.writing import format_option, write_formats


def test_a_cine_is_written_once_in_each_format(tmp_path):
    cine = Cine(np.zeros((2, 4, 4), np.uint8), (1.0, 1.0), 20.0, "heart")
    write_formats(tmp_path / "heart.7", cine, ["nifti", "png", "nifti"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heart.7.nii.gz", "heart.7.png"]


@pytest.mark.parametrize(
    "words, formats",
    [("", ("gif",)), ("--format dicom --format mp4", ("dicom", "mp4"))],
    ids=["default", "chosen"],
)
def test_formats_are_chosen_by_name(words, formats):
    @click.command()
    @format_option(("gif",), "gif")
    def verb(formats):
        click.echo(formats)

    assert CliRunner().invoke(verb, words.split()).output == f"{formats}\n"
    assert CliRunner().invoke(verb, ["--format", "webm"]).exit_code == 2
