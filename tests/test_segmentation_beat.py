"""A beat with noise that moves, in the blood alone or everywhere."""

import dataclasses

import imageio.v3 as iio
import nibabel
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.segmentation import beat
from gancmri_jax.segmentation.beat import beat_pixels, render_beat, video_noise
from gancmri_jax.segmentation.segment import Segmentation
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def path():
    model = tiny_model()
    return np.repeat(np.asarray(model.sample(0))[None], 6, axis=0)  # a heart at rest


def carded(**changes):
    return dataclasses.replace(tiny_model(), card={"noise": beat.MOVING}, **changes)


def test_models_of_before_render_what_they_did(path):
    model = tiny_model()
    assert video_noise(model) == "constant" == video_noise(load_model("demo"))
    np.testing.assert_array_equal(render_beat(model, path), model.render(path))
    assert not np.ptp(render_beat(model, path), axis=0).any()


def test_a_card_makes_noise_move_where_blood_is_if_that_can_be_found():
    assert video_noise(carded()) == "beat"
    assert video_noise(carded(segmenter=load_model("demo").segmenter)) == "blood"
    assert video_noise(carded(), "constant") == "constant"


def test_noise_moves_by_the_hearts_seed(path):
    model = carded()
    frames = render_beat(model, path)
    assert (np.ptp(frames, axis=0) > 0).all()
    np.testing.assert_array_equal(frames, render_beat(model, path, "beat", seed=0))
    assert np.any(frames != render_beat(model, path, "beat", seed=1))


def test_outside_of_the_blood_noise_stays(path, monkeypatch):
    """Blood on the right of the picture; what is far from it sees none of what moves there."""
    masks = np.zeros((6, 16, 16), np.uint8)
    masks[:, :, 15] = 1
    masks[:, :, 0] = 2  # myocardium
    monkeypatch.setattr(
        beat, "segment", lambda segmenter, cine: Segmentation(masks, masks, (1.0, 1.0))
    )
    noise = tuple(level.at[:].set(0) for level in tiny_model().noise)
    # Only the finest layer's noise shows, so that it reaches one pixel and its neighbours.
    params = tiny_model().params
    silent = {
        name: {**layer, "noise_strength": layer["noise_strength"] * (name == "b16_conv1")}
        if "noise_strength" in layer
        else layer
        for name, layer in params["synthesis"].items()
        if name != "const"
    }
    params = {**params, "synthesis": {**params["synthesis"], **silent}}
    model = carded(noise=noise, params=params, segmenter=object())  # it is not asked
    moved = np.ptp(render_beat(model, path, "blood"), axis=0)[..., 0]
    assert (moved[:, 15] > 0).all() and not moved[:, :15].any()


def test_blood_needs_a_segmenter(path):
    with pytest.raises(InputError, match="needs a segmenter.*or take beat or constant"):
        beat_pixels(tiny_model(), path, "blood")


def test_files_say_that_noise_moves(tmp_path):
    save_model(tiny_model(), tmp_path / "model.safetensors")
    options = ["--model", tmp_path / "model.safetensors", "--videos", 1, "--frames", 4]
    options += ["--spacing-mm", 2, 2, "--motion", "mean"]
    options += [word for name in ("gif", "nifti", "dicom") for word in ("--format", name)]

    def synthesize(*more):
        return CliRunner().invoke(gancmri, ["synthesize", *map(str, [*options, *more])])

    for name in ("beat", "constant"):
        result = synthesize("--noise", name, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    moving, still = tmp_path / "beat" / "heart-0000-mean", tmp_path / "constant" / "heart-0000-mean"
    images = [nibabel.load(f"{stem}.nii.gz") for stem in (moving, still)]
    said = [bytes(image.header["intent_name"]).rstrip(b"\0") for image in images]
    assert said == [b"noise: beat", b""]
    assert np.any(images[0].get_fdata() != images[1].get_fdata())
    comments = [pydicom.dcmread(f"{stem}.dcm").ImageComments for stem in (moving, still)]
    assert comments[0] == f"{comments[1]}; noise: beat"
    assert iio.immeta(f"{moving}.gif")["comment"].endswith(b"; noise: beat")
    refused = synthesize("--noise", "blood", "--out", tmp_path / "none")
    assert isinstance(refused.exception, InputError)
    assert "has no segmenter to find it; take beat" in str(refused.exception)
    assert not (tmp_path / "none").exists()
