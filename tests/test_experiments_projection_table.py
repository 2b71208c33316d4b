import csv
import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import projection_table
from gancmri_jax.experiments.compile_time import CompileTime
from gancmri_jax.experiments.projection_report import draw, write_csv, write_markdown
from gancmri_jax.experiments.projection_table import (
    PULL,
    Row,
    Way,
    compare,
    measure,
    thin_out,
    ways,
)
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.model.encoder import Encoder
from gancmri_jax.video.render import render_uint8
from tests.tiny_encoder import encoding_model

GUESS = Way("frames", "w", 0.0, "encoder", 0)
SHORT = Way("frames", "w", 0.0, "mean", 2)


@pytest.fixture(scope="module", autouse=True)
def no_weights(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("weights")))
        yield


@pytest.fixture(scope="module")
def model():
    return encoding_model()


@pytest.fixture(scope="module")
def square(model):
    """The corners of a square in W, as codes of a beat."""
    corners = jnp.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    return model.w_avg[None] + jnp.pad(corners, ((0, 0), (0, 6)))


@pytest.fixture(scope="module")
def cines(model, square):
    frames = render_uint8(model, broadcast_w(square, model.num_ws))
    return [Cine(frames, (1.0, 1.0), 20.0, name) for name in ("anna", "bert")]


def knowing(model, square):
    """Return the model with an encoder that knows the codes of `cines`."""

    class Knowing(Encoder):
        fingerprint = "knowing"  # type: ignore[assignment]

        def __init__(self):
            pass

        def __call__(self, images):
            return square

    return dataclasses.replace(model, encoder=Knowing())


def test_what_is_found_exactly_measures_so(model, square, cines, tmp_path):
    found = measure(knowing(model, square), cines, tmp_path, GUESS)
    assert found["ssim"] == pytest.approx(1, abs=1e-8) and math.isinf(found["psnr"])
    # Round a square every step is of one length, and turns by √2 of it.
    np.testing.assert_allclose(found["roughness"], 2**0.5, rtol=1e-5)
    assert found["perceptual"] is None  # neither LPIPS nor a segmenter


def test_a_wrong_guess_measures_worse(model, square, cines, tmp_path):
    found = measure(knowing(model, square + 1), cines, tmp_path, GUESS)
    assert found["ssim"] < 0.99 and found["psnr"] < 40


@pytest.fixture(scope="module")
def compared(model, cines, tmp_path_factory):
    out = tmp_path_factory.mktemp("compared")
    steps = []
    rows = list(
        compare(
            model,
            cines,
            out,
            [GUESS, SHORT],
            distance="multiscale_pixel",
            batch_size=4,
            on_start=lambda way, total: steps.append(total) or (lambda n: steps.append(-n)),
        )
    )
    assert steps[:2] == [0, 16]  # 2 steps of 8 frames, told as they are taken
    assert sum(steps) == 0
    return out, rows


@pytest.mark.slow
def test_each_way_leaves_its_codes_and_its_row(compared, model, cines):
    out, rows = compared
    assert [row.way for row in rows] == [GUESS, SHORT]
    assert all(-1 <= row.ssim < 1 and row.psnr > 5 and row.seconds >= 0 for row in rows)
    assert math.isnan(rows[0].perceptual)
    assert [p.name for p in (out / "stores").iterdir()] == ["frames-w-mean-2.zarr"]
    assert measure(model, cines, out, SHORT)["ssim"] == rows[1].ssim


def test_what_is_done_is_not_done_again(compared, model, cines, monkeypatch):
    out, rows = compared
    monkeypatch.setattr(projection_table, "search", lambda *_: pytest.fail("searched"))
    options = dict(distance="multiscale_pixel", batch_size=4)
    assert str(list(compare(model, cines, out, [GUESS, SHORT], **options))) == str(
        rows
    )  # NaN and all
    with pytest.raises(InputError, match="another seed; choose another --out"):
        list(compare(model, cines, out, [GUESS], seed=1, **options))


def test_a_search_that_broke_off_begins_again(compared, model, cines, monkeypatch, tmp_path):
    store = tmp_path / "stores" / "frames-w-mean-2.zarr"
    store.mkdir(parents=True)
    (store / "left").write_text("over")

    def project_study(model, cines, path, settings, **_):
        assert not path.exists() and settings.num_steps == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(projection_table, "project_study", project_study)
    with pytest.raises(KeyboardInterrupt):
        list(compare(model, cines, tmp_path, [SHORT], distance="multiscale_pixel"))
    assert not list((tmp_path / "stages").iterdir())


