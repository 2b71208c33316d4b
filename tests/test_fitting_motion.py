import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes, concatenate
from gancmri_jax.latents.directions import regression
from gancmri_jax.model.fit import (
    direction_name,
    fit_directions,
    fit_motion,
    motion_figures,
    to_float16,
    with_fit,
)
from tests.tiny import tiny_model


def make_codes(ws, ed=0, es=1, subjects=None):
    """Codes [video frame 1 1] from plain numbers, all valid."""
    ws = np.array(ws, np.float32)[:, :, None, None]
    videos, frames = ws.shape[:2]
    return Codes(
        ws=ws,
        valid=np.ones((videos, frames), bool),
        distances=np.zeros((videos, frames), np.float32),
        num_frames=np.full(videos, frames),
        ed_frame=np.full(videos, ed),
        es_frame=np.full(videos, es),
        subjects=subjects or [f"s{v}" for v in range(videos)],
    )


def test_motion_by_hand():
    codes = make_codes([[0, 4, 2, 1], [10, 16, 14, 11]])
    trajectories, counts, _ = fit_motion(codes, num_frames=4)
    np.testing.assert_allclose(trajectories["ed_to_es"], [[5]])
    np.testing.assert_allclose(trajectories["frame_to_frame"][:, 0, 0], [5, -2, -2])
    assert counts == {"ed_to_es": 2, "frame_to_frame": 2, "aligned": 2}


def test_a_video_of_other_length_is_read_round_its_beat():
    trajectories = fit_motion(make_codes([[0, 4, 8, 4]], es=2), num_frames=8).trajectories
    steps = trajectories["frame_to_frame"][:, 0, 0]
    np.testing.assert_allclose(steps, [2, 2, 2, 2, -2, -2, -2])


def test_the_beat_starts_at_the_ed_frame():
    trajectories = fit_motion(make_codes([[4, 2, 0, 7]], ed=2, es=0), num_frames=4).trajectories
    np.testing.assert_allclose(trajectories["frame_to_frame"][:, 0, 0], [7, -3, -2])


def test_videos_with_pairs_only_count_for_ed_to_es_alone():
    pairs = make_codes([[0, 8, 0, 0]], subjects=["pair"])
    whole = make_codes([[0, 4, 2, 1]])
    pairs.valid[0, 2:] = False
    trajectories, counts, _ = fit_motion(concatenate([pairs, whole]), num_frames=4)
    np.testing.assert_allclose(trajectories["ed_to_es"], [[6]])
    np.testing.assert_allclose(trajectories["frame_to_frame"][:, 0, 0], [4, -2, -1])
    assert counts == {"ed_to_es": 2, "frame_to_frame": 1, "aligned": 1}


def test_studies_of_unequal_length_are_padded_as_invalid():
    joined = concatenate([make_codes([[1, 2]]), make_codes([[3, 4, 5]], subjects=["other"])])
    assert joined.ws.shape == (2, 3, 1, 1) and list(joined.valid[0]) == [True, True, False]
    assert list(joined.num_frames) == [2, 3]


def test_a_subject_counts_from_the_first_study_that_has_it():
    first = make_codes([[1, 2], [3, 4]], subjects=["a", "a"])
    second = make_codes([[5, 6], [7, 8]], subjects=["b", "a"])
    joined = concatenate([first, second])
    assert joined.subjects == ["a", "a", "b"]
    np.testing.assert_array_equal(joined.ws[:, 0, 0, 0], [1, 3, 5])


def test_no_pair_is_an_error():
    codes = make_codes([[0, 1]])
    codes.valid[0, 1] = False
    with pytest.raises(InputError, match="ED and its ES"):
        fit_motion(codes)


