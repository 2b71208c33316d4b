import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import measures
from gancmri_jax.metrics.backbones import BACKBONES, Backbone
from gancmri_jax.metrics.sets import CineSet
from tests.test_fitting_motion import make_codes
from tests.tiny import tiny_model


def silent(what, total):
    return lambda done: None


def videos(count, size=16, frames=16):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, frames, size, size)).astype(np.uint8)
    return [Cine(p, (1.0, 1.0), 20.0, f"s{i}") for i, p in enumerate(pixels)]


def test_a_random_direction_is_as_long_and_in_w():
    direction = jnp.asarray(np.random.default_rng(0).normal(size=(6, 8)), jnp.float32)
    found = measures._of_same_length(jax.random.key(0), direction)
    np.testing.assert_allclose(jnp.linalg.norm(found), jnp.linalg.norm(direction), rtol=1e-5)
    np.testing.assert_array_equal(found, jnp.broadcast_to(found[:1], found.shape))
    cosine = jnp.sum(found * direction) / jnp.sum(jnp.square(direction))
    assert abs(cosine) < 0.9


def test_hearts_at_rest_stand_in_the_table_and_do_not_move(monkeypatch):
    def movement(clips):  # a backbone that sees the mean square of the steps
        steps = np.diff(clips.astype(np.float32), axis=1)
        return jnp.asarray(np.square(steps).mean(axis=(1, 2, 3))[:, None])

    monkeypatch.setitem(BACKBONES, "i3d", lambda _: Backbone("steps", "0", "none", 2, movement))
    model = tiny_model()
    found = measures.video_distances(model, CineSet("real", videos(6)), 4, 0, silent)
    table = {(a, b): value for a, b, value in found["table"]}
    assert found["clips"] == 2 and len(table) == 10
    assert table["still", "still"] == pytest.approx(0, abs=1e-9)
    assert table["real", "still"] > table["real", "real"]
    assert table["frame-to-frame", "still"] > 0
    rest = measures._at_rest(model, 1)
    np.testing.assert_array_equal(rest.pixels, rest.pixels[:1].repeat(16, axis=0))
    beat = measures.generated_video(model, "ed-to-es", 1)
    assert np.abs(beat[:1].astype(int) - rest.pixels[:1]).max() <= 1


def test_films_need_videos_as_long_as_the_models(tmp_path):
    with pytest.raises(InputError, match="no real video has 50 frames"):
        measures.films(tiny_model(), videos(2), make_codes([[0.0, 1.0]]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_times_are_of_what_is_compiled(monkeypatch):
    clock = iter([0, 9, 10, 11, 20, 23] * 3)  # the first of each takes 9 s, the others 1 and 3
    monkeypatch.setattr(measures.time, "perf_counter", lambda: next(clock))
    for name in ("generated_video", "phantom"):
        monkeypatch.setattr(measures, name, lambda *_: None)
    found = measures.seconds_per_video(tiny_model(), 2, silent)
    assert found["seconds_of"]["ed-to-es"] == pytest.approx([2, 2**0.5])
    assert found["seconds_of"].keys() == {"ed-to-es", "frame-to-frame", "phantom"}
