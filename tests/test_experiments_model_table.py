"""What is measured of models beside held-out phantoms."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import model_table
from gancmri_jax.experiments.held_out import HeldOut, held_out
from gancmri_jax.experiments.journal import Journal
from gancmri_jax.experiments.model_table import PHANTOMS, ModelTable, random_frames, write_table
from gancmri_jax.model import file
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.physiology.beat import Beat
from gancmri_jax.training.phantoms import FRAMES, rendered
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def phantom():
    return held_out(seed=7, index=4, size=32, frames=FRAMES)


def test_a_held_out_phantom_is_prepared_as_training_prepares_them(phantom):
    assert phantom.population == "clinical" and phantom.cine.subject == "clinical-0004"
    np.testing.assert_array_equal(phantom.cine.pixels, rendered(7, 4, 32))


def test_without_noise_and_with_other_noise_it_is_the_same_heart(phantom):
    noisy, clean, other = (
        x.astype(float) for x in (phantom.cine.pixels, phantom.clean, phantom.other_noise)
    )
    noise, apart = np.std(noisy - clean), np.std(noisy - other)
    assert 0 < noise < 0.2 * np.std(clean)
    assert 0.5 * noise < apart < 2 * noise  # less than one grey level, which is rounded
    assert abs(np.mean(noisy - clean)) < 0.2 * noise + 1  # one window for both


def made_up(index, size=16, frames=20):
    rng = np.random.default_rng(index)
    pixels = rng.integers(0, 256, (3, frames, size, size)).astype(np.uint8)
    masks = np.full((frames, size, size), CLASSES.index("LV"), np.uint8)
    masks[:, 8:] = CLASSES.index("myocardium")
    cine = Cine(pixels[0], (2.0, 2.0), 20.0, f"s{index}")
    return HeldOut(cine, "clinical" if index % 5 == 4 else "normal", *pixels[1:], masks)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Table of ten made-up phantoms and a random model; judges and Inception cannot be had."""

    def none(*args):
        raise InputError("cannot be had")

    beat = Beat(40.0, 38.0, 20.0, 10.0, 25.0, 30.0)
    monkeypatch.setattr(model_table, "measure_beat", lambda judge, cine: (beat, None))
    monkeypatch.setattr(model_table, "load_segmenter_of", lambda name: None)
    monkeypatch.setattr("gancmri_jax.metrics.backbones.load_inception", none)
    monkeypatch.setattr("gancmri_jax.metrics.backbones.load_i3d", none)
    monkeypatch.setattr(ModelTable, "_judged", none)
    masks = dataclasses.make_dataclass("Segmentation", ["masks"])
    monkeypatch.setattr(
        model_table, "segment", lambda judge, cine: masks(np.ones(cine.pixels.shape, np.uint8))
    )
    phantoms = [made_up(index) for index in range(10)]
    lines = []
    journal = Journal(tmp_path / "run", {}, lines.append)
    table = ModelTable(phantoms, 100, 3, 0, journal, lambda what, total: lambda done: None)
    columns = {PHANTOMS: table.measure_phantoms()}
    columns["tiny"] = table.measure("tiny", tiny_model())
    return table, columns, lines, phantoms


def test_phantoms_beside_themselves(measured):
    _, columns, _, phantoms = measured
    mine = columns[PHANTOMS]
    ratios = [
        10 * np.log10(255**2 / np.square(p.other_noise - p.clean.astype(float)).mean())
        for p in phantoms
    ]
    assert mine["heart_psnr_db"] == pytest.approx(np.median(ratios), abs=0.1)  # frame by frame
    assert mine["wall_thickening_percent"] == 20.0
    assert mine["high_frequency_power"] == pytest.approx(255**2 / 12 * (1 - np.pi / 16), rel=0.1)


def test_what_cannot_be_measured_is_left_out_and_said(measured, tmp_path):
    _, columns, lines, _ = measured
    assert columns["tiny"].keys() == {"high_frequency_power", "blood_liveliness", "wall_liveliness"}
    assert sum("left out: cannot be had" in line for line in lines) == 3
    write_table(tmp_path / "models.md", columns, ["ten phantoms"])
    text = (tmp_path / "models.md").read_text().splitlines()
    assert text[0] == "ten phantoms" and text[2] == "| | phantoms | tiny |"
    assert "FID" not in "".join(text)
    row = next(line for line in text if "PSNR" in line)
    assert row.endswith("|  |")  # the tiny model has no encoder


def test_floors_stand_in_the_phantoms_column(tmp_path):
    columns = {PHANTOMS: {}, "m": {"fid": 70.0, "fid_floor": 7.0}}
    write_table(tmp_path / "models.md", columns, [])
    assert "| FID | 7 | 70 |" in (tmp_path / "models.md").read_text()


def test_frames_of_each_to_look_at(measured):
    rows = random_frames(measured[3], {"tiny": tiny_model()}, seed=0, count=3)
    assert {name: frames.shape for name, frames in rows.items()} == {
        PHANTOMS: (3, 16, 16),
        "tiny": (3, 16, 16),
    }


def test_a_model_that_encodes_perfectly_is_as_good_as_fresh_noise_is_not(measured, monkeypatch):
    table, _, _, phantoms = measured
    found = table._fidelity(lambda phantom: phantom.clean)
    assert found["heart_ssim"] == pytest.approx(1) and np.isinf(found["heart_psnr_db"])
    assert table._fidelity(lambda phantom: phantom.cine.pixels)["ssim"] == pytest.approx(1)


def test_models_of_two_sizes_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(
        file, "load_model", lambda name: tiny_model(resolution=16 if name == "a" else 32)
    )
    words = ["compare-models", "--model", "a", "--model", "b", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(gancmri, words)
    assert isinstance(result.exception, InputError)
    assert "images of 16² and 32²; compare models of one size" in str(result.exception)
    assert not (tmp_path / "out").exists()
