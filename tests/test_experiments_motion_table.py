import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.journal import Journal
from gancmri_jax.experiments.motion_report import write_markdown
from gancmri_jax.experiments.motion_table import REAL, compare_motions, table, thinned
from gancmri_jax.latents.motions import EdToEs, MeanSteps
from gancmri_jax.model import file
from gancmri_jax.model.motion import LearnedMotion
from tests.test_physiology_beat import disc
from tests.test_physiology_guidance_report import Hearts


class Beating(Hearts):
    """Ellipses of 20 by 24 mm and more, which lose 6 mm on their way to ES."""

    card = {"fit": {}}
    frame_ms = 40.0
    k = jnp.full((1, 2), -6.0)
    motion = LearnedMotion((EdToEs(k), MeanSteps(jnp.stack([k / 10] * 10 + [-k / 15] * 14))))

    def beat(self, start, motion):
        return self.motion.path(start, motion)


def real(radii=(20, 18, 15, 16, 19), subject="real"):
    return Cine(np.stack([disc(r) for r in radii]), (2.0, 2.0), 20.0, subject)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Rows of two real beats and two hearts, the folder they are kept in, and the lines told."""
    folder, told = tmp_path_factory.mktemp("motions"), []
    model, cines = Beating(), [real(), real((20, 19, 17, 16, 18))]
    results = compare_motions(model, cines, Journal(folder, {}, told.append), 2, 10)
    return model, cines, folder, results, told


def test_every_motion_is_measured_beside_real_beats(measured):
    model, _, _, results, told = measured
    names = [REAL, "published", "mean", "fourier", "spline", "polynomial"]
    assert list(results) == names  # too few steps for pca_residual's components
    rows = {row["motion"]: row for row in table(results, model)}
    # From 0.7 k before the random point, 24.2 by 28.2 mm or by 30.2, four fifths of k and back.
    assert rows["published"]["lv_fac_percent"] == pytest.approx(33, abs=1.5)
    assert rows["published"]["es_percent"] == pytest.approx(45, abs=0.1)  # frames 4 and 5 are alike
    assert rows[REAL]["lv_fac_percent"] == pytest.approx(40, abs=4)
    # At 50 frames the last lies halfway back from k / 15, and the whole way is 59/30 k.
    assert rows["mean"]["closure"] == pytest.approx((1 / 30) / (59 / 30 / 49), rel=0.02)
    assert "peak" not in rows[REAL] and rows[REAL]["within_percent"] <= 100


def test_what_is_measured_is_not_measured_again(measured):
    model, cines, folder, results, _ = measured
    told = []
    again = compare_motions(model, cines, Journal(folder, {}, told.append), 2, 10)
    assert again == results and all("done before" in line for line in told)


def test_the_table_for_people(measured, tmp_path):
    model, _, _, results, _ = measured
    write_markdown(tmp_path / "motions.md", table(results, model), ["two hearts"])
    lines = (tmp_path / "motions.md").read_text().splitlines()
    assert lines[0] == "two hearts" and lines[2].startswith("| motion | to ES | closure")
    assert len({line.count("|") for line in lines[2:-2]}) == 1
    assert lines[4].startswith("| real | – | – | –")


def test_frames_at_equal_parts_of_the_beat_from_ed():
    cine = dataclasses.replace(real(range(10, 20)), ed_frame=3)
    thin = thinned(cine, 5)
    np.testing.assert_array_equal(thin.pixels, cine.pixels[[3, 5, 7, 9, 1]])
    assert thin.frame_ms == 40.0


def test_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(file, "load_model", lambda name: Beating())
    (tmp_path / "in" / "s").mkdir(parents=True)
    write_nifti(tmp_path / "in" / "s" / "la_4ch.nii.gz", real().pixels, (2.0, 2.0), 20.0)
    out = tmp_path / "out"
    words = ["compare-motions", "--input", tmp_path / "in", "--hearts", 1, "--frames", 5]
    result = CliRunner().invoke(gancmri, [*map(str, words), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "1 hearts of each motion, 1 real beats, 5 frames" in (out / "motions.md").read_text()
    assert np.asarray(Image.open(out / "motions.png")).std() > 10


def test_a_model_without_motion_is_refused(monkeypatch, tmp_path):
    still = Beating()
    still.motion = LearnedMotion()
    monkeypatch.setattr(file, "load_model", lambda name: still)
    words = ["compare-motions", "--input", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(gancmri, words)
    assert isinstance(result.exception, InputError)
    assert "contains no motion; add it with `gancmri fit`" in str(result.exception)
    assert not (tmp_path / "out").exists()
