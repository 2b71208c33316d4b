import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.latents.steps import roughness
from gancmri_jax.projection.modes import frame_key
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.store import read_latents, read_noise, read_quality
from gancmri_jax.projection.study import project_study
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


@pytest.fixture(scope="module")
def beats(model):
    """Three beats of the model's own, of 7, 5 and 9 frames: each w a circle about a heart's own."""
    cines = []
    rng = np.random.default_rng(0)
    for index, frames in enumerate((7, 5, 9)):
        angle = 2 * np.pi * np.arange(frames) / frames
        centre, across, up = rng.normal(size=(3, 1, 8)) * 0.7
        w = centre + np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * up
        ws = np.repeat(w[:, None], model.num_ws, axis=1).astype(np.float32)
        pixels = to_uint8(np.asarray(model.synthesize(ws))[..., 0])
        cines.append(Cine(pixels, (1.0, 1.0), 20.0, f"beat{index}"))
    return cines


@pytest.fixture(scope="module")
def found(model, beats, tmp_path_factory):
    """Codes by mode, with as many steps a frame at first."""
    folder, codes = tmp_path_factory.mktemp("modes"), {}
    for mode in ("frames", "neighbour", "joint"):
        told = []
        project_study(
            model,
            beats,
            folder / mode,
            Settings(100),
            mode=mode,
            batch_size=8,
            keep_noise=True,
            on_steps=told.append,
        )
        assert sum(told) == pytest.approx(21 * 100)
        codes[mode] = read_latents(folder / mode)[0]
    return folder, codes


def test_a_frames_key_is_its_own():
    assert frame_key(0, "a#0", 1) == frame_key(0, "a#0", 1)
    others = [frame_key(1, "a#0", 1), frame_key(0, "b#0", 1), frame_key(0, "a#0", 2)]
    assert all(frame_key(0, "a#0", 1) != other for other in others)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["frames", "neighbour", "joint"])
def test_each_mode_stores_what_its_codes_and_noise_render(model, beats, found, mode):
    folder, codes = found[0], found[1][mode]
    for video, beat in enumerate(beats):
        frames = len(beat.pixels)
        assert codes.valid[video].sum() == frames
        noise = tuple(level[:frames] for level in read_noise(folder / mode, video))
        rendered = np.asarray(model.synthesize(codes.ws[video, :frames], noise))[..., 0]
        target = beat.pixels.astype(np.float32) / 127.5 - 1
        squares = ((rendered - target) ** 2).mean(axis=(1, 2))
        np.testing.assert_allclose(codes.distances[video, :frames], squares, rtol=1e-3)


@pytest.mark.slow
def test_a_joint_path_is_smoother_and_near(found):
    """At 8² noise maps say much of a picture, and here the frames of a beat share them."""
    codes = found[1]
    frames, joint = (codes[mode] for mode in ("frames", "joint"))
    assert joint.distances[joint.valid].mean() < 1.5 * frames.distances[frames.valid].mean()
    for video, length in enumerate((7, 5, 9)):
        rough = [roughness(jnp.asarray(c.ws[video, :length]), closed=True) for c in (frames, joint)]
        assert rough[1] < rough[0]
    levels = read_noise(found[0] / "joint", 0)
    np.testing.assert_array_equal(levels[0][0], levels[0][3])


@pytest.mark.slow
def test_a_neighbour_needs_fewer_steps(found):
    frames, neighbour = (found[1][mode] for mode in ("frames", "neighbour"))
    steps = read_quality(found[0] / "neighbour").steps
    assert steps[0, :7].tolist() == [100] + [20] * 6
    assert steps[1].tolist() == [100] + [20] * 4 + [0] * 4
    np.testing.assert_allclose(neighbour.ws[:, 0], frames.ws[:, 0], rtol=1e-3, atol=1e-3)
    # Twenty steps of a hundred from the mean do not come so near.
    after_20 = read_quality(found[0] / "frames").curve[..., 1]
    assert neighbour.distances[neighbour.valid].mean() < np.nanmean(after_20)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["neighbour", "joint"])
def test_videos_do_not_depend_on_those_beside_them(model, beats, tmp_path, mode):
    for name, batch_size in (("one", 1), ("all", 27)):
        project_study(model, beats, tmp_path / name, Settings(3), mode=mode, batch_size=batch_size)
    one, together = (read_latents(tmp_path / name)[0] for name in ("one", "all"))
    np.testing.assert_array_equal(one.valid, together.valid)
    np.testing.assert_allclose(one.ws, together.ws, rtol=1e-3, atol=1e-3)


def test_a_joint_path_needs_the_whole_beat(model, beats, tmp_path):
    with pytest.raises(InputError, match="--mode joint finds a whole beat's path; leave out"):
        project_study(model, beats, tmp_path / "z", Settings(3), which="ed-es", mode="joint")
    assert not list(tmp_path.iterdir())


def test_a_still_picture_has_a_joint_path_too(model, beats, tmp_path):
    still = dataclasses.replace(beats[0], pixels=beats[0].pixels[:1])
    project_study(model, [still], tmp_path / "z", Settings(3), mode="joint")
    assert np.isfinite(read_latents(tmp_path / "z")[0].distances).all()


def test_neighbours_may_take_more_steps_than_first_frames(model, beats, tmp_path):
    settings = Settings(20)
    project_study(model, beats[1:2], tmp_path / "z", settings, mode="neighbour", later_steps=40)
    quality = read_quality(tmp_path / "z")
    np.testing.assert_array_equal(quality.steps, [[20, 40, 40, 40, 40]])
    looked = np.isfinite(quality.curve).sum(axis=2)
    np.testing.assert_array_equal(looked, [[2, 4, 4, 4, 4]])