def test_directions_by_hand_and_missing_values():
    codes = make_codes([[1, 0], [3, 0], [10, 0], [99, 0], [50, 0]])
    table = {
        "s0": {"es_frame": 5, "lv_area_ed_cm2": 20.0, "ef_percent": 50.0},
        "s1": {"es_frame": 5, "lv_area_ed_cm2": 22.0, "ef_percent": 60.0},
        "s2": {"es_frame": 5, "lv_area_ed_cm2": 30.0, "ef_percent": float("nan")},
        "unprojected": {"es_frame": 5, "lv_area_ed_cm2": 30.0, "ef_percent": 1.0},
    }
    directions, counts = fit_directions(codes, table)
    np.testing.assert_allclose(directions["lv_area"], [[10 - 2]])
    np.testing.assert_allclose(directions["ef"], [[3 - 1]])
    assert counts == {"lv_area": 3, "ef": 2}
    assert set(fit_directions(codes, table, ["ef"])[0]) == {"ef"}


def test_a_column_without_two_values_gives_no_direction():
    table = {"s0": {"ef_percent": 5.0, "mass_g": 1.0}, "s1": {"ef_percent": 6.0, "mass_g": 1.0}}
    assert set(fit_directions(make_codes([[0, 1], [2, 3]]), table)[0]) == {"ef"}


@pytest.mark.parametrize(
    ("table", "only", "said"),
    [
        ({"nobody": {"ef_percent": 1.0}}, (), "no projected subject"),
        ({"s0": {"ef_percent": 1}, "s1": {"ef_percent": 1}}, ("ef",), "ef: all values are alike"),
        ({"s0": {"ef_percent": float("nan")}}, ("ef",), "ef: 0 of 1 projected subjects have a"),
        ({"s0": {"ef_percent": 1.0}}, ("lv_mass",), "unknown phenotype lv_mass; the table has ef"),
    ],
)
def test_bad_phenotypes_are_refused(table, only, said):
    with pytest.raises(InputError, match=said):
        fit_directions(make_codes([[0, 1], [2, 3]]), table, only)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("lv_area_ed_cm2", "lv_area"),
        ("lv_area_es_cm2", "lv_area_es"),
        ("sphericity_index", "sphericity_index"),
        ("ef_percent", "ef"),
        ("heart_rate_bpm", "heart_rate"),
    ],
)
def test_a_directions_name_has_no_unit(column, name):
    assert direction_name(column) == name


def test_the_fit_stands_on_the_card():
    model = with_fit(tiny_model(), {}, {"ef": np.zeros((6, 8))}, {"counts": {"ef": 3}})
    assert model.card == {"note": "for tests", "fit": {"counts": {"ef": 3}}}
    assert set(model.directions) == {"lv_area", "ef"}


def wave(num_frames, es_frame, depth):
    """A beat of plain numbers that goes to `depth` by its ES frame, and back."""
    frames = np.arange(num_frames)
    there, back = frames / es_frame, (num_frames - frames) / (num_frames - es_frame)
    return depth * np.sin(np.pi / 2 * np.where(frames <= es_frame, there, back)) ** 2


def test_systole_is_brought_together_before_averaging():
    beats = [wave(40, es, 1.0) for es in (12, 16, 20)]
    codes = make_codes(beats)
    codes.es_frame[:] = [12, 16, 20]
    trajectories, counts, _ = fit_motion(codes, 40)
    figures = motion_figures(trajectories, 40)
    assert counts["aligned"] == 3 and "conditioned" not in counts
    assert figures["aligned"].peak > figures["mean"].peak + 0.03
    assert figures["aligned"].frame == 16
    assert figures["published"].peak == pytest.approx(0.95)  # 19/20, by frame 19
    assert figures["mean"].closure == pytest.approx(abs(beats[1][-1]) * 40 / 2, rel=0.5)


def test_the_fit_learns_how_the_beat_depends_on_its_start():
    starts = np.linspace(-1, 1, 9)
    codes = make_codes([s + wave(40, 16, 2.0 + s) for s in starts], es=16)
    trajectories, counts, _ = fit_motion(codes, 40)
    assert counts["conditioned"] == 9
    shapes = {name: array.shape for name, array in trajectories.items()}
    assert shapes["conditioned"] == (3, 13, 1, 1) and shapes["conditioned_axes"] == (4, 1, 1)


