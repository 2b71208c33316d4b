"""Tuning the tiny model to a heart: what is learned, kept, resumed and marked."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.personal import personalise as module
from gancmri_jax.personal.measure import grey_levels, heart_region, measure_replay, other_hearts
from gancmri_jax.personal.personalise import film_strip, own_path, personalise
from gancmri_jax.personal.settings import Settings
from tests.tiny_encoder import encoding_model

SETTINGS = Settings(search_steps=12, steps=24, frames=4, rate=0.03, search_rate=0.02)
FRAMES, ED = 10, 3


@pytest.fixture(scope="module")
def model():
    """A model whose pictures span the grey levels."""
    model = encoding_model()
    toned = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0.2 * leaf if "torgb" in jax.tree_util.keystr(path) else leaf,
        model.params,
    )
    return dataclasses.replace(model, params=toned)


@pytest.fixture(scope="module")
def cine(model):
    """A beat near what the model renders, with a bright square that it has never rendered."""
    angle = 2 * np.pi * np.arange(FRAMES)[:, None, None] / FRAMES
    start, k = np.asarray(model.sample(7)), np.asarray(model.directions["lv_area"])
    ws = start + 0.5 * (1 - np.cos(angle)) * k[:1]
    pixels = to_uint8(model.render(jnp.asarray(ws, jnp.float32))[..., 0])
    pixels[:, 4:7, 9:12] = 230
    return Cine(pixels, (1.5, 1.25), 40.0, "anna", ed_frame=ED)


@pytest.fixture(scope="module")
def found(model, cine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    result = personalise(model, cine, SETTINGS, folder / "on-the-way")
    save_model(result.model, folder / "mine.safetensors")
    return result, load_model(folder / "mine.safetensors")


def test_the_heart_is_rendered_better_than_before(found):
    result, _ = found
    assert result.steps == 24
    assert result.after.psnr_db > result.before.psnr_db + 3
    assert result.after.roughness < 1.1 * result.before.roughness


def test_the_file_is_an_ordinary_model_that_replays_its_heart_from_ed_on(found, model, cine):
    result, loaded = found
    assert loaded.motion.names == [*model.motion.names, "own"]
    np.testing.assert_array_equal(loaded.directions["lv_area"], model.directions["lv_area"])
    assert loaded.encoder is not None
    np.testing.assert_array_equal(loaded.map_w(np.ones((1, 8))), model.map_w(np.ones((1, 8))))
    path = own_path(loaded, FRAMES)
    from_ed = np.roll(cine.pixels, -ED, axis=0)
    again = measure_replay(loaded, path, from_ed, heart_region(None, from_ed.shape))
    assert again.psnr_db == pytest.approx(result.after.psnr_db, abs=0.05)
    assert again.worst_db == pytest.approx(result.after.worst_db, abs=0.05)
    # Twice as many frames pass through the same ones.
    np.testing.assert_allclose(own_path(loaded, 2 * FRAMES)[::2], path, atol=1e-4)
    assert loaded.own_noise is not None and loaded.fingerprint == result.model.fingerprint


def test_its_card_says_whose_images_it_is_made_from_and_has_their_spacing(found, model, cine):
    card = found[1].card
    assert card["personal"]["from"] == model.fingerprint and card["note"] == "for tests"
    assert card["personal"]["after"]["psnr_db"] == found[0].after.psnr_db
    assert (card["spacing_mm"], card["frame_ms"]) == ([1.5, 1.25], 40.0)
    assert found[1].fingerprint != model.fingerprint


def test_an_edit_of_the_heart_starts_where_it_does(found):
    loaded = found[1]
    start = loaded.adjust(loaded.motion.own_start, {"lv_area": 0.5})
    path = loaded.beat(start, module.Motion("own", FRAMES))
    moved = path - own_path(loaded, FRAMES)
    wanted = np.broadcast_to(0.5 * loaded.directions["lv_area"], moved.shape)
    np.testing.assert_allclose(moved, wanted, atol=1e-5)


def test_what_broke_off_goes_on_to_the_same_bits(found, model, cine, tmp_path):
    class Stop(Exception):
        pass

    def stop_at(*last):
        def on_step(stage, done, total):
            if (stage, done) == last:
                raise Stop

        with pytest.raises(Stop):
            personalise(model, cine, SETTINGS, tmp_path / "run", on_step=on_step, save_seconds=0)

    stop_at("search", 5)
    stop_at("tune", 9)
    seen = []
    again = personalise(
        model, cine, SETTINGS, tmp_path / "run", on_step=lambda *step: seen.append(step)
    )
    assert seen[0] == ("search", 12, 12) and seen[1] == ("tune", 8, 24)  # what was saved
    for one, other in zip(
        jax.tree.leaves(again.model.params), jax.tree.leaves(found[0].model.params), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert again.after == found[0].after


def test_another_run_begins_anew_and_another_seed_gives_another_model(found, model, cine, tmp_path):
    short = dataclasses.replace(SETTINGS, search_steps=3, steps=2)
    first = personalise(model, cine, short, tmp_path / "run")
    steps = []
    other = dataclasses.replace(short, seed=1)
    second = personalise(
        model, cine, other, tmp_path / "run", on_step=lambda *step: steps.append(step[:2])
    )
    assert steps[0] == ("search", 0) and first.model.fingerprint != second.model.fingerprint


def test_minutes_end_a_run_whatever_steps_are_left(model, cine, tmp_path):
    result = personalise(model, cine, SETTINGS, tmp_path / "run", minutes=1e-6)
    assert result.steps == 0 and result.others == 0
    assert result.after == result.before


def test_other_hearts_change_less_than_this_one(found, model):
    result, loaded = found
    ws = other_hearts(model)
    moved = [grey_levels(each.render(ws)) for each in (model, loaded)]
    assert result.others == pytest.approx(
        float(np.sqrt(np.mean((moved[0] - moved[1]) ** 2))), abs=1e-3
    )
    path = own_path(loaded, FRAMES)
    own = [grey_levels(each.render(path)) for each in (model, loaded)]
    assert 0 < result.others < 0.8 * float(np.sqrt(np.mean((own[0] - own[1]) ** 2)))


def test_noise_of_its_own_lies_outside_of_the_heart_and_is_no_other_hearts(found, model, cine):
    result, loaded = found
    # Without a segmenter all counts as heart.
    for before, own in zip(model.noise, loaded.own_noise, strict=True):
        np.testing.assert_array_equal(before, own)
    heart = np.zeros((16, 16), bool)
    heart[4:12, 4:12] = True
    still = module._still(heart, model.noise[-1])
    np.testing.assert_array_equal(still[0], ~heart)
    coarse = module._still(heart, model.noise[0])  # 4²
    np.testing.assert_array_equal(coarse[0, 1:3, 1:3], 0)
    assert coarse.sum() == 12
    with_heart = module.Heart(
        jnp.asarray(cine.pixels / 127.5 - 1, jnp.float32)[..., None],
        jnp.asarray(module.wave_basis(FRAMES, 8), jnp.float32),
        tuple(module._still(heart, level) for level in model.noise),
    )
    problem = module.Problem(
        model.generator,
        SETTINGS,
        model.params,
        model.noise,
        jnp.ones(()),
        (),
        jax.random.key(0),
        1.0,
    )
    path = module.Path(jnp.zeros((1, 8)), jnp.zeros((16, 1, 8)))
    tuned = module.tuning_step(problem, with_heart, module.begin_tuning(problem, path)).tuned
    moved = np.asarray(tuned.noise[-1] != model.noise[-1])[0]
    assert not moved[heart].any() and moved[~heart].mean() > 0.9


def test_of_own_heart_renders_with_its_noise(model):
    other = tuple(level + 1 for level in model.noise)
    both = dataclasses.replace(model, own_noise=other)
    ws = model.sample(0)[None]
    np.testing.assert_array_equal(both.synthesize(ws), model.synthesize(ws))
    np.testing.assert_array_equal(both.of_own_heart.synthesize(ws), model.synthesize(ws, other))
    assert model.of_own_heart is model


def test_the_strip_has_the_cine_above_both_replays(found, model, cine):
    strip = film_strip(model, found[1], cine, columns=5)
    assert strip.shape == (3 * 16, 5 * 16)
    np.testing.assert_array_equal(strip[:16, :16], cine.pixels[ED])
    np.testing.assert_array_equal(strip[:16, 16:32], cine.pixels[ED + 2])
    errors = [np.abs(strip[16 * row :][:16].astype(int) - strip[:16]).mean() for row in (1, 2)]
    assert errors[1] < errors[0]


def test_a_model_without_encoder_or_a_full_disk_is_refused_at_once(
    model, cine, tmp_path, monkeypatch
):
    with pytest.raises(InputError, match="no encoder, from which the search"):
        personalise(dataclasses.replace(model, encoder=None), cine, SETTINGS, tmp_path / "run")
    with pytest.raises(InputError, match="none: no such folder"):
        personalise(model, cine, SETTINGS, tmp_path / "none" / "run")
    usage = module.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match="has 0 MB free, and tuning needs"):
        personalise(model, cine, SETTINGS, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_other_hearts_change_less_with_the_term_that_keeps_them(found, model, cine, tmp_path):
    free = personalise(
        model, cine, dataclasses.replace(SETTINGS, others=0.0), tmp_path / "on-the-way"
    )
    assert found[0].others < 0.8 * free.others
