import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import making
from gancmri_jax.fitting import fit as fitting
from gancmri_jax.fitting import motion as fitting_motion
from gancmri_jax.fitting.calibration import Calibration
from gancmri_jax.latents.codes import Codes, chunked
from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.motions import Aligned
from gancmri_jax.model.file import load_model, save_model
from tests.tiny import tiny_model

TABLE = """subject,ed_frame,es_frame,lv_area_ed_cm2,sphericity_index,sex
{rows}
"""


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(tiny_model(), path)
    return path


@pytest.fixture
def fit(model_file, monkeypatch, tmp_path):
    """Return what runs `gancmri fit` on eight made-up beats of 40 frames."""
    rng = np.random.default_rng(0)
    size, shape = rng.normal(size=(2, 8))
    model = load_model(model_file)
    phase = np.sin(np.pi * np.arange(40) / 40) ** 2
    k, along_size, along_shape = rng.normal(size=(3, model.w_dim))
    w = size[:, None, None] * along_size + shape[:, None, None] * along_shape
    w = w + phase[None, :, None] * k + 0.02 * rng.normal(size=(8, 40, model.w_dim))
    codes = Codes(
        ws=np.repeat(w[:, :, None], model.num_ws, axis=2).astype(np.float32),
        valid=np.ones((8, 40), bool),
        distances=np.full((8, 40), 0.1, np.float32),
        num_frames=np.full(8, 40),
        ed_frame=np.zeros(8, int),
        es_frame=np.full(8, 20),
        subjects=[f"s{v}" for v in range(8)],
    )
    provenance = {"model": model.fingerprint}
    monkeypatch.setattr(fitting, "open_latents", lambda path: (chunked(codes), provenance))
    rows = [f"s{v},0,20,{30 + size[v]},{0.5 + 0.1 * shape[v]},1" for v in range(8)]
    table = tmp_path / "phenotypes.csv"
    table.write_text(TABLE.format(rows="\n".join(rows)))

    def run(*words):
        options = ["--model", model_file, "--latents", "z", "--phenotypes", table]
        options += ["--frames", 40, "--out", tmp_path / "out.safetensors", *words]
        result = CliRunner().invoke(gancmri, ["fit", *map(str, options)])
        return result, tmp_path / "out.safetensors"

    run.codes, run.provenance = codes, provenance
    return run


def test_every_motion_is_learned_told_and_kept(fit):
    result, out = fit()
    assert result.exit_code == 0, result.output
    model = load_model(out)
    assert set(model.trajectories) == {
        *("ed_to_es", "frame_to_frame", "aligned", "conditioned", "conditioned_axes"),
        "contraction",
    }
    told = {line.split()[0]: line.split() for line in result.output.splitlines() if line.strip()}
    assert told["mean"][1:3] == ["100%", "20"] and told["published"][1] == "95%"
    assert model.card["fit"]["motions"]["aligned"]["frame"] == 20
    assert model.card["fit"]["directions"] == "means"
    for name in ("aligned", "conditioned", "pca_residual"):
        assert np.isfinite(model.video(0, name, 8)).all()
    # sex is the same for all, and gives no direction.
    assert "lv_area (8 videos), sphericity_index (8 videos)" in result.output
    assert "sex" not in model.directions


def test_codes_that_foretell_no_contraction_leave_the_papers_share(fit, monkeypatch):
    monkeypatch.setattr(
        fitting_motion, "fit_contraction", lambda ws, k: (Linear(ws[0, 0], k), -0.1)
    )
    result, out = fit()
    assert result.exit_code == 0, result.output
    assert "contraction: not learned, so every heart starts at w − 0.7 k_ED→ES" in result.output
    model = load_model(out)
    assert model.motion.contraction is None
    assert "contraction_explained" not in model.card["fit"]


def test_directions_by_regression_at_right_angles(fit):
    both = ("--phenotype", "lv_area", "--phenotype", "sphericity_index")
    result, out = fit("--directions", "regression", "--orthogonal", *both)
    assert result.exit_code == 0, result.output
    model = load_model(out)
    a, b = (np.float32(model.directions[n]).ravel() for n in ("lv_area", "sphericity_index"))
    assert abs(a @ b) < 1e-2 * np.linalg.norm(a) * np.linalg.norm(b)
    assert model.card["fit"]["directions"] == "regression, orthogonal"