def test_a_heart_whose_es_is_its_ed_does_not_disturb_alignment():
    codes = make_codes([wave(20, 8, 1.0), wave(20, 8, 1.0)], es=8)
    codes.es_frame[1] = 0
    assert fit_motion(codes, 20).counts["aligned"] == 1


def test_too_few_frames_leave_out_the_papers_cleaning():
    trajectories = fit_motion(make_codes([wave(20, 8, 1.0)], es=8), 20).trajectories
    assert "pca_residual" not in motion_figures(trajectories, 20)
    trajectories = fit_motion(make_codes([wave(40, 16, 1.0)], es=16), 40).trajectories
    assert "pca_residual" in motion_figures(trajectories, 40)


def test_regression_instead_of_means():
    codes = make_codes([[1, 0], [3, 0], [10, 0], [99, 0]])
    table = {f"s{v}": {"lv_area_ed_cm2": a} for v, a in enumerate((20.0, 22.0, 30.0, 60.0))}
    directions, _ = fit_directions(codes, table, how="regression")
    values = np.array([20.0, 22.0, 30.0, 60.0])
    np.testing.assert_allclose(directions["lv_area"], regression(codes.ws[:, 0], values))


def test_orthogonal_directions():
    rng = np.random.default_rng(0)
    size, shape = rng.normal(size=(2, 40))
    ws = size[:, None] * [1.0, 0.0, 0.0] + shape[:, None] * [0.6, 1.0, 0.0]
    codes = make_codes(np.zeros((40, 2)))
    codes = dataclasses.replace(codes, ws=np.float32(ws[:, None, None].repeat(2, axis=1)))
    table = {f"s{v}": {"size": size[v], "shape": shape[v]} for v in range(40)}
    plain, _ = fit_directions(codes, table)
    upright, _ = fit_directions(codes, table, orthogonal=True)
    a, b = (np.asarray(upright[name]).ravel() for name in ("size", "shape"))
    assert abs(a @ b) < 1e-4 * np.linalg.norm(a) * np.linalg.norm(b)
    for name in ("size", "shape"):
        lengths = [np.linalg.norm(directions[name]) for directions in (plain, upright)]
        assert lengths[0] == pytest.approx(lengths[1], rel=1e-4)


def test_directions_that_are_the_same_cannot_be_orthogonal():
    codes = make_codes([[1, 0], [3, 0], [10, 0]])
    table = {f"s{v}": {"area": v, "volume": v * v} for v in range(3)}
    with pytest.raises(InputError, match="area, volume: directions that are all but the same"):
        fit_directions(codes, table, orthogonal=True)


def test_half_the_size():
    trajectories = fit_motion(make_codes([wave(20, 8, 1.0)], es=8), 20).trajectories
    assert {array.dtype for array in to_float16(trajectories).values()} == {np.dtype("float16")}


def test_a_new_fit_leaves_no_motion_of_the_last_one():
    model = with_fit(tiny_model(), {"ed_to_es": np.zeros((6, 8))}, {}, {})
    assert list(model.trajectories) == ["ed_to_es"] and list(model.directions) == ["lv_area"]


def test_rows_that_rounding_alone_tells_apart_become_alike():
    row = jnp.linspace(-1.0, 1.0, 16)[None, None]
    rows = jnp.repeat(row, 3, axis=1)
    near, far = rows.at[0, 1, 3].add(1e-4), rows.at[0, 1, 3].add(1e-2)
    kept = to_float16({"near": near, "far": far})
    np.testing.assert_array_equal(kept["near"], rows.astype(jnp.float16))
    np.testing.assert_array_equal(kept["far"], far.astype(jnp.float16))
    # Each code is looked at by itself: a small one after a large one keeps what its rows tell.
    both = jnp.concatenate([near, 1e-3 * far])
    kept = to_float16({"both": both})["both"]
    np.testing.assert_array_equal(kept, both.at[0].set(rows[0]).astype(jnp.float16))
