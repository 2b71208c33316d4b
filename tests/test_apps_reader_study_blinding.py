import numpy as np
import pytest
import scipy.ndimage

from gancmri_jax.apps.reader_study.blinding import (
    REAL,
    Verdict,
    as_json,
    auc,
    check,
    detail,
    from_json,
    judge,
    noise,
    relative_step,
    statistics,
    step_sizes,
)
from gancmri_jax.apps.reader_study.create import _new_file
from gancmri_jax.apps.reader_study.matching import match
from gancmri_jax.apps.reader_study.store import Study, add_stimulus, open_study, write_study

SIDE, FRAMES, EACH = 32, 20, 24


def heart(rng, closed):
    """A smooth disc that beats; open ones lack two frames at the end."""
    row, column = np.indices((SIDE, SIDE))
    centre = SIDE * rng.uniform(0.4, 0.6, 2)
    radius = np.hypot(row - centre[0], column - centre[1])
    phase = 2 * np.pi * np.arange(FRAMES) / (FRAMES + (0 if closed else 2))
    beat = 0.06 if closed else 0.066  # so that each step is as large
    sizes = SIDE * (0.28 + beat * np.cos(phase + rng.uniform(-0.2, 0.2)) + rng.normal(0, 0.01))
    disc = 1 / (1 + np.exp(radius - sizes[:, None, None]))
    wall = np.exp(-((radius - 1.6 * sizes[:, None, None]) ** 2) / 12)
    return disc + 0.4 * wall + 0.15 * rng.random() + 0.1 * np.sin(column / 5 + rng.uniform(0, 6))


