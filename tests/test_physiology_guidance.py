import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import EdToEs, MeanSteps
from gancmri_jax.model.file import load_model
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import LearnedMotion, Motion
from gancmri_jax.physiology import guidance
from gancmri_jax.physiology.guidance import (
    TOLERANCE,
    Solution,
    Unreachable,
    measure_hearts,
    solve,
    solve_prompt,
)
from gancmri_jax.physiology.phenotypes import measure
from gancmri_jax.physiology.prompt import read_prompt
from gancmri_jax.segmentation.segment import segment
from gancmri_jax.video.render import render_uint8
from tests.tiny_segmenter import bright_segmenter


class Discs:
    """In place of a model: a heart is an ellipse, its half axes in millimetres in ws[0, :2]."""

    __class__ = Model  # what `isinstance` goes by
    resolution, spacing_mm, segmenter = 64, (2.0, 2.0), bright_segmenter(2.0)

    def __init__(self, law=lambda amounts: amounts):
        self.law = law
        self.directions = {
            "lv_area": jnp.array([[1.0, 1.0]]),
            "sphericity_index": jnp.array([[1.0, -1.0]]),
        }

    def insist_grey(self):
        """Ellipses are."""

    def render(self, ws):
        rows, columns = np.mgrid[:64, :64] * 2.0 - 63
        images = []
        for a, b in self.law(np.asarray(ws)[:, 0]):
            radius = np.hypot(rows / a, columns / b) if min(a, b) > 0 else np.full((64, 64), 9.0)
            # Three quarters of the way from dark to bright, where the segmenter looks, lie at 1.
            images.append(np.clip(20 * (1.025 - radius), -1, 1))
        return np.stack(images)[..., None]


def heart(a=20.0, b=30.0):
    return jnp.array([[a, b]], jnp.float32)


def test_an_ellipse_is_measured_by_hand():
    found = measure_hearts(Discs(), jnp.stack([heart(), heart(20, 25)]))
    np.testing.assert_allclose(found["lv_area_ed_cm2"], np.pi * 2 * np.array([3, 2.5]), rtol=0.03)
    np.testing.assert_allclose(found["sphericity_index"], [20 / 30, 20 / 25], rtol=0.03)


def test_a_heart_is_the_same_in_any_company():
    together = measure_hearts(Discs(), jnp.stack([heart(15.0 + i) for i in range(11)]))
    alone = measure_hearts(Discs(), heart(18.0)[None])
    for column, values in together.items():
        assert values[3] == pytest.approx(alone[column][0], rel=1e-5)


def test_no_ventricle_is_no_number():
    found = measure_hearts(Discs(), heart(-1, 30)[None])
    assert np.isnan(found["lv_area_ed_cm2"]).all() and np.isnan(found["sphericity_index"]).all()


def test_an_area_is_found():
    start = measure_hearts(Discs(), heart()[None])["lv_area_ed_cm2"][0]
    solution = solve(Discs(), heart(), {"lv_area_ed_cm2": start * 1.07})
    assert solution.reached["lv_area_ed_cm2"] == pytest.approx(start * 1.07, rel=TOLERANCE)
    (amount,) = solution.amounts.values()
    np.testing.assert_allclose(solution.ws, heart() + amount * jnp.array([[1.0, 1.0]]))
    again = measure_hearts(Discs(), solution.ws[None])["lv_area_ed_cm2"][0]
    assert again == pytest.approx(solution.reached["lv_area_ed_cm2"], rel=1e-5)


def test_a_plateau_does_not_stop_the_search():
    def law(axes):  # the ellipse grows only between 20.5 and 21
        return 20 + 2 * np.clip(axes - 20.5, 0, 0.5) + [0, 10]

    model = Discs(lambda axes: law(axes[:, :1]))
    low, high = measure_hearts(model, jnp.stack([heart(20), heart(24)]))["lv_area_ed_cm2"]
    target = 0.7 * low + 0.3 * high
    assert solve(model, heart(20), {"lv_area_ed_cm2": target}).reached[
        "lv_area_ed_cm2"
    ] == pytest.approx(target, rel=TOLERANCE)


