"""The whole chain on a small phantom study: each command works on what the last one left."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cli.main import gancmri, run
from gancmri_jax.configs import phantom64
from gancmri_jax.latents.motions import MeanSteps
from gancmri_jax.model.file import load_model
from gancmri_jax.training.loop import train

pytestmark = pytest.mark.slow


def call(capsys, *words):
    """Run a command; return its status, its output and its errors."""
    status = 0
    try:
        run(lambda **options: gancmri([str(word) for word in words], **options))
    except SystemExit as exit_:
        status = exit_.code
    return status, *capsys.readouterr()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


def test_from_phantom_to_video(study, capsys):
    hearts, records, work = study / "hearts", study / "records", study / "run"
    latents, fitted, videos = study / "z.zarr", study / "heart.safetensors", study / "videos"

    sizes = ("--subjects", 12, "--size", 32, "--frames", 8)
    assert call(capsys, "phantom", "--out", hearts, *sizes)[0] == 0
    status, said, _ = call(capsys, "prepare", "--input", hearts, "--out", records, "--size", 32)
    assert status == 0 and "train: 10 subjects, 10 videos, 80 frames" in said

    config = phantom64.get_config()
    config.update(
        data=str(records),
        resolution=32,
        z_dim=16,
        w_dim=16,
        channel_base=64,
        channel_max=8,
        inversion_kimg=0.008,  # a step of each stage, and two of the last
        d_warmup_kimg=0.008,
        total_kimg=0.032,
        anneal_kimg=0.008,
        kimg_per_snapshot=0.016,
    )
    train(config, work)
    assert (work / "samples" / "000000kimg.png").exists()

    options = ("--model", work, "--input", records, "--out", latents, "--steps", 3)
    status, said, _ = call(capsys, "project", *options, "--videos", 4)
    assert status == 0 and "32 frames of 4 videos" in said

    options = ("--model", work, "--latents", latents, "--frames", 8, "--out", fitted)
    table = hearts / "phenotypes.csv"
    status, said, _ = call(capsys, "fit", *options, "--phenotypes", table, "--segmenter", "demo")
    assert status == 0 and "frame_to_frame: learned from 4 videos" in said
    model = load_model(fitted)
    assert model.fingerprint == load_model(work).fingerprint
    assert model.motion.of(MeanSteps).steps.shape == (7, 8, 16)
    assert {"lv_area", "sphericity_index", "ef"} <= model.directions.keys()
    assert model.segmenter.fingerprint == load_model("demo").segmenter.fingerprint

    options = ("--model", fitted, "--videos", 2, "--frames", 6, "--out", videos)
    assert call(capsys, "synthesize", *options, "--adjust", "lv_area=+1.5")[0] == 0
    assert sorted(p.suffix for p in videos.iterdir()) == [".gif"] * 2 + [".mp4"] * 2 + [".png"] * 2
    sheet = np.asarray(Image.open(videos / "heart-0001-frame-to-frame.png"))
    assert sheet.shape == (32, 320) and sheet.std() > 0

    dense, heart = study / "dense", hearts / "phantom-0003"
    options = ("--model", fitted, "--input", heart, "--steps", 2, "--closed", "--keep-ids")
    assert call(capsys, "superres", *options, "--out", dense)[0] == 0
    image = nib.load(dense / "phantom-0003-0000-x2.nii.gz")
    assert image.shape == (32, 32, 1, 16)
    original = nib.load(heart / "la_4ch.nii.gz")
    assert image.header.get_zooms()[3] == pytest.approx(original.header.get_zooms()[3] / 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("synthesize", "--model", "nothing.safetensors"), "nothing.safetensors: no such model"),
        (("synthesize", "--adjust", "lv_area"), "'lv_area' is not of the form lv_area=+1.5"),
        (("project", "--input", "nothing", "--out", "z"), "no such file or folder"),
        (("synthesize", "--adjust", "lv_area=nan"), "'lv_area=nan' is not of the form"),
        (("synthesize", "--components", "3"), "--components needs --motion pca_residual"),
        (("synthesize", "--seed", str(2**32)), "--seed"),
        (("fit", "--model", "nothing", "--latents", "z", "--out", "m"), "no such model"),
        (("prepare", "--input", "nothing", "--out", "records"), "no such file or folder"),
        (("project", "--input", ".", "--out", "z"), "holds no subject"),
        (("beat",), "No such command 'beat'"),
        (("synthesise",), "did you mean synthesize?"),
        (("synthesize", "--video", "3"), "Did you mean '--videos'?"),
        (("train", "--config", "phantom64", "--workdri", "w"), "Did you mean '--workdir'?"),
    ],
)
def test_bad_input_is_one_line_and_status_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, errors = call(capsys, *words)
    assert status == 2
    assert errors.startswith("error: ") and errors.count("\n") == 1 and said in errors
    assert list(tmp_path.iterdir()) == []
