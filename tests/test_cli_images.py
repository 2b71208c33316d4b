import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gancmri_jax.cli.main import gancmri
from gancmri_jax.model.file import save_model
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(tiny_model(), path)
    return path


def images(model, out, *options):
    arguments = ["images", "--model", str(model), "--out", str(out), *options]
    return CliRunner().invoke(gancmri, arguments)


def picture(path):
    with Image.open(path) as file:
        return np.asarray(file)


def test_a_seed_is_the_same_picture_alone_and_in_its_place(model, tmp_path):
    assert images(model, tmp_path / "a", "--seeds", "0-4").exit_code == 0
    assert images(model, tmp_path / "b", "--seeds", "1,4").exit_code == 0
    alone = picture(tmp_path / "b" / "seed-0004.png")
    np.testing.assert_array_equal(alone, picture(tmp_path / "a" / "seed-0004.png"))
    grid = picture(tmp_path / "a" / "seeds.png")
    assert grid.shape == (32, 48)  # two rows of three, the last one black
    np.testing.assert_array_equal(grid[16:, 16:32], alone)
    assert not grid[16:, 32:].any()
    with Image.open(tmp_path / "a" / "seeds.png") as file:
        assert "synthetic" in file.text["Comment"]


def test_a_mix_shows_its_sources_at_its_margins(model, tmp_path):
    assert images(model, tmp_path, "--kind", "mix", "--seeds", "0-4").exit_code == 0
    assert images(model, tmp_path, "--seeds", "0-4").exit_code == 0
    grid = picture(tmp_path / "mix.png")
    assert grid.shape == (48, 64)  # two coarse below three fine
    np.testing.assert_array_equal(grid[:16, 16:32], picture(tmp_path / "seed-0002.png"))
    np.testing.assert_array_equal(grid[16:32, :16], picture(tmp_path / "seed-0000.png"))


def test_a_sweep_and_a_film_are_written(model, tmp_path):
    assert images(model, tmp_path, "--kind", "truncation", "--seeds", "0-1").exit_code == 0
    assert picture(tmp_path / "truncation.png").shape == (32, 128)
    options = ["--kind", "interpolation", "--seeds", "0-2", "--frames", "4"]
    assert images(model, tmp_path, *options).exit_code == 0
    with Image.open(tmp_path / "interpolation.gif") as film:
        assert film.n_frames == 12
    assert (tmp_path / "interpolation.mp4").stat().st_size > 0


@pytest.mark.parametrize(
    "options, told",
    [
        (["--seeds", "9-1"], "is not a seed such as 7 or a range"),
        (["--seeds", "1,"], "is not a seed such as 7 or a range"),
        (["--kind", "mix", "--seeds", "1"], "at least two seeds"),
        (["--kind", "mix", "--seeds", "1-2", "--cutoff", "6"], "below 6"),
        (["--cutoff", "2"], "has no effect with --kind seeds"),
    ],
)
def test_what_cannot_be_made_is_refused(model, tmp_path, options, told):
    result = images(model, tmp_path / "out", *options)
    assert result.exit_code == 2 and told in result.output
    assert not (tmp_path / "out").exists()