def test_two_targets_are_met_together():
    targets = {"lv_area_ed_cm2": 20.5, "sphericity_index": 0.75}
    solution = solve(Discs(), heart(), targets)
    for column, value in targets.items():
        assert solution.reached[column] == pytest.approx(value, rel=TOLERANCE)
    a, b = np.asarray(solution.ws)[0]
    assert a / b == pytest.approx(0.75, rel=0.05)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({"lv_area_ed_cm2": 90.0}, r"lv_area_ed_cm2 = 90 cannot .* -3 to 4 it measures 14.* to 25"),
        (
            {"lv_area_ed_cm2": 20.0, "sphericity_index": 0.2},
            "cannot be reached together .* nearest",
        ),
        ({"ef_percent": 60.0}, "ef_percent cannot be a target; what can is lv_area_ed_cm2, sph"),
    ],
)
def test_what_cannot_be_reached_is_refused(targets, said):
    with pytest.raises(InputError, match=said):
        solve(Discs(), heart(), targets)


def test_a_jump_over_the_target_is_refused():
    model = Discs(lambda axes: np.where(axes[:, :1] > 21.3, 25.0, 15.0) + [0, 10])
    with pytest.raises(InputError, match="cannot be reached"):
        solve(model, heart(), {"lv_area_ed_cm2": 20.0})


def test_a_heart_without_a_ventricle_is_refused():
    model = Discs(lambda axes: -np.ones_like(axes))
    for targets in ({"lv_area_ed_cm2": 20.0}, {"lv_area_ed_cm2": 20.0, "sphericity_index": 0.6}):
        with pytest.raises(InputError, match="no left ventricle is found"):
            solve(model, heart(), targets)


def test_a_prompt_moves_a_heart():
    start = measure_hearts(Discs(), heart()[None])["lv_area_ed_cm2"][0]
    for words, target in (("LV 10 % larger", 1.1 * start), ("LV area 20 cm2", 20.0)):
        reached = solve_prompt(Discs(), heart(), read_prompt(words)).reached
        assert reached["lv_area_ed_cm2"] == pytest.approx(target, rel=TOLERANCE)


def test_a_range_is_met_by_its_middle_or_else_near_its_end():
    reached = solve_prompt(Discs(), heart(), read_prompt("LV between 16 and 22 cm2")).reached
    assert 18.8 < reached["lv_area_ed_cm2"] < 19.5  # it was there
    reached = solve_prompt(Discs(), heart(), read_prompt("LV 20 to 24 cm2")).reached
    assert reached["lv_area_ed_cm2"] == pytest.approx(22, rel=TOLERANCE)
    reached = solve_prompt(Discs(), heart(), read_prompt("LV 20 to 40 cm2")).reached
    assert reached["lv_area_ed_cm2"] == pytest.approx(25, rel=TOLERANCE)  # 30 is out of reach


def test_a_heart_that_is_as_asked_stays():
    solution = solve_prompt(Discs(), heart(), read_prompt("LV between 16 and 22 cm2"))
    np.testing.assert_array_equal(solution.ws, heart())
    assert solution.amounts == {} and str(solution).endswith("; as it was")


def test_prompts_beyond_the_directions_are_refused():
    with pytest.raises(InputError, match="wall 12 mm cannot be reached yet; what can is LV"):
        solve_prompt(Discs(), heart(), read_prompt("LV 20 cm2, wall 12 mm, 90 bpm"))
    with pytest.raises(InputError, match="EF 5 points less than before cannot be reached"):
        solve_prompt(Discs(), heart(), read_prompt("EF 5 points lower than before"))
    with pytest.raises(InputError, match="ES area 10 cm² cannot be reached"):
        solve_prompt(Discs(), heart(), read_prompt("ES area 10 cm2"))
    with pytest.raises(Unreachable, match="lv_area_ed_cm2 = 95 cannot"):
        solve_prompt(Discs(), heart(), read_prompt("LV 95 cm2"))
    empty = Discs(lambda axes: -np.ones_like(axes))
    with pytest.raises(Unreachable, match="no left ventricle is found"):
        solve_prompt(empty, heart(), read_prompt("LV 20 % larger"))


def test_what_measuring_needs_is_named():
    lost = Discs()
    lost.segmenter = None
    with pytest.raises(InputError, match="the model has no segmenter"):
        measure_hearts(lost, heart()[None])
    lost = Discs()
    lost.spacing_mm = None
    with pytest.raises(InputError, match="the model has no spacing on its card"):
        measure_hearts(lost, heart()[None])
    lost = Discs()
    del lost.directions["lv_area"]
    with pytest.raises(InputError, match="no lv_area among its directions"):
        solve(lost, heart(), {"lv_area_ed_cm2": 20.0})


