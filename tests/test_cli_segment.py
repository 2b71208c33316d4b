import csv
import dataclasses
import json
import math

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.phenotypes import read_flags, read_phenotypes, write_phenotypes
from gancmri_jax.cine.video_file import write_mp4
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.model import file
from gancmri_jax.physiology.outputs import unique_names
from gancmri_jax.tables import read_table
from tests.tiny_segmenter import bright_segmenter

RADII_MM = (24.0, 20.0, 16.0, 22.0)


def discs():
    """A bright disc that beats, 2 mm by 2 mm, in a grey one."""
    row, column = np.indices((40, 44))
    radius = 2 * np.hypot(row - 20, column - 22)
    frames = [300 * (radius < r) + 300 * (radius < 36) for r in RADII_MM]
    return np.stack(frames).astype(np.int16), np.stack([radius < r for r in RADII_MM])


@pytest.fixture(autouse=True)
def by_brightness(monkeypatch):
    monkeypatch.setattr(file, "load_segmenter_of", lambda _: bright_segmenter(2.0))


@pytest.fixture
def study(tmp_path):
    frames, lv = discs()
    for name in ("ann", "bob"):
        folder = tmp_path / "study" / name
        folder.mkdir(parents=True)
        write_nifti(folder / "la_4ch.nii.gz", frames, (2.0, 2.0), 250.0)
        write_nifti(folder / "la_4ch_mask.nii.gz", lv.astype(np.uint8), (2.0, 2.0), 250.0)
    return tmp_path / "study"


def run(*arguments):
    return CliRunner().invoke(gancmri, ["segment", *map(str, arguments)], catch_exceptions=False)


