"""A motion is added as CONTRIBUTING says: a type of what is kept, `fit`, `path`, and one row."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.apps.explorer.choice import explain, motions
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cli.main import gancmri
from gancmri_jax.experiments.journal import Journal
from gancmri_jax.experiments.motion_table import REAL, compare_motions, table
from gancmri_jax.fitting.calibration import calibrate
from gancmri_jax.fitting.motion import fit_motion, motion_figures
from gancmri_jax.latents.codes import Codes
from gancmri_jax.latents.motions import MOTIONS, BeatModel
from gancmri_jax.model.file import load_model, read_header, save_model
from gancmri_jax.model.model import Model
from gancmri_jax.networks.generator import Generator, draw_noise
from tests.test_physiology_beat import disc
from tests.test_physiology_guidance import Discs
from tests.tiny_segmenter import bright_segmenter

T = 24
K = np.array([-6.0, -6.0])  # mm, of half axes, to ES at the middle of the beat
SKEW = np.array([-1.0, 0.5])


class Swing(NamedTuple):
    """A beat of one sine and one cosine."""

    amplitude: jax.Array
    skew: jax.Array

    def scaled(self, gain):
        return Swing(gain * self.amplitude, gain * self.skew)


def fit_swing(beats):
    offsets = beats.mean(lambda chunk: chunk.ws - chunk.ws[:, :1])
    angle = 2 * np.pi * np.arange(len(offsets)) / len(offsets)
    cosine, sine = (
        2 / len(offsets) * jnp.tensordot(jnp.asarray(wave, jnp.float32), offsets, axes=1)
        for wave in (np.cos(angle), np.sin(angle))
    )
    return Swing(-2 * cosine, sine)


def swing(kept, start, num_frames):
    angle = 2 * jnp.pi * jnp.arange(num_frames)[:, None, None] / num_frames
    return (1 - jnp.cos(angle)) / 2 * kept.amplitude[None] + jnp.sin(angle) * kept.skew[None]


ROW = BeatModel("a sine and a cosine", Swing, fit_swing, swing)


class Ellipses(Model):
    """A model whose hearts are ellipses: half axes in millimetres in ws[0]."""

    resolution = 64

    def sample(self, seed, truncation_psi=1.0):
        at_ed = jnp.array([20.0, 24.0 + 2 * (seed % 5)])
        return jnp.broadcast_to(at_ed, (self.num_ws, 2)) + 0.7 * self.motion.ed_to_es

    def render(self, path, at_once=None):
        return Discs().render(path)


def made_up_codes(num_ws):
    """Beats of four hearts that swing."""
    angle = 2 * np.pi * np.arange(T)[:, None] / T
    offsets = (1 - np.cos(angle)) / 2 * K + np.sin(angle) * SKEW  # [t 2]
    starts = np.array([[20.0, 24.0 + 2 * v] for v in range(4)])
    ws = np.repeat((starts[:, None] + offsets)[:, :, None], num_ws, axis=2)
    return Codes(
        ws=ws.astype(np.float32),
        valid=np.ones((4, T), bool),
        distances=np.zeros((4, T), np.float32),
        num_frames=np.full(4, T),
        ed_frame=np.zeros(4, int),
        es_frame=np.full(4, T // 2),
        subjects=[f"s{v}" for v in range(4)],
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A model file whose motion was learned with the row in the table, and the row."""
    generator = Generator(
        resolution=8, z_dim=2, w_dim=2, mapping_layers=1, channel_base=64, channel_max=8
    )
    params = jax.jit(generator.init)(jax.random.key(0), jnp.ones((1, 2)))["params"]
    noise = draw_noise(jax.random.key(1), 8)
    model = Model(generator, params, jnp.zeros(2), noise, card={"spacing_mm": [2.0, 2.0]})
    path = tmp_path_factory.mktemp("swing") / "model.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MOTIONS, "swing", ROW)
        motion, counts, *_ = fit_motion(made_up_codes(model.num_ws), T)
        save_model(model.with_fit(motion, {}, {"counts": counts}), path)
    return path, counts


@pytest.fixture
def model(fitted, monkeypatch):
    monkeypatch.setitem(MOTIONS, "swing", ROW)
    return load_model(fitted[0])


def test_it_is_fitted_saved_and_loaded(fitted, model):
    path, counts = fitted
    assert counts["swing"] == 4
    assert {"trajectories/swing", "trajectories/swing.skew"} <= read_header(path).shapes.keys()
    kept = model.motion.of(Swing)
    np.testing.assert_allclose(kept.amplitude[0], K, atol=1e-4)
    np.testing.assert_allclose(kept.skew[0], SKEW, atol=1e-4)
    assert model.motion.names[-1] == "swing"


def test_a_package_without_it_keeps_its_tensors(fitted, tmp_path):
    model = load_model(fitted[0])
    assert "swing" not in model.motion.names
    save_model(model, tmp_path / "again.safetensors")
    assert read_header(tmp_path / "again.safetensors").shapes == read_header(fitted[0]).shapes


def test_its_videos_are_rendered(fitted, model, tmp_path):
    video = model.video(0, "swing", 6)
    assert video.shape == (6, 8, 8, 1) and np.abs(video[3] - video[0]).max() > 0.01
    words = ["synthesize", "--model", fitted[0], "--motion", "swing", "--videos", 1]
    words += ["--frames", 6, "--format", "png", "--out", tmp_path]
    result = CliRunner().invoke(gancmri, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0 and (tmp_path / "heart-0000-swing.png").is_file()


def test_it_is_listed_wherever_motions_are(model):
    said = " ".join(CliRunner().invoke(gancmri, ["synthesize", "--help"]).output.split())
    assert "own or swing." in said
    assert motions(model)[-1] == "swing" and explain("swing", model) == "a sine and a cosine"


def test_it_is_measured_beside_real_beats(model, tmp_path):
    parts = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    moving = Ellipses(**parts | {"segmenter": bright_segmenter(2.0)})
    real = Cine(np.stack([disc(r) for r in (20, 18, 15, 16, 19)]), (2.0, 2.0), 20.0, "real")
    results = compare_motions(moving, [real], Journal(tmp_path, {}, print), 2, 10)
    rows = {row["motion"]: row for row in table(results, moving)}
    assert list(rows) == [REAL, *moving.motion.names]
    # By hand: 20 by 24 and by 26 mm, and six less of each at the middle of the beat.
    fac = np.mean([100 * (1 - 14 / 20 * (b - 6) / b) for b in (24, 26)])
    assert rows["swing"]["lv_fac_percent"] == pytest.approx(fac, abs=1.5)
    figures = motion_figures(model.motion, T)["swing"]
    assert figures.peak == pytest.approx(1, abs=0.02) and figures.frame == T // 2

    # Calibration scales it with the others.
    scaled, done = calibrate(moving, 60.0, hearts=1, seed=0)
    before, after = (each.of(Swing).skew for each in (moving.motion, scaled))
    assert done.frame_to_frame > 1.05
    np.testing.assert_allclose(after, done.frame_to_frame * before, rtol=1e-3)