def test_a_model_with_an_encoder_is_compared_from_it_too(model):
    assert {way.start for way in ways(1000, 100, False)} == {"mean"}
    listed = ways(1000, 100, True)
    assert Way("frames", "w", 0.0, "encoder", 50) in listed and GUESS in listed
    assert {way.mode for way in listed} == {"frames", "neighbour", "joint"}
    assert {(way.space, way.pull_to_w) for way in listed} == {("w", 0), ("w+", 0), ("w+", PULL)}
    assert len({way.slug(model) for way in listed}) == len(listed) == 13
    assert len(ways(100, 100, False)) == 5  # none twice


def test_another_encoder_does_its_own_ways_again_and_no_others(model):
    other = dataclasses.replace(model, encoder=encoding_model(seed=1).encoder)
    assert GUESS.slug(model) != GUESS.slug(other) and SHORT.slug(model) == SHORT.slug(other)


def test_frames_at_equal_parts_of_the_beat():
    cine = Cine(np.arange(10)[:, None, None] * np.ones((1, 16, 16), np.uint8), (1, 1), 20.0, "a")
    assert thin_out(cine, 4).pixels[:, 0, 0].tolist() == [0, 2, 5, 7]
    assert len(thin_out(cine, None).pixels) == 10
    with pytest.raises(InputError, match="a: has 10 frames, not 11; give fewer"):
        thin_out(cine, 11)
    with pytest.raises(InputError, match="too small for SSIM"):
        thin_out(dataclasses.replace(cine, pixels=cine.pixels[:, :8]), 4)


def test_tables_and_pictures(tmp_path, cines):
    rows = [
        Row(SHORT, 0.12345, 0.5, 20.0, 1.0, 3.21),
        Row(Way("joint", "w+", PULL, "encoder", 9), math.nan, 0.75, 22.5, 0.5, 0.04),
    ]
    write_markdown(tmp_path / "t.md", rows, "lpips", ["8 frames"])
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[0] == "8 frames" and "| lpips |" in lines[2]
    assert lines[4] == "| frames | w | mean | 2 | 0.1235 | 0.500 | 20.00 | 1.00 | 3.2 |"
    told = "| joint | w+, pulled to W by 0.1 | encoder | 9 | – | 0.750 | 22.50 | 0.50 | 0.0 |"
    assert lines[5] == told
    write_csv(tmp_path / "t.csv", rows, "lpips")
    with (tmp_path / "t.csv").open() as file:
        read = list(csv.DictReader(file))
    assert read[0]["lpips"] == "0.12345" and read[1]["lpips"] == "" and read[1]["mode"] == "joint"
    draw(tmp_path / "t.png", cines[0].pixels, [(row, cines[0].pixels) for row in rows])
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.size[0] > picture.size[1] > 300


def test_compilation_is_counted_and_nothing_else():
    with CompileTime() as compiling:
        run = jax.jit(lambda x: jnp.sin(x) @ jnp.cos(x)).lower(jnp.ones((31, 31))).compile()
    compiled = compiling.seconds
    assert compiled > 0
    with CompileTime() as running:
        jax.block_until_ready(run(jnp.ones((31, 31), jnp.float32)))
    jax.jit(lambda x: x * 3.25)(1.0)
    assert compiling.seconds == compiled and running.seconds < compiled


def test_the_command_prints_the_table(tmp_path, monkeypatch, model, square, cines):
    from gancmri_jax.cine import read
    from gancmri_jax.model import file

    chosen = [GUESS]
    monkeypatch.setattr(file, "load_model", lambda name: model)
    monkeypatch.setattr(read, "read_model_cines", lambda *_, **__: cines)
    monkeypatch.setattr(projection_table, "ways", lambda *_: chosen)
    options = ["--input", "cines", "--out", f"{tmp_path}/out", "--frames", "3"]
    result = CliRunner().invoke(gancmri, ["compare-projections", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert "6 frames of 2 videos, 16×16" in result.output
    assert "| frames | w | encoder | 0 | – |" in result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "pictures.png",
        "settings.json",
        "stages",
        "table.csv",
        "table.md",
    ]
    kept = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert kept["distance"] == "multiscale_pixel" and kept["perceptual distance"] is None
