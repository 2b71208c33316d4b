import dataclasses
import math

import nibabel
import numpy as np
import pydicom
import pytest

from gancmri_jax.apps.explorer import films as explorer_films
from gancmri_jax.apps.explorer.choice import Choice
from gancmri_jax.apps.explorer.films import Films, frame_at
from gancmri_jax.apps.explorer.turns import Superseded
from gancmri_jax.apps.explorer.uploads import Loaded, Uploads
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.errors import InputError
from gancmri_jax.model.motion import Motion
from gancmri_jax.physiology.guidance import Solution
from gancmri_jax.segmentation.quality import RULES
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter

SPACED = {"spacing_mm": [2.5, 2.0], "frame_ms": 18.5}
PIXELS = np.random.default_rng(0).integers(0, 255, (5, 16, 16), dtype=np.uint8)
UP = (("lv_area", 1.0),)


@pytest.fixture(scope="module")
def model():
    return dataclasses.replace(tiny_model(), segmenter=tiny_segmenter(), card=SPACED)


@pytest.fixture(scope="module")
def bare(model):
    """The model without a segmenter, which knows no spacing."""
    return dataclasses.replace(model, segmenter=None, card={})


def wanted():
    """Say nothing: it is."""


@pytest.fixture
def films(model):
    uploads = Uploads(model)
    cine = Cine(PIXELS, (1.5, 1.25), 40.0, "hash", ed_frame=1, es_frame=3)
    ws = np.stack([model.sample(seed) for seed in range(5)])
    uploads._loaded["loaded"] = Loaded(cine, "projected", 1.0, ws)
    uploads._loaded["new"] = Loaded(cine, "waiting")
    return Films(model, uploads)


def test_a_film_is_the_models_video_and_its_first_frame_comes_alone(model, films):
    choice = Choice("ed-to-es", 3, 0.5, UP)
    first = films.frame(choice, 0.4)
    film = films.film(choice, wanted)
    start = model.adjust(model.at_ed(model.sample(3, 0.5)), dict(UP))
    expected = to_uint8(model.render(model.beat(start, Motion("ed-to-es")))[..., 0])
    np.testing.assert_array_equal(film.cine.pixels, expected)
    assert film.generated is None and film.cine.spacing_mm == (2.5, 2.0)
    assert np.abs(first.astype(int) - expected[20]).max() <= 1
    np.testing.assert_array_equal(films.frame(choice, 0.4), expected[20])


def test_what_is_not_there_is_refused(films):
    with pytest.raises(InputError, match="'backwards' is none of the model's: frame-to-frame"):
        films.frame(Choice("backwards"), 0)
    with pytest.raises(InputError, match="no rv_area among its directions"):
        films.film(Choice("ed-to-es", amounts=(("rv_area", 1.0),)), wanted)
    with pytest.raises(InputError, match="not loaded any more"):
        films.film(Choice("original", cine="gone"), wanted)
    with pytest.raises(InputError, match="still being projected"):
        films.film(Choice("x2", cine="new"), wanted)


def test_a_film_that_is_not_wanted_any_more_is_not_rendered(films, monkeypatch):
    rendered = []
    monkeypatch.setattr(
        explorer_films, "render_uint8", lambda model, path: rendered.append(len(path))
    )

    def until_the_second_look():
        if rendered:
            raise Superseded

    with pytest.raises(Superseded):
        films.film(Choice("ed-to-es", 4), until_the_second_look)
    assert rendered == [25]


def test_a_curve_that_is_not_wanted_any_more_ends_after_a_few_frames(films):
    films.film(Choice("ed-to-es", 6), wanted)
    looks = []

    def until_eight_frames_are_segmented():
        looks.append(None)
        if len(looks) == 4:  # before the film and after it, and after each eight frames
            raise Superseded

    with pytest.raises(Superseded):
        films.curve(Choice("ed-to-es", 6), until_eight_frames_are_segmented, coarse=False)


def test_the_last_films_are_kept(films, monkeypatch):
    monkeypatch.setattr(explorer_films, "MOST_KEPT", 1)
    first, second = Choice("ed-to-es", 1), Choice("ed-to-es", 2)
    film = films.film(first, wanted)
    assert films.film(first, wanted) is film
    films.film(second, wanted)
    assert films.film(first, wanted) is not film


def test_a_loaded_cine_keeps_its_frames_between_those_that_are_found(films):
    original = films.film(Choice("original", cine="loaded"), wanted)
    np.testing.assert_array_equal(original.cine.pixels, PIXELS)
    assert not original.generated.any()
    faster, generated = films.film(Choice("x2", cine="loaded"), wanted)
    np.testing.assert_array_equal(faster.pixels[::2], PIXELS)
    assert generated.tolist() == [False, True] * 5
    assert (faster.frame_ms, faster.ed_frame, faster.es_frame) == (20.0, 2, 6)
    guided, generated = films.film(Choice("x2", cine="loaded", amounts=UP), wanted)
    assert generated.all() and (guided.pixels != faster.pixels).any()
    np.testing.assert_array_equal(films.frame(Choice("x2", cine="loaded"), 0.3), faster.pixels[3])


