import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError
from gancmri_jax.fitting.fit import FitOptions, _without_flagged, fit, to_float16
from gancmri_jax.fitting.motion import fit_motion
from gancmri_jax.latents.motions import EdToEs
from gancmri_jax.model.motion import LearnedMotion, Motion, to_tensors
from gancmri_jax.projection import store
from gancmri_jax.projection.store import LatentStore, Video, VideoCodes, open_latents, read_latents
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


def write_store(path, model, subjects, one_row, frames=40):
    """Write made-up beats of unequal length, ED anywhere, some of them broken off."""
    rng = np.random.default_rng(len(subjects))
    shape = (model.num_ws, model.w_dim)
    k, along = rng.normal(size=(2, *shape))
    videos, found = [], []
    for number, name in enumerate(subjects):
        length, es = frames - number % 3, 14 + number % 7
        size, ed = rng.normal(), number % 5
        at = (np.arange(length) - ed) % length
        phase = np.sin(np.pi / 2 * np.where(at < es, at / es, (length - at) / (length - es))) ** 2
        ws = size * along + (1 + 0.3 * size) * phase[:, None, None] * k
        ws = ws + 0.1 * rng.normal(size=(length, *shape))
        ws = np.repeat(ws[:, :1], len(along), axis=1) if one_row else ws
        distances = np.full(length, 0.1, np.float32)
        if number % 11 == 10:
            distances[3] = np.nan
        looks = np.zeros((length, 1), np.float32)
        videos.append(Video(name, length, ed, (ed + es) % length, "records"))
        found.append(VideoCodes(ws.astype(np.float32), (), distances, np.ones(length, int), looks))
    provenance = {"model": model.fingerprint}
    opened = LatentStore.open(path, videos, shape, [], provenance, 1, one_row=one_row)
    for number, codes in enumerate(found):
        opened.write(number, list(range(len(codes.ws))), codes)
    opened.flag_far(None)


@pytest.mark.parametrize("one_row", [True, False], ids=["w", "w+"])
def test_a_fit_in_chunks_is_that_in_one(tmp_path, monkeypatch, one_row):
    """For codes with fewer dimensions than hearts (w), and with more (w+)."""
    model = tiny_model()
    subjects = [f"s{number}" for number in range(40)]
    write_store(tmp_path / "a.zarr", model, subjects[:29], one_row)
    write_store(tmp_path / "b.zarr", model, [*subjects[20:25], *subjects[29:]], one_row, 38)
    table = tmp_path / "phenotypes.csv"
    rows = [f"{name},{(7 * n) % 40},{0.01 * n * n}" for n, name in enumerate(subjects[:36])]
    table.write_text("\n".join(["subject,lv_area_ed_cm2,sphericity_index", *rows]))
    stores, options = [tmp_path / "a.zarr", tmp_path / "b.zarr"], FitOptions(table, num_frames=40)

    def learn(at_once):
        a_video = 4 * 40 * (1 if one_row else model.num_ws) * model.w_dim
        monkeypatch.setattr(store, "_CHUNK_BYTES", at_once * a_video)
        counted = []
        out = tmp_path / f"{at_once}.safetensors"
        report = fit(model, stores, out, options, lambda _: counted.append)
        motion = report.model.motion
        arrays = to_tensors(motion) | {f"to {n}": a for n, a in report.model.directions.items()}
        for name in motion.names:
            start = motion.ed_to_es * 0.3
            arrays[f"along {name}"] = motion.path(start, Motion(name, 25, 8))
        return report, arrays, counted

    (whole, expected, in_one), (report, arrays, in_seven) = learn(1000), learn(7)
    assert max(in_one) == 29 and max(in_seven) == 7 and sum(in_one) == sum(in_seven)
    assert report.counts == whole.counts and whole.counts["conditioned"] == 37
    assert report.counts["contraction"] and report.directions == {
        "lv_area": 36,
        "sphericity_index": 36,
    }
    assert {"conditioned_axes", "to lv_area", "along pca_residual"} <= expected.keys()
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        size = float(jnp.abs(array).max())
        np.testing.assert_allclose(arrays[name], array, atol=1e-6 * size, rtol=0, err_msg=name)
    # What is learned from codes in memory is the same too.
    if one_row:
        monkeypatch.setattr(store, "_CHUNK_BYTES", 2**25)
        codes, _ = read_latents(stores[0])
        ours, theirs = (fit_motion(each, 40) for each in (codes, open_latents(stores[0])[0]))
        for name, array in to_tensors(ours.motion).items():
            np.testing.assert_allclose(to_tensors(theirs.motion)[name], array, atol=1e-6)