@pytest.mark.slow
def test_a_guided_heart_keeps_its_phenotype_through_the_video():
    model = load_model("demo")
    start = model.at_ed(model.sample(1))
    target = 0.9 * measure_hearts(model, start[None])["lv_area_ed_cm2"][0]
    solution = solve(model, start, {"lv_area_ed_cm2": target})
    np.testing.assert_allclose(solution.ws, model.adjust(start, solution.amounts), atol=1e-4)
    path = model.beat(solution.ws, Motion(num_frames=8))
    np.testing.assert_allclose(path[0], solution.ws, atol=1e-4)
    pixels = render_uint8(model, path)
    cine = Cine(pixels, model.spacing_mm, model.frame_ms, "guided")
    found = measure(cine, segment(model.segmenter, cine))
    # The video's frames are windowed together, the heart on its own.
    assert found.phenotypes["lv_area_ed_cm2"] == pytest.approx(target, rel=0.03)
    assert found.areas_cm2[0] > found.areas_cm2[3]


def test_directions_have_the_names_that_fit_gives_them():
    from gancmri_jax.fitting.directions import direction_name

    for column, name in guidance.DIRECTIONS.items():
        assert direction_name(column) == name


def test_a_solution_is_told_in_one_line():
    solution = Solution(heart(), {"lv_area": -0.314}, {"lv_area_ed_cm2": 28.0123})
    assert str(solution) == "lv_area_ed_cm2 28.01; moved by lv_area -0.31"
    beat = Solution(heart(), {}, {"lv_fac_percent": 30.2}, Motion(depth=0.8))
    assert str(beat) == "lv_fac_percent 30.2; motion × 0.80"


class Beating(Discs):
    """Discs that lose 6 mm of each axis on their way to ES."""

    k = jnp.full((1, 2), -6.0)
    motion = LearnedMotion((EdToEs(k), MeanSteps(jnp.stack([k / 10] * 10 + [-k / 15] * 14))))

    def beat(self, start, motion=None):
        return self.motion.path(start, motion or Motion())


def fac_by_hand(solution):
    path = np.asarray(Beating().beat(solution.ws, solution.motion))[:, 0]
    areas = path.prod(axis=1)
    return 100 * (1 - areas.min() / areas[0])


def test_a_beat_is_made_shallower_or_deeper():
    for fac in (20.0, 55.0):
        solution = solve(Beating(), heart(), {"lv_fac_percent": fac})
        assert solution.reached["lv_fac_percent"] == pytest.approx(fac, abs=2)
        assert fac_by_hand(solution) == pytest.approx(fac, abs=3)
        assert (solution.motion.depth < 1) == (fac < 40)
        np.testing.assert_array_equal(solution.ws, heart())


def test_a_beat_deeper_than_any_is_refused():
    with pytest.raises(Unreachable, match="lv_fac_percent = 99 cannot be .*: by its motion times"):
        solve(Beating(), heart(30, 31), {"lv_fac_percent": 99})


def test_size_depth_and_timing_are_met_together():
    targets = {"lv_fac_percent": 30.0, "heart_rate_bpm": 90.0, "lv_area_ed_cm2": 22.0}
    solution = solve(Beating(), heart(), targets, Motion(num_frames=20))
    assert list(solution.reached) == list(targets)
    assert solution.reached["lv_area_ed_cm2"] == pytest.approx(22, rel=TOLERANCE)
    assert fac_by_hand(solution) == pytest.approx(30, abs=3)
    assert solution.motion.frame_ms == pytest.approx(60_000 / 90 / 20)


def test_what_follows_from_a_prompt_is_reached():
    """EF 30 % is a FAC of about 21 %."""
    solution = solve_prompt(Beating(), heart(), read_prompt("EF 30 %, 90 bpm, early ES"))
    assert solution.reached["lv_fac_percent"] == pytest.approx(20.8, abs=2)
    assert solution.motion.heart_rate_bpm == 90
    assert 22 < solution.motion.es_percent < 31


def test_a_beat_that_is_as_asked_stays():
    before = fac_by_hand(Solution(heart(), {}, {}))
    prompt = read_prompt(f"FAC {before - 6:.0f} to {before + 6:.0f} %")
    solution = solve_prompt(Beating(), heart(), prompt)
    assert solution.motion == Motion() and solution.amounts == {}
    faster = solve_prompt(Beating(), heart(), read_prompt("10 bpm faster than before"))
    assert faster.motion.heart_rate_bpm > 40 and faster.motion.depth == 1
