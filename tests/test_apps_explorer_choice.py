import dataclasses
import shlex

import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.apps.explorer.choice import (
    Choice,
    command_line,
    explain,
    motions,
    projection,
)
from gancmri_jax.apps.explorer.films import Films
from gancmri_jax.apps.explorer.uploads import Uploads
from gancmri_jax.cine.nifti import read_nifti
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import EdToEs
from gancmri_jax.model.file import save_model
from gancmri_jax.model.motion import LearnedMotion
from tests.tiny import tiny_model
from tests.tiny_encoder import tiny_encoder

ADJUSTED = Choice("ed-to-es", 7, 0.7, (("lv_area", -1.23456789),))


@pytest.fixture(scope="module")
def model():
    card = {"spacing_mm": [2.456789123, 2.0], "frame_ms": 18.5}
    return dataclasses.replace(tiny_model(), card=card)


def test_motions_are_those_that_the_model_has_learned_the_papers_first(model):
    names = motions(model)
    assert names[:2] == ["frame-to-frame", "ed-to-es"]
    assert "fourier" in names and "pca_residual" in names
    assert not {"mean", "published", "conditioned"} & set(names)  # the first two, and not learned
    assert "ED to ES" in explain("ed-to-es", model)
    pairs = LearnedMotion((model.motion.of(EdToEs),))
    assert motions(dataclasses.replace(model, motion=pairs)) == ["ed-to-es"]
    with pytest.raises(InputError, match="no motion; see `gancmri fit`"):
        motions(dataclasses.replace(model, motion=LearnedMotion()))


def test_the_command_of_what_is_shown_writes_the_same_pixels(model, tmp_path):
    path = tmp_path / "my model.safetensors"
    save_model(model, path)
    line = command_line(ADJUSTED, str(path), model, 18.5)
    assert "--adjust lv_area=-1.23456789" in line and "--motion ed-to-es" in line
    program, *words = shlex.split(line)
    assert program == "gancmri"
    done = CliRunner().invoke(gancmri, [*words, "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    (written,) = tmp_path.glob("*.nii.gz")
    assert written.name == "heart-0007-ed-to-es.nii.gz"
    shown = Films(model, Uploads(model)).film(ADJUSTED, lambda: None).cine
    cine = read_nifti(written, "")
    np.testing.assert_array_equal(cine.pixels, shown.pixels)
    np.testing.assert_allclose(cine.spacing_mm, shown.spacing_mm, rtol=1e-6)
    assert cine.frame_ms == shown.frame_ms == 18.5


def test_without_spacing_the_command_writes_no_nifti(model):
    line = command_line(ADJUSTED, "demo", dataclasses.replace(model, card={}), 20)
    assert "nifti" not in line and "spacing" not in line


def test_only_superresolution_of_a_cine_has_a_command(model):
    line = command_line(Choice("x4", cine="name"), "demo", model, 20)
    assert "gancmri superres" in line and "--factor 4" in line and "--input FILE" in line
    for choice in (Choice("projected", cine="a"), Choice("x2", cine="a", amounts=(("ef", 1.0),))):
        with pytest.raises(InputError, match="download it instead"):
            command_line(choice, "demo", model, 20)


def test_a_search_begins_where_the_command_says(model):
    guessing = dataclasses.replace(model, encoder=tiny_encoder(model))
    for searched, start in ((model, "mean"), (guessing, "encoder")):
        assert projection(searched).start == start
        words = shlex.split(command_line(Choice("x2", cine="name"), "demo", searched, 20))
        assert words[words.index("--start") + 1] == start
