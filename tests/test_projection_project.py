import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.latents.closed_path import wave_basis, waves_of
from gancmri_jax.model.encoder import Encoder
from gancmri_jax.projection.project import project, project_beats
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import start_provenance, w_statistics
from tests.compiling import environment_of_hosts
from tests.tiny import tiny_model

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=8)


@pytest.fixture(scope="module")
def statistics(model):
    return w_statistics(model)


@pytest.fixture(scope="module")
def targets(model):
    return model.synthesize(model.map(jax.random.normal(jax.random.key(5), (3, 8))))


def image_keys(*seeds):
    return jnp.stack([jax.random.key(seed) for seed in seeds])


def in_float64(model, *trees):
    """The model and trees in float64, in which a search does not depend on the last bits."""
    double = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tree)  # noqa: E731
    parts = {name: double(getattr(model, name)) for name in ("params", "noise", "w_avg")}
    generator = model.generator.clone(dtype=jnp.float64)  # whose convolutions are float32 else
    return dataclasses.replace(model, generator=generator, **parts), *map(double, trees)


def test_what_is_found_renders_to_the_reported_distance_and_comes_closer(
    model, statistics, targets
):
    found = project(model, targets, image_keys(0, 1, 2), Settings(num_steps=150), statistics)
    rendered = model.synthesize(found.ws, found.noise)
    squares = jnp.mean((rendered - targets) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(found.distances, squares, rtol=1e-4)  # one level at 8²
    start = model.synthesize(jnp.broadcast_to(statistics.mean, found.ws.shape))
    assert (squares < 0.2 * jnp.mean((start - targets) ** 2, axis=(1, 2, 3))).all()
    np.testing.assert_array_equal(found.ws, jnp.broadcast_to(found.ws[:, :1], found.ws.shape))
    assert found.curve.shape == (3, 15) and (found.steps == 150).all()
    for level in found.noise:  # a store loses nothing of it
        np.testing.assert_array_equal(level, np.asarray(level, np.float16).astype(np.float32))
    np.testing.assert_allclose(found.curve[:, -1], found.distances, rtol=0.05)


@pytest.mark.slow
def test_w_plus_lets_rows_differ_and_comes_closer_and_a_pull_keeps_them_together(model, statistics):
    targets = model.synthesize(jax.random.normal(jax.random.key(6), (2, model.num_ws, 8)))
    distances, apart = {}, {}
    for space, pull in (("w", 0.0), ("w+", 0.0), ("w+", 10.0)):
        settings = Settings(num_steps=150, space=space, pull_to_w=pull)
        found = project(model, targets, image_keys(0, 1), settings, statistics)
        distances[space, pull] = found.distances
        apart[space, pull] = jnp.std(found.ws, axis=1).mean()
    assert apart["w", 0] == 0 and apart["w+", 10] < 0.5 * apart["w+", 0]
    assert (distances["w+", 0] < distances["w", 0]).all()
    assert (distances["w+", 0] < distances["w+", 10]).all()


@pytest.mark.slow
def test_neither_its_batch_nor_its_place_there_changes_what_is_found(model, statistics):
    with jax.enable_x64(True):
        images = jax.random.uniform(jax.random.key(3), (3, 8, 8, 1))
        model64, images, stats = in_float64(model, images, statistics)
        settings = Settings(num_steps=20)
        together = project(model64, images, image_keys(7, 8, 9), settings, stats)
        assert together.ws.dtype == jnp.float64
        turned = project(model64, images[::-1], image_keys(9, 8, 7), settings, stats)
        alone = project(model64, images[1:2], image_keys(8), settings, stats)
        close = dict(rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(together.ws, turned.ws[::-1], **close)
        np.testing.assert_allclose(together.ws[1], alone.ws[0], **close)
        np.testing.assert_allclose(together.distances[1], alone.distances[0], **close)
        np.testing.assert_allclose(together.curve[1], alone.curve[0], **close)


def test_a_frame_that_is_near_enough_stops_and_its_batch_goes_on(model, statistics, targets):
    """Whatever its batch, it ends where a search ends that is told to look no further."""
    with jax.enable_x64(True):
        model64, images, stats = in_float64(model, targets, statistics)
        settings = Settings(num_steps=60)
        free = project(model64, images, image_keys(0, 1, 2), settings, stats)
        # The one that is nearest at the third look stops there, if not before.
        first = int(free.curve[:, 2].argmin())
        stop_at = float(free.curve[first, 2]) * (1 + 1e-6)
        settings = dataclasses.replace(settings, stop_at=stop_at)
        told = []
        found = project(model64, images, image_keys(0, 1, 2), settings, stats, told.append)
        assert sum(told) == 60
        expected = [
            next((10 * (i + 1) for i, d in enumerate(c) if d <= stop_at), 60) for c in free.curve
        ]
        np.testing.assert_array_equal(found.steps, expected)
        assert found.steps[first] <= 30 and len(set(expected)) > 1
        after = found.steps[first] // 10
        assert np.isnan(found.curve[first, after:]).all()
        assert not np.isnan(found.curve[first, :after]).any()
        alone = project(
            model64, images[first : first + 1], image_keys(first), settings, stats, told.append
        )
        assert sum(told) == 120  # what is spared is told too
        np.testing.assert_allclose(found.ws[first], alone.ws[0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.distances[first], alone.distances[0], rtol=1e-9)
        # Noise maps were rounded for the store, so the end is near the look, and not on it.
        np.testing.assert_allclose(found.distances[first], found.curve[first, after - 1], rtol=0.05)


def test_an_encoder_says_where_to_start(model, statistics, targets, monkeypatch):
    class Guess(Encoder):
        fingerprint = "a guess"

        def __init__(self):
            """It has no network."""

        def __call__(self, images):
            assert images.shape == targets.shape
            return jnp.full((len(images), 8), 0.25)

    settings = Settings(num_steps=1, learning_rate=0.0, start="encoder")
    guessing = dataclasses.replace(model, encoder=Guess())
    found = project(guessing, targets, image_keys(0, 1, 2), settings, statistics)
    np.testing.assert_array_equal(found.ws, np.full((3, model.num_ws, 8), 0.25))
    assert start_provenance(guessing, settings) == {"encoder": "a guess"}
    assert start_provenance(model, Settings()) == {}
    with pytest.raises(InputError, match="the model has no encoder; train one by"):
        project(model, targets, image_keys(0, 1, 2), settings, statistics)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda x: x[:, :4], r"targets of shape \(3, 4, 8, 1\).* 8 × 8 × 1; resize"),
        (lambda x: jnp.repeat(x, 3, axis=3), r"\(3, 8, 8, 3\) cannot be projected"),
        (lambda x: x[..., 0], "cannot be projected"),
        (lambda x: x[:0], "cannot be projected"),
        (lambda x: x.at[1, 2, 3].set(jnp.nan), r"targets \[1\] hold values that are no numbers"),
    ],
    ids=["size", "colour", "no channel", "none", "nan"],
)
def test_what_is_no_image_of_the_models_is_refused(model, statistics, targets, spoil, said):
    with pytest.raises(InputError, match=said):
        project(model, spoil(targets), image_keys(0, 1, 2), Settings(num_steps=1), statistics)