def test_calibrated_motion_is_kept_and_told(fit, tmp_path, monkeypatch):
    table = tmp_path / "phenotypes.csv"
    head, *rows = table.read_text().splitlines()
    wanted = [f"{row},{30 + number}" for number, row in enumerate(rows)]
    table.write_text("\n".join([f"{head},lv_fac_percent", *wanted]))
    asked = []

    def lengthen(model, fac_percent):
        asked.append(fac_percent)
        return model.motion.scaled(2, 2), Calibration(2.0, 2.5, 0.75)

    monkeypatch.setattr(fitting, "calibrate", lengthen)
    plain = load_model(fit()[1]).motion
    result, out = fit("--calibrate")
    assert result.exit_code == 0, result.output
    assert asked == [33.5]
    model = load_model(out)
    points, before = (motion.of(Aligned).points for motion in (model.motion, plain))
    np.testing.assert_allclose(points, 2 * before, rtol=1e-3)
    told = {"lv_fac_percent": 33.5, "ed_to_es": 2.0, "frame_to_frame": 2.5, "depth_explained": 0.75}
    assert model.card["fit"]["calibrated"] == told
    assert "33.5 %: ed_to_es × 2.00, frame_to_frame × 2.50; correction per heart: " in result.output
    assert "cross-validated R² = 0.75" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--phenotype", "lv_mass"), "unknown phenotype lv_mass; the table has lv_area"),
        (("--phenotype", "sex"), "phenotype sex: all values are alike"),
        (("--calibrate",), "phenotypes.csv: calibration needs the lv_fac_percent of at least one"),
        (("--orthogonal",), "--orthogonal needs at least two phenotypes"),
        (("--orthogonal", "--phenotype", "lv_area"), "--orthogonal needs at least two"),
    ],
)
def test_bad_phenotypes_are_one_line(fit, words, said):
    result, out = fit(*words)
    assert result.exit_code != 0 and not out.exists()
    assert said in (result.output if result.exit_code == 2 else str(result.exception))


def test_codes_of_another_model_are_refused(fit):
    fit.provenance["model"] = "another"
    result, out = fit()
    assert isinstance(result.exception, InputError) and not out.exists()
    assert "z: contains codes of another model; project again" in str(result.exception)


def test_a_rerun_of_the_paper_fits_as_the_verb_does(fit, model_file, tmp_path, monkeypatch):
    result, by_verb = fit("--frames", 50)
    assert result.exit_code == 0, result.output
    monkeypatch.setattr(making, "read_latents", lambda path: (fit.codes, fit.provenance))
    model, path = load_model(model_file), tmp_path / "rerun.safetensors"
    table = tmp_path / "phenotypes.csv"
    told = making.fit_model(model, tmp_path, table, (2.0, 2.0), path)
    rerun, verb = load_model(path), load_model(by_verb)
    assert rerun.card["spacing_mm"] == [2.0, 2.0]
    for name in ("counts", "contraction_explained", "mean_distance", "directions", "motions"):
        assert rerun.card["fit"][name] == verb.card["fit"][name]
    for which in ("trajectories", "directions"):
        ours, theirs = getattr(rerun, which), getattr(verb, which)
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            assert array.dtype == np.float16
            np.testing.assert_array_equal(array, theirs[name])
    aligned = verb.card["fit"]["motions"]["aligned"]
    assert told["retained_motion"] == pytest.approx(aligned["peak"], abs=1e-4)
    assert told["at_frame"] == aligned["frame"] + 1


def test_calibration_without_a_table_is_refused(fit, model_file, tmp_path):
    out = tmp_path / "none.safetensors"
    with pytest.raises(InputError, match="no phenotype table given: calibration needs the lv_fac"):
        fitting.fit(load_model(model_file), [tmp_path], out, fitting.FitOptions(calibrate=True))
    assert not out.exists()


def test_flagged_subjects_are_left_out_and_listed(fit, tmp_path):
    table = tmp_path / "phenotypes.csv"
    head, *rows = table.read_text().splitlines()
    flags = ["", "curve;scale", "", "", "pieces", "", "", ""]
    flagged = [f"{row},{text}" for row, text in zip(rows, flags, strict=True)]
    table.write_text("\n".join([f"{head},flags", *flagged]))
    result, out = fit()
    assert result.exit_code == 0, result.output
    assert (
        "left out 2 subjects whose segmentation is flagged: s1 (curve;scale), s4 (pieces); "
        in result.output
    )
    assert "lv_area (6 videos)" in result.output
    assert load_model(out).card["fit"]["flagged_left_out"] == 2
    table.write_text("\n".join([f"{head},flags", *(f"{row},curve" for row in rows)]))
    out.unlink()
    result, out = fit()
    assert "phenotypes.csv: all projected subjects are flagged" in str(result.exception)
    assert not out.exists()
