import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError
from gancmri_jax.fitting.fit import FitOptions, _without_flagged, to_float16
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


def test_flagged_subjects_are_left_out_by_name_or_by_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCMRI_SUBJECT_KEY_FILE", str(tmp_path / "subject.key"))
    table = tmp_path / "phenotypes.csv"
    table.write_text("subject,ef_percent,flags\na,50,\nb,60,curve;scale\nc,70,border\nx,1,curve\n")
    options = FitOptions(table)
    codes = make_codes([[0, 1], [2, 3], [4, 5]], subjects=["a", "b", "c"])
    kept, left_out = _without_flagged(codes, options)
    assert kept.subjects == ["a"] and left_out == {"b": "curve;scale", "c": "border"}
    np.testing.assert_array_equal(kept.ws[..., 0, 0], [[0, 1]])
    assert len(kept.valid) == len(kept.distances) == len(kept.num_frames) == 1

    key = subject_key()
    hashed = [hash_subject(name, key) for name in ("a", "b", "c")]
    kept, left_out = _without_flagged(dataclasses.replace(codes, subjects=hashed), options)
    assert kept.subjects == hashed[:1] and set(left_out) == set(hashed[1:])

    kept, left_out = _without_flagged(codes, dataclasses.replace(options, keep_flagged=True))
    assert kept is codes and not left_out
    assert _without_flagged(codes, FitOptions()) == (codes, {})
    table.write_text("subject,ef_percent\na,50\nb,60\nc,70\n")  # of a version without flags
    assert _without_flagged(codes, options) == (codes, {})
    table.write_text("subject,ef_percent,flags\na,50,curve\nb,60,curve\nc,70,curve\n")
    with pytest.raises(InputError, match="phenotypes.csv: all projected subjects are flagged"):
        _without_flagged(codes, options)