@pytest.mark.slow
def test_a_beat_is_found_on_a_closed_path_whatever_it_is_padded_with(model, statistics):
    """A beat that lies on such a path, alone and beside a longer one, at once and in groups."""
    basis = jnp.asarray(wave_basis(7, 1), jnp.float32)
    wave = 0.5 * jax.random.normal(jax.random.key(0), (2, 1, 8))
    path = statistics.mean[None, None] + jnp.tensordot(basis, wave, axes=1)
    ws = jnp.broadcast_to(path, (7, model.num_ws, 8))
    beat = model.synthesize(ws, tuple(model.noise))
    with jax.enable_x64(True):
        model64, beat, stats = in_float64(model, beat, statistics)
        other = jnp.pad(beat[::-1], ((0, 2), (0, 0), (0, 0), (0, 0)), mode="wrap")
        both = jnp.stack([jnp.pad(beat, ((0, 2), (0, 0), (0, 0), (0, 0))), other])
        settings = Settings(num_steps=15)
        run = lambda *args, **more: project_beats(  # noqa: E731
            model64, *args, settings, stats, num_harmonics=2, **more
        )
        alone = run(beat[None], np.array([7]), image_keys(3))
        beside = run(both, np.array([7, 9]), image_keys(3, 4), at_once=4)
        np.testing.assert_allclose(alone.ws[0], beside.ws[0, :7], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(alone.distances[0], beside.distances[0, :7], rtol=1e-9)
        assert beside.ws.shape == (2, 9, model.num_ws, 8)
        # The path is of low order: its waves and mean say all of it.
        basis = jnp.asarray(wave_basis(7, 2))
        found = jnp.asarray(alone.ws[0])
        again = found.mean(axis=0)[None] + jnp.tensordot(basis, waves_of(found, basis), axes=1)
        np.testing.assert_allclose(again, found, atol=1e-9)
        assert all(len(level) == 1 for level in alone.noise)


@pytest.mark.slow
def test_an_encoders_guesses_begin_a_path(model, statistics, targets):
    basis = jnp.asarray(wave_basis(13, 3), jnp.float32)
    waves = jax.random.normal(jax.random.key(0), (6, 1, 8))
    path = 1 + jnp.tensordot(basis, waves, axes=1)[:, 0]

    class Guess(Encoder):
        fingerprint = ""

        def __init__(self):
            """It has no network."""

        def __call__(self, images):
            return path

    settings = Settings(num_steps=1, learning_rate=0.0, start="encoder")
    guessing = dataclasses.replace(model, encoder=Guess())
    beat = jnp.repeat(targets[:1], 13, axis=0)[None]
    found = project_beats(
        guessing, beat, np.array([13]), image_keys(0), settings, statistics, num_harmonics=3
    )
    np.testing.assert_allclose(found.ws[0, :, 0], path, atol=1e-5)


@pytest.mark.slow
def test_less_memory_finds_the_same(model, statistics, targets):
    found = [
        project(model, targets, image_keys(0, 1, 2), Settings(num_steps=3, remat=remat), statistics)
        for remat in (False, True)
    ]
    np.testing.assert_allclose(found[0].ws, found[1].ws, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_half_precision_comes_closer_too_and_is_measured_in_full(model, statistics, targets):
    settings = Settings(num_steps=60, dtype="bfloat16")
    found = project(model, targets, image_keys(0, 1, 2), settings, statistics)
    assert found.ws.dtype == jnp.float32
    rendered = model.synthesize(found.ws, found.noise)
    squares = jnp.mean((rendered - targets) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(found.distances, squares, rtol=1e-4)
    assert found.distances.sum() < 0.7 * found.curve[:, 0].sum()


_DEVICES = """
import json
import jax
import jax.numpy as jnp
from gancmri_jax.projection.project import project
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import w_statistics
from tests.tiny import tiny_model

devices, jax.local_devices = jax.local_devices(), None
model = tiny_model(resolution=8)
statistics = w_statistics(model)
targets = model.synthesize(model.map(jax.random.normal(jax.random.key(5), (8, 8))))
keys = jnp.stack([jax.random.key(seed) for seed in range(8)])
for number in (1, 4, 8):
    jax.local_devices = lambda: devices[:number]
    found = project(model, targets, keys, Settings(num_steps=150), statistics)
    print(json.dumps(found.distances.tolist()))
"""


@pytest.mark.slow
def test_devices_share_a_batch_and_find_the_same():
    process = subprocess.run(
        [sys.executable, "-c", _DEVICES],
        cwd=ROOT,
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            **environment_of_hosts("--xla_force_host_platform_device_count=8"),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    one, four, eight = (np.array(json.loads(line)) for line in process.stdout.splitlines())
    assert one.shape == (8,) and (one > 0).all()
    np.testing.assert_allclose(four, one, rtol=0.02)
    np.testing.assert_allclose(eight, one, rtol=0.02)
