import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.fitting.directions import direction_name, fit_directions
from gancmri_jax.latents.directions import regression
from tests.test_fitting_motion import make_codes


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


def test_regression_instead_of_means():
    codes = make_codes([[1, 0], [3, 0], [10, 0], [99, 0]])
    table = {f"s{v}": {"lv_area_ed_cm2": a} for v, a in enumerate((20.0, 22.0, 30.0, 60.0))}
    directions, _ = fit_directions(codes, table, how="regression")
    values = np.array([20.0, 22.0, 30.0, 60.0])
    np.testing.assert_allclose(
        directions["lv_area"], regression(jnp.asarray(codes.ws[:, 0]), values)
    )


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


def test_bounds_and_phases_give_no_directions():
    rows = [
        {
            "es_frame": 5.0,
            "es_phase_frames": 5.0 + v / 4,
            "lv_area_ed_cm2": 20.0 + v,
            "lv_area_ed_cm2_low": 19.0 + v,
            "lv_area_ed_cm2_high": 21.0 + v,
        }
        for v in range(2)
    ]
    table = {f"s{v}": row for v, row in enumerate(rows)}
    assert set(fit_directions(make_codes([[0, 1], [2, 3]]), table)[0]) == {"lv_area"}
