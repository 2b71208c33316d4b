import csv

import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.projection import modes
from gancmri_jax.projection.flags import Flag
from gancmri_jax.projection.report import flagged, summarize, worst_first, write_report
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.store import read_latents, read_quality
from gancmri_jax.projection.study import project_study
from tests.tiny import tiny_model

FILES = {"frames.csv", "distances.png", "steps.png", "worst.png"}


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


@pytest.fixture
def cines():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 8, 8)).astype(np.uint8)
    return [Cine(p, (1.0, 1.0), 20.0, name) for p, name in zip(pixels, "ab", strict=True)]


@pytest.fixture
def broken(monkeypatch):
    """Let the search break off at one frame: the second of the second video."""
    project = modes.project

    def breaks(model, targets, *rest):
        found = project(model, targets, *rest)
        return found._replace(
            distances=found.distances.at[5].set(np.nan), ws=found.ws.at[5].set(np.nan)
        )

    monkeypatch.setattr(modes, "project", breaks)


def test_what_broke_off_is_flagged_and_listed_and_not_used(model, cines, tmp_path, broken):
    store = tmp_path / "z.zarr"
    project_study(model, cines, store, Settings(2), batch_size=8, flag_above=1e9)
    codes, quality = read_latents(store)[0], read_quality(store)
    assert quality.flags[1, 1] == Flag.NO_NUMBER and quality.flags.sum() == Flag.NO_NUMBER
    assert not codes.valid[1, 1] and codes.valid.sum() == 7
    assert flagged(quality) == ["b, frame 1: the search broke off, its distance is no number"]
    assert worst_first(quality)[0].tolist() == [1, 1]
    assert set(write_report(tmp_path / "report", store, model, cines)) == set(flagged(quality))
    lines = summarize(store)
    assert lines[0].startswith(f"8 frames of 2 videos in {store}; multiscale_pixel distance: mean ")
    assert lines[1:] == ["1 frames are flagged; they stay in the store", f"  {flagged(quality)[0]}"]


def test_far_frames_are_flagged_anew_whenever_it_is_run(model, cines, tmp_path):
    store = tmp_path / "z.zarr"
    project_study(model, cines, store, Settings(2), batch_size=8)
    distances = read_latents(store)[0].distances
    limit = float(np.sort(distances.ravel())[-3])
    project_study(model, cines, store, Settings(2), batch_size=8, flag_above=limit)
    quality = read_quality(store)
    assert quality.flagged_above == limit
    np.testing.assert_array_equal(quality.flags == Flag.FAR, distances > limit)
    video, frame = np.unravel_index(distances.argmax(), distances.shape)
    expected = f"{'ab'[video]}, frame {frame}: distance {distances.max():.4f} is above {limit:.4f}"
    said = write_report(tmp_path / "report", store, model, cines)
    assert len(said) == 2 and said[0] == expected

    assert {p.name for p in (tmp_path / "report").iterdir()} == FILES
    with (tmp_path / "report" / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["distance"]) for row in rows] == sorted(
        (float(row["distance"]) for row in rows), reverse=True
    )
    assert [row["flag"] for row in rows] == ["far"] * 2 + ["fine"] * 6
    assert {(row["subject"], row["video"]) for row in rows} == {("a", "0"), ("b", "1")}
    for name in FILES - {"frames.csv"}:
        assert np.asarray(Image.open(tmp_path / "report" / name)).std() > 0


def test_there_is_nothing_to_report_of_an_unfinished_study(model, cines, tmp_path):
    def stop(steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project_study(model, cines, tmp_path / "z", Settings(2), batch_size=4, on_steps=stop)
    with pytest.raises(InputError, match="no video in it is projected yet"):
        write_report(tmp_path / "report", tmp_path / "z", model, cines)
    assert not (tmp_path / "report").exists()