def read_curve(folder):
    with (folder / "lv_area.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_study_becomes_masks_overlays_curves_and_phenotypes(study, tmp_path):
    (study / "cat").mkdir()
    (study / "cat" / "la_4ch.nii.gz").write_text("broken")
    out = tmp_path / "out"
    result = run("--input", study, "--out", out)
    assert result.exit_code == 0 and result.stdout.splitlines()[-1] == f"2 cines in {out}"
    assert "la_4ch.nii.gz: is broken" in result.stderr and "skipped" in result.stderr

    table = read_phenotypes(out / "phenotypes.csv")
    assert len(table) == 2 and not {"ann", "bob"} & table.keys()  # hashed
    for name, values in table.items():
        assert values["es_frame"] == 2 and values["ed_frame"] == 0
        assert values["lv_area_ed_cm2"] == pytest.approx(math.pi * 2.4**2, rel=0.05)
        assert values["lv_fac_percent"] == pytest.approx(100 * (1 - 16**2 / 24**2), abs=2)
        assert values["sphericity_index"] == pytest.approx(1, abs=0.03)
        assert values["heart_rate_bpm"] == pytest.approx(60)
        assert math.isnan(values["ef_percent"])

        image = nibabel.load(out / name / "la_4ch_mask.nii.gz")
        masks = np.asarray(image.dataobj)[:, :, 0].transpose(2, 1, 0)
        assert image.header.get_zooms()[:2] == (2.0, 2.0)
        lv = discs()[1]
        assert 2 * (lv & (masks == 1)).sum() / (lv.sum() + (masks == 1).sum()) > 0.97
        with Image.open(out / name / "overlay.png") as sheet:
            pixels = np.asarray(sheet)
            assert sheet.mode == "RGB" and sheet.width == 10 * 44 * 7  # magnified sevenfold
        assert (pixels[..., 0] != pixels[..., 1]).any()
        assert (out / name / "overlay.mp4").stat().st_size > 0
        with Image.open(out / name / "lv_area.png") as plot:
            assert plot.size == (600, 360)
        rows = read_curve(out / name)
        assert [row["time_ms"] for row in rows] == ["0", "250", "500", "750"]
        areas = [float(row["lv_area_cm2"]) for row in rows]
        assert areas == pytest.approx([math.pi * (r / 10) ** 2 for r in RADII_MM], rel=0.07)
    described = json.loads((out / "segmentation.json").read_text())
    assert {s["es_frame"] for s in described["subjects"].values()} == {"segmenter"}
    assert described["papillary"] == "pool"
    # A disc in a disc is no heart.
    assert read_flags(out / "phenotypes.csv") == dict.fromkeys(table, "missing")
    for subject in described["subjects"].values():
        assert "missing in 100 % of frames" in subject["flags"]["missing"]
        assert subject["judged_by"]["missing_percent"] == 100
    assert "flagged: 2 of 2 cines: " in result.output and "mean of" not in result.output
    with Image.open(out / name / "overlay.png") as sheet:
        assert sheet.height > 40 * 7  # the reason stands above the frames


def test_truth_is_scored_against(study, tmp_path):
    truth = {
        "lv_area_ed_cm2": math.pi * 2.4**2,
        "lv_area_es_cm2": math.pi * 1.6**2,
        "sphericity_index": 1.0,
        "es_frame": 1,
    }
    write_phenotypes(study / "phenotypes.csv", {"ann": truth, "bob": truth})
    plain = run("--input", study, "--truth", study, "--out", tmp_path / "plain")
    assert f"against {study}: all 2 cines are flagged" in plain.stdout
    asked = ("--input", study, "--truth", study, "--out", tmp_path / "out")
    result = run(*asked, "--keep-flagged", "--intervals")
    assert "mean of 2 cines: LV 17." in result.stdout
    assert "intervals hold " in result.stdout and " of 4 true areas" in result.stdout
    bounds = read_phenotypes(tmp_path / "out" / "phenotypes.csv")["ann"]
    assert bounds["lv_area_ed_cm2_low"] < bounds["lv_area_ed_cm2"] < bounds["lv_area_ed_cm2_high"]
    (line,) = [x for x in result.stdout.splitlines() if x.startswith(f"against {study}: LV Dice")]
    assert line.endswith("means of 2 cines")
    scores = [float(word) for word in line.replace(",", " ").split() if word[0].isdigit()]
    assert scores[0] > 0.97 and scores[1] < 4 and scores[2] < 0.03
    # It finds the ES frame itself, whatever the table says.
    assert read_phenotypes(tmp_path / "out" / "phenotypes.csv")["ann"]["es_frame"] == 2
    kept = run("--input", study, "--keep-ids", "--out", tmp_path / "kept")
    assert kept.exit_code == 0
    assert read_phenotypes(tmp_path / "kept" / "phenotypes.csv")["ann"]["es_frame"] == 1

    write_phenotypes(study / "phenotypes.csv", {"ann": truth})
    with pytest.raises(InputError, match="no subject bob"):
        run("--input", study, "--truth", study, "--out", tmp_path / "more")


def as_mnms2(study, name="001"):
    """The discs as M&Ms-2 has them: masks of the frames at ED and ES, without atria."""
    frames, lv = discs()
    folder = study / name
    folder.mkdir(parents=True)
    write_nifti(folder / f"{name}_LA_CINE.nii.gz", frames, (2.0, 2.0), 250.0)
    for phase, frame in (("ED", 0), ("ES", 2)):
        labels = (lv[frame] + 2 * (frames[frame] == 300)).astype(np.uint8)
        labels[2, 2:4] = 3
        for end, pixels in (("", frames[frame]), ("_gt", labels)):
            array = pixels.T[:, :, None]
            image = nibabel.Nifti1Image(array, np.diag([-2.0, -2.0, 8, 1]))
            nibabel.save(image, folder / f"{name}_LA_{phase}{end}.nii.gz")


def test_masks_of_mnms2_are_scored_without_atria(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    as_mnms2(study)
    as_mnms2(study, "002")
    for path in study.glob("002/*_gt.nii.gz"):
        path.unlink()
    asked = ("--input", study, "--truth", study, "--out", out)
    result = run(*asked, "--keep-flagged")
    assert result.exit_code == 0 and f"002: has no mask in {study}; not scored" in result.stderr
    lines = result.stdout.splitlines()
    (line,) = [x for x in lines if x.startswith(f"against {study}: LV Dice ")]
    assert line.endswith("of 1 cine") and "sphericity" not in line
    assert sum(": Dice mean" in x for x in lines) == 3
    assert "RV: Dice mean 0.000, median 0.000 (1 cine)" in lines  # of which none is found
    assert any(x.startswith("FAC: bias ") for x in lines)
    assert "not scored, as no mask has them: LA, RA" in lines
    assert "LV Dice below 0.8 in 0 of 2 frames, flagged cines included" in lines
    ed, es = read_table(out / "scores.csv")
    assert (ed.cells["phase"], es.cells["phase"], es.cells["frame"]) == ("ED", "ES", "2")
    assert ed.number("lv_dice") > 0.95 and ed.number("lv_hausdorff_mm") <= 4
    assert (ed.cells["rv_dice"], ed.cells["rv_hausdorff_mm"], ed.cells["la_dice"]) == ("0", "", "")
    assert ed.cells["flags"] == "missing"
    assert es.number("lv_area_true_cm2") == pytest.approx(math.pi * 1.6**2, rel=0.05)
    with Image.open(out / "bland_altman.png") as plot:
        assert plot.height == 396

    mask = study / "001" / "001_LA_ES_gt.nii.gz"
    mask.write_bytes(b"torn")
    with pytest.raises(InputError, match="001_LA_ES_gt.nii.gz: is broken"):
        run("--input", study, "--truth", study, "--out", tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_unknown_spacing_is_said_and_not_invented(tmp_path):
    frames = (discs()[0] * (255 / 600)).astype(np.uint8)
    write_mp4(tmp_path / "film.mp4", frames, 40.0)
    out = tmp_path / "out"
    options = ["--input", tmp_path / "film.mp4", "--out", out, "--keep-ids"]
    result = run(*options)
    assert "film: ES frame 2, FAC" in result.stdout + result.stderr
    assert "spacing unknown, so areas are left empty" in result.stdout + result.stderr
    (values,) = read_phenotypes(out / "phenotypes.csv").values()
    assert math.isnan(values["lv_area_ed_cm2"]) and math.isnan(values["sphericity_index"])
    assert not (out / "film" / "la_4ch_mask.nii.gz").exists()
    rows = read_curve(out / "film")
    assert {row["lv_area_cm2"] for row in rows} == {""}
    run(*options, "--spacing-mm", "0.2857", "0.2857")  # which was magnified sevenfold
    (values,) = read_phenotypes(out / "phenotypes.csv").values()
    assert values["lv_area_ed_cm2"] == pytest.approx(math.pi * 2.4**2, rel=0.06)


def test_what_has_no_segmenter_is_one_line(study, tmp_path, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(InputError, match="no such model"):
        run("--input", study, "--model", tmp_path / "none", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_several_cines_of_a_subject_have_numbers():
    cine = Cine(np.zeros((1, 2, 2)), (1.0, 1.0), None, "a")
    cines = [cine, dataclasses.replace(cine, subject="b"), cine]
    assert unique_names(cines) == ["a-1", "b", "a-2"]