def clip(rng, kind):
    frames = heart(rng, closed=kind == REAL)
    if kind == REAL:  # noisy, its black lifted
        frames = frames + rng.normal(0, 0.08, frames.shape)
        low, high = np.quantile(frames, (0.001, 0.99))
    else:  # smooth, and much of it black
        frames = scipy.ndimage.gaussian_filter(frames, (0, 1, 1))
        low, high = np.quantile(frames, (0.25, 0.999))
    return np.round(np.clip((frames - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def make(path, kind="videos"):
    study = Study(
        kind=kind,
        synthetic=("fake",),
        size=SIDE,
        num_frames=FRAMES if kind == "videos" else 1,
        beat_ms=1000.0,
        items=EACH,
        repeats=0,
        seed=3,
        page_token="",
        sources={},
        created="",
    )
    connection = _new_file(path)
    write_study(connection, study)
    rng = np.random.default_rng(0)
    for name in study.kinds:
        for number in range(EACH):
            pixels = clip(rng, name)[: study.num_frames]
            add_stimulus(connection, name, f"{name}-{number}", None, pixels)
    connection.commit()
    return connection, study


@pytest.mark.parametrize("kind", ["videos", "pairs"])
def test_what_gives_kinds_away_is_named_and_evened_out(tmp_path, kind):
    connection, study = make(tmp_path / "study.db", kind)
    before = check(connection, study)["fake"]
    assert before.auc > 0.99 and before.is_telling
    assert {"black share", "fine detail"} & set(list(before.single)[:4])
    matched, target = match(connection, study, lambda steps, _: steps)
    assert matched.num_frames == (18 if kind == "videos" else 1)
    lengths = connection.execute("SELECT DISTINCT length(pixels) FROM stimulus").fetchall()
    assert lengths == [(matched.num_frames * SIDE**2,)]
    after = check(connection, matched)["fake"]
    for name in ("black share", "white share"):
        assert after.medians[name][0] == pytest.approx(after.medians[name][1], abs=0.03)
    name = "noise in time" if kind == "videos" else "noise"
    assert after.medians[name][0] == pytest.approx(after.medians[name][1], rel=0.1)
    assert after.medians[name][1] == pytest.approx(target.noise, rel=0.1)
    # Shuffled labels reach 0.7; a single frame shows little of how noisy it was before.
    assert after.auc < {"videos": 0.78, "pairs": 0.85}[kind]
    connection.close()


def test_matching_again_from_the_same_seed_gives_the_same_clips(tmp_path):
    pixels = []
    for name in ("a", "b"):
        connection, study = make(tmp_path / name, "pairs")
        match(connection, study, lambda steps, _: steps)
        pixels.append(connection.execute("SELECT pixels FROM stimulus").fetchall())
        connection.close()
    assert pixels[0] == pixels[1]


def test_the_area_under_the_curve_counts_pairs():
    labels = np.array([True, True, False, False])
    assert auc(np.array([3.0, 2.0, 1.0, 0.0]), labels) == 1
    assert auc(np.array([3.0, 1.0, 2.0, 1.0]), labels) == 0.625  # 2.5 of 4
    assert np.isnan(auc(np.zeros(2), labels[:2]))


def test_noise_and_the_last_step_are_measured():
    rng = np.random.default_rng(0)
    frames = (100 + 5 * rng.standard_normal((20, 64, 64))).astype(np.float32)
    assert noise(frames) == pytest.approx(5, rel=0.02)
    assert noise(frames[:1]) == pytest.approx(5, rel=0.05)
    assert detail(scipy.ndimage.gaussian_filter(frames, (0, 2, 2))) < 0.5 * detail(frames)
    ramp = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 20, 24), np.float32)
    np.testing.assert_allclose(step_sizes(ramp), [1, 1, 1, 1, 1, 5], rtol=1e-6)
    assert relative_step(step_sizes(ramp)) == pytest.approx(5)
    black = statistics(np.zeros((3, 20, 20), np.uint8))
    assert black["black share"] == 1 and black["white share"] == black["grey levels"] == 0


def test_equal_kinds_are_not_told_apart_and_few_are_not_judged():
    rng = np.random.default_rng(1)
    real, fake = rng.standard_normal((2, 60, 5))
    names, subjects = list("abcde"), [str(i) for i in range(60)]
    verdict = judge(names, real, fake, (subjects, subjects), np.random.default_rng(0))
    assert abs(verdict.auc - 0.5) < 0.2 and 0.5 < verdict.chance < 0.75
    fake[:, 2] += 3
    verdict = judge(names, real, fake, (subjects, subjects), np.random.default_rng(0))
    assert verdict.auc > 0.95 and next(iter(verdict.single)) == "c" and verdict.is_telling
    assert str(verdict).startswith("AUC ") and "most by c (0.9" in str(verdict)
    few = judge(names, real[:3], fake[:3], (list("abc"), list("abc")), np.random.default_rng(0))
    assert np.isnan(few.auc) and not few.is_telling


def test_frames_of_one_subject_are_held_out_together():
    """What marks a subject, and not a kind, does not count."""
    rng = np.random.default_rng(2)
    marks = rng.standard_normal((16, 8)).repeat(10, axis=0)
    subjects = np.arange(16).repeat(10).astype(str).tolist()
    verdict = judge(
        list("abcdefgh"),
        marks[:80],
        marks[80:],
        (subjects[:80], subjects[80:]),
        np.random.default_rng(0),
    )
    assert verdict.auc < verdict.chance


def test_verdicts_are_kept_in_the_study(tmp_path):
    verdict = Verdict(0.9, 0.6, {"a": 0.8}, {"a": (1.0, 2.0)})
    (kept,) = from_json(as_json({"fake": verdict})).values()
    assert kept == verdict


def test_create_warns_and_match_is_recorded(tmp_path):
    from gancmri_jax.apps.reader_study.create import create_study
    from gancmri_jax.apps.reader_study.items import Plan
    from gancmri_jax.cine.nifti import write_nifti

    rng = np.random.default_rng(0)
    for kind in (REAL, "fake"):
        (tmp_path / kind).mkdir()
        for number in range(12):
            path = tmp_path / kind / f"{kind}{number}.nii.gz"
            write_nifti(path, clip(rng, kind), (2.0, 2.0), 40.0)
    said = []
    for asked in ({}, {"match": True}):
        out = tmp_path / f"study{len(said)}.db"
        plan = Plan("videos", tmp_path / REAL, {"fake": tmp_path / "fake"}, 12, 2, 0, **asked)
        study, _ = create_study(out, plan, 1, say=said.append, progress=lambda steps, _: steps)
        with open_study(out) as connection:
            (length,) = connection.execute(
                "SELECT DISTINCT length(pixels) FROM stimulus"
            ).fetchone()
        assert length == study.num_frames * study.size**2
    assert said[0].startswith("warning: image statistics alone distinguish real hearts from fake")
    assert "`--match` evens out window, black level, noise" in said[0]
    assert any("before --match" in line and "after" in line for line in said[1:])
    assert set(study.blinding) == {"before", "after", "target"} and study.num_frames == 18
