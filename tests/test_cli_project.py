import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phenotypes import write_phenotypes
from gancmri_jax.cine.records import write_records
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import save_model
from gancmri_jax.projection.parts import parts_of
from gancmri_jax.projection.store import read_latents
from tests.tiny import tiny_model
from tests.tiny_encoder import encoding_model

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model at 8², and records of four hearts of three frames, the first without ES."""
    folder = tmp_path_factory.mktemp("study")
    save_model(tiny_model(resolution=8), folder / "model.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8)).astype(np.uint8)
    hearts = [
        Cine(frames, (1.0, 1.0), 20.0, f"heart{index}", es_frame=index or None)
        for index, frames in enumerate(pixels[:3])
    ]
    write_records(folder / "records", {"train": hearts})
    dark = Cine(np.zeros((3, 8, 8), np.uint8), (1.0, 1.0), 20.0, "dark", es_frame=1)
    write_records(folder / "dark", {"train": [*hearts, dark]})
    return folder


def words(folder, out, *more, records="records"):
    base = ["--model", folder / "model.safetensors", "--input", folder / records, "--out", out]
    return [str(word) for word in (*base, "--steps", 2, "--batch-size", 4, *more)]


def project(*args, **kwargs):
    result = CliRunner().invoke(gancmri, ["project", *words(*args, **kwargs)])
    if isinstance(result.exception, InputError):
        return str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output


def test_what_is_flagged_is_listed_and_reported(folder, tmp_path):
    out = tmp_path / "z.zarr"
    said = project(folder, out, "--frames", "ed-es", "--flag-above", 0.0, "--report")
    assert "6 frames of 3 videos in" in said and "multiscale_pixel distance: mean" in said
    assert "6 frames are flagged; they stay in the store" in said
    assert re.search(r"heart\d, frame \d: distance \d\.\d+ is above 0\.0000", said)
    assert (tmp_path / "z-report" / "worst.png").exists()
    assert read_latents(out)[0].valid.sum() == 6


def test_a_table_knows_es_before_all_others(folder, tmp_path):
    table = tmp_path / "phenotypes.csv"
    write_phenotypes(table, {"heart1": {"es_frame": 2.0}, "heart2": {"es_frame": float("nan")}})
    project(folder, tmp_path / "z.zarr", "--frames", "ed-es", "--phenotypes", table)
    group = zarr.open_group(tmp_path / "z.zarr", mode="r")
    assert group["es_source"][:].tolist() == ["distance", "phenotypes", "records"]
    assert group["es_frame"][1:].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--start", "encoder"], "the model has no encoder; train one by"),
        (["--distance", "cardiac_features"], "the model has no segmenter"),
        (["--later-steps", "3"], "--later-steps needs --mode neighbour"),
        (["--pull-to-w", "1"], "--pull-to-w needs --space w+"),
        (["--mode", "joint", "--frames", "ed"], "leave out --frames ed"),
        (["--phenotypes", "nothing.csv"], "nothing.csv: cannot be read (No such file"),
        (["--split", "test"], "has no split 'test'"),
    ],
)
def test_what_does_not_go_together_is_one_line(folder, tmp_path, more, said):
    out = tmp_path / "z.zarr"
    told = project(folder, out, *more)
    assert said in told and not out.exists()


def test_an_empty_frame_is_named(folder, tmp_path):
    told = project(folder, tmp_path / "z.zarr", records="dark")
    assert told.startswith("dark: frame 0 is empty") and not list(tmp_path.iterdir())


def test_other_settings_leave_the_store_alone(folder, tmp_path):
    out = tmp_path / "z.zarr"
    project(folder, out, "--frames", "ed")
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    told = project(folder, out, "--frames", "ed", "--space", "w+")
    assert "holds latents found otherwise (space w, now w+); choose another --out" in told
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_a_search_begins_at_the_encoder_where_there_is_one(folder, tmp_path):
    model = folder / "encoding.safetensors"
    save_model(encoding_model(), model)
    rng = np.random.default_rng(1)
    heart = Cine(rng.integers(0, 256, (2, 16, 16)).astype(np.uint8), (1.0, 1.0), 20.0, "heart")
    write_records(tmp_path / "records", {"train": [heart]})

    def start(*more):
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.zarr"
        project(folder, out, "--model", model, "--input", tmp_path / "records", *more)
        return read_latents(out)[1]["start"]

    assert start() == "encoder" and start("--start", "mean") == "mean"


@pytest.mark.slow
def test_a_killed_study_loses_no_video_but_that_in_hand(folder, tmp_path):
    """Kill −9 as soon as a video is written; the same command does the rest, and no more."""
    out, whole = tmp_path / "z.zarr", tmp_path / "whole.zarr"
    more = ("--batch-size", 1, "--steps", 400)
    process = subprocess.Popen(
        [sys.executable, "project.py", *words(folder, out, *more)],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 300
    while not parts_of(out):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 in parts_of(out) and len(parts_of(out)) < 3
    kept = read_latents(out)[0].ws[0]
    said = project(folder, out, *more)
    assert "9 frames of 3 videos in" in said
    project(folder, whole, *more)
    found, expected = read_latents(out)[0], read_latents(whole)[0]
    np.testing.assert_array_equal(found.ws[0], kept)
    np.testing.assert_array_equal(found.ws, expected.ws)
