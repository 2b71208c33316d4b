import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.video_file import write_gif
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import save_model
from gancmri_jax.projection.store import read_latents
from tests.tiny_encoder import encoding_model


def compare(model, source, out):
    options = ["--model", model, "--input", source, "--out", out, "--steps", 1]
    options += ["--batch-size", 4, "--distance", "multiscale_pixel"]
    arguments = ["compare-superres", *map(str, options)]
    return CliRunner().invoke(gancmri, arguments, catch_exceptions=False)


@pytest.mark.slow
def test_a_table_and_a_picture_and_nothing_of_what_is_too_short(tmp_path):
    model, long, short = tmp_path / "m.safetensors", tmp_path / "a.gif", tmp_path / "b.gif"
    save_model(encoding_model(), model)
    frames = np.random.default_rng(0).integers(0, 256, (13, 16, 16)).astype(np.uint8)
    write_gif(long, frames, 40.0)
    write_gif(short, frames[:12], 40.0)
    result = compare(model, long, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "mean SSIM of 6 frames of 1 videos" in result.output
    assert read_latents(tmp_path / "out" / "latents.zarr")[1]["start"] == "encoder"
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["latents.zarr", "superres.csv", "superres.png"]
    with pytest.raises(InputError, match="has 12 frames"):
        compare(model, short, tmp_path / "none")
    assert not (tmp_path / "none").exists()
