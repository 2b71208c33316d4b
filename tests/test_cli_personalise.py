"""The command from a film to a marked model, and what is refused in one line."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.video_file import write_gif
from gancmri_jax.cli.main import gancmri, run
from gancmri_jax.model.file import load_model, read_header, save_model
from gancmri_jax.training.models import start_from
from tests.tiny import tiny_config, tiny_model
from tests.tiny_encoder import encoding_model
from tests.tiny_segmenter import tiny_segmenter

OPTIONS = ("--search-steps", 2, "--steps", 2, "--batch-size", 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and films of a beat, of a still and of too few frames."""
    folder = tmp_path_factory.mktemp("personal")
    save_model(encoding_model(), folder / "base.safetensors")
    save_model(tiny_model(), folder / "blind.safetensors")
    looking = dataclasses.replace(encoding_model(), segmenter=tiny_segmenter())
    save_model(looking, folder / "looking.safetensors")
    frames = np.random.default_rng(0).integers(0, 256, (10, 16, 16)).astype(np.uint8)
    still = frames[:1].repeat(10, 0)
    still[:, 0, 0] = 6 * np.arange(10)  # GIF would make one frame of equal ones
    for name, pixels in {"beat": frames, "still": still, "few": frames[:5]}.items():
        (folder / name).mkdir()
        write_gif(folder / name / "cine.gif", pixels, 40.0)
    (folder / "two").mkdir()
    for name in ("a", "b"):
        write_gif(folder / "two" / f"{name}.gif", frames, 40.0)
    return folder


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["gancmri", *map(str, arguments)])
    try:
        run(gancmri)
    except SystemExit as error:
        return error.code, capsys.readouterr()
    return 0, capsys.readouterr()


@pytest.fixture(scope="module")
def mine(folder):
    """A personal model, and what the command left and said."""
    with pytest.MonkeyPatch.context() as patch:
        out = folder / "mine.safetensors"
        words = ["personalise", "--model", folder / "base.safetensors", "--input", folder / "beat"]
        words += ["--out", out, "--picture", folder / "mine.png", "--json", folder / "mine.json"]
        patch.setattr("sys.argv", ["gancmri", *map(str, (*words, *OPTIONS))])
        run(gancmri)
    return out


def test_it_leaves_a_marked_model_a_picture_and_numbers(mine, folder):
    card = read_header(mine).card
    assert "made from one patient's images" in card["personal"]["note"]
    assert card["frame_ms"] == 40.0
    assert np.asarray(Image.open(folder / "mine.png")).shape == (3 * 16, 8 * 16)
    (numbers,) = json.loads((folder / "mine.json").read_text())["models"].values()
    assert numbers["steps"] == 2 and numbers["after"]["psnr_db"] > 0
    hidden = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not hidden  # neither lock nor what was done on the way


def test_its_heart_is_replayed_and_its_files_say_whence(monkeypatch, capsys, mine, tmp_path):
    words = ("--model", mine, "--motion", "own", "--frames", 10, "--format", "png")
    status, said = call(monkeypatch, capsys, "synthesize", *words, "--out", tmp_path)
    assert status == 0 and "1 hearts of 10 frames" in said.out
    with Image.open(tmp_path / "heart-own.png") as picture:
        comment = picture.info["Comment"]
    assert comment.startswith("derived from a real cine; 10 of 10 frames synthetic")
    again = call(monkeypatch, capsys, "synthesize", *words, "--out", tmp_path / "b", "--seed", 5)
    assert again[0] == 0
    first, second = (
        np.asarray(Image.open(p / "heart-own.png")) for p in (tmp_path, tmp_path / "b")
    )
    np.testing.assert_array_equal(first, second)


def test_it_is_not_for_the_public_and_no_start_of_training(monkeypatch, capsys, mine, tmp_path):
    for words in (("--format", "hub"), ("--format", "onnx", "--public")):
        status, said = call(
            monkeypatch, capsys, "export", "--model", mine, "--out", tmp_path / "x", *words
        )
        assert status == 2 and said.err.count("\n") == 1
        assert "made from one patient's images" in said.err
    assert not list(tmp_path.iterdir())
    from gancmri_jax.errors import InputError

    with pytest.raises(InputError, match="made from one patient's images; start from the model"):
        start_from(tiny_config(init_from=str(mine), resolution=16), None)


def test_a_second_heart_takes_the_place_of_the_first_and_a_fit_keeps_it(mine):
    model = load_model(mine)
    fitted = model.with_fit(dataclasses.replace(model.motion, kept=model.motion.kept[:1]), {}, {})
    assert fitted.motion.names == ["published", "own"]
    np.testing.assert_array_equal(fitted.motion.own_start, model.motion.own_start)
    assert len(model.motion.with_own(None).kept) == len(model.motion.kept) - 1


@pytest.mark.parametrize(
    ("model", "source", "words", "said"),
    [
        ("blind", "beat", (), "no encoder"),
        ("base", "few", (), "has 5 frames, and a beat takes 8"),
        ("base", "still", (), "nothing moves"),
        ("looking", "beat", (), "does not look like a beat of a four-chamber view"),
        ("base", "two", (), "2 cines were read, and a model file is of one heart"),
        ("base", "beat", ("--segmenter", "demo"), "ships with the package and measures models"),
        ("base", "beat", ("--out", "none/of/it.safetensors"), "no such folder"),
    ],
)
def test_what_cannot_be_tuned_to_is_one_line_and_leaves_nothing(
    monkeypatch, capsys, folder, tmp_path, model, source, words, said
):
    monkeypatch.chdir(tmp_path)
    arguments = ["personalise", "--model", folder / f"{model}.safetensors"]
    arguments += ["--input", folder / source, "--out", "own.safetensors", *OPTIONS, *words]
    status, printed = call(monkeypatch, capsys, *arguments)
    assert status == 2 and said in printed.err
    assert len([line for line in printed.err.splitlines() if line.startswith("error")]) == 1
    assert not list(tmp_path.iterdir())


def test_flags_can_be_ignored_and_several_hearts_go_into_a_folder(
    monkeypatch, capsys, folder, tmp_path
):
    out = tmp_path / "hearts"
    arguments = ["personalise", "--model", folder / "looking.safetensors", "--keep-ids"]
    arguments += ["--input", folder / "two", "--out", out, "--ignore-flags", *OPTIONS]
    assert call(monkeypatch, capsys, *arguments)[0] == 0
    assert sorted(p.name for p in out.iterdir()) == ["a-0000.safetensors", "b-0001.safetensors"]
    models = [load_model(path) for path in sorted(out.iterdir())]
    assert [model.card["personal"]["subject"] for model in models] == ["a", "b"]