def test_a_loaded_heart_can_be_guided_in_its_own_beat_or_in_the_models(model, films):
    own = films.film(Choice("projected", cine="loaded"), wanted).cine
    guided = films.film(Choice("projected", cine="loaded", amounts=UP), wanted).cine
    assert own.pixels.shape == PIXELS.shape and (own.pixels != guided.pixels).any()
    assert (own.frame_ms, own.es_frame) == (40.0, 3)
    moved = films.film(Choice("ed-to-es", cine="loaded"), wanted).cine
    ed = to_uint8(np.asarray(model.synthesize(films._uploads["loaded"].ws[1:2])[0, ..., 0]))
    assert np.abs(moved.pixels[0].astype(int) - ed).max() <= 1
    assert (len(moved.pixels), moved.frame_ms, moved.ed_frame, moved.es_frame) == (
        50,
        18.5,
        0,
        None,
    )


def test_the_curve_has_an_area_for_each_frame_or_for_a_few(model, films):
    choice = Choice("original", cine="loaded")
    curve = films.curve(choice, wanted, coarse=False)
    assert curve["frames"] == [0, 1, 2, 3, 4] and len(curve["areas"]) == curve["count"] == 5
    assert curve["unit"] == "cm²" and curve["phenotypes"]["es_frame"] == 3
    assert not any(isinstance(v, float) and math.isnan(v) for v in curve["phenotypes"].values())
    sketch = films.curve(Choice("ed-to-es", 1), wanted, coarse=True)
    assert sketch["frames"] == [0, 6, 12, 18, 25, 31, 37, 43] and len(sketch["areas"]) == 8
    assert sketch["count"] == 50 and sketch["flags"] == []
    names = [flag.partition(": ")[0] for flag in curve["flags"]]
    assert names and set(names) <= {flag for flag, _, _ in RULES.values()}  # random masks
    films.model = dataclasses.replace(model, segmenter=None)
    with pytest.raises(InputError, match="no segmenter; `gancmri train-segmenter`"):
        films.curve(choice, wanted, coarse=False)


def test_aiming_moves_the_sliders_of_what_is_aimed_at(model, bare, films, monkeypatch):
    asked = []

    def solve(model, ws, targets):
        asked.append(ws)
        return Solution(ws, {"lv_area": 0.75}, dict(targets))

    monkeypatch.setattr(explorer_films, "solve", solve)
    assert films.targets == ["lv_area_ed_cm2"]  # of the directions, there is one for this alone
    heart = Choice("ed-to-es", 3)
    for choice in (heart, dataclasses.replace(heart, amounts=UP)):  # where it is now is no matter
        assert films.aim(choice, {"lv_area_ed_cm2": 28.0}).amounts == {"lv_area": 0.75}
        np.testing.assert_array_equal(asked[-1], model.at_ed(model.sample(3)))
    assert Films(bare, films._uploads).targets == []  # which cannot measure


@pytest.mark.parametrize("form", ["mp4", "gif", "nifti", "dicom"])
def test_downloads_say_what_they_are(films, tmp_path, form):
    made = films.write(Choice("ed-to-es", 3), form, tmp_path)
    assert made.name.startswith("heart-0003-ed-to-es.") and made.stat().st_size > 100
    derived = films.write(Choice("x2", cine="loaded"), form, tmp_path)
    assert derived.name.startswith("hash-x2.")
    if form == "nifti":
        assert b"synthetic" in nibabel.load(made).header["descrip"].item()
        assert b"5 of 10 frames synthetic" in nibabel.load(derived).header["descrip"].item()
    elif form == "dicom":
        assert pydicom.dcmread(made).SyntheticData == "YES"
    else:
        assert b"synthetic, generated by a model" in made.read_bytes()


def test_a_format_that_needs_what_is_not_known_is_refused(bare, tmp_path):
    films = Films(bare, Uploads(bare))
    with pytest.raises(InputError, match="^nifti: spacing is unknown"):
        films.write(Choice("ed-to-es"), "nifti", tmp_path)
    with pytest.raises(InputError, match="exe is none of mp4"):
        films.write(Choice("ed-to-es"), "exe", tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_phase_is_a_frame_and_the_end_of_the_beat_its_last():
    phases = (0, 0.019, 0.02, 0.58, 0.99, 1)
    assert [frame_at(phase, 50) for phase in phases] == [0, 0, 1, 29, 49, 49]
    assert 0.58 * 50 < 29  # which rounding must not make frame 28


def test_a_cine_that_does_not_say_its_time_is_shown_as_a_beat_of_one_second():
    assert Cine(PIXELS, (1.0, 1.0), None, "a").shown_frame_ms == 200
    assert Cine(PIXELS, (1.0, 1.0), 40.0, "a").shown_frame_ms == 40
