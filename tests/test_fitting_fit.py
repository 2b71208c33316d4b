import jax.numpy as jnp
import numpy as np

from gancmri_jax.fitting.fit import to_float16
from gancmri_jax.fitting.motion import fit_motion
from gancmri_jax.latents.motions import EdToEs
from gancmri_jax.model.motion import LearnedMotion, to_tensors
from tests.test_fitting_motion import make_codes, wave
from tests.tiny import tiny_model


def test_the_fit_stands_on_the_card():
    model = tiny_model().with_fit(LearnedMotion(), {"ef": jnp.zeros((6, 8))}, {"counts": {"ef": 3}})
    assert model.card == {"note": "for tests", "fit": {"counts": {"ef": 3}}}
    assert set(model.directions) == {"lv_area", "ef"}


def test_half_the_size():
    motion = fit_motion(make_codes([wave(20, 8, 1.0)], es=8), 20).motion
    assert {array.dtype for array in to_float16(to_tensors(motion)).values()} == {
        np.dtype("float16")
    }


def test_a_new_fit_leaves_no_motion_of_the_last_one():
    model = tiny_model().with_fit(LearnedMotion((EdToEs(jnp.zeros((6, 8))),)), {}, {})
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
