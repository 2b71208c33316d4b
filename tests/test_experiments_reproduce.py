import dataclasses
import json
import re

import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.experiments import reproduce as module
from gancmri_jax.experiments.reproduce import read_config, reproduce
from gancmri_jax.experiments.scale import Scale
from gancmri_jax.latents.motions import MeanSteps
from gancmri_jax.metrics.backbones import BACKBONES
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.networks.generator import Generator
from tests.tiny import random_params, tiny_config, tiny_model

SCALE = Scale(
    subjects=12,
    beats=2,
    pairs=3,
    halved=1,
    projection_steps=3,
    distance="multiscale_pixel",
    frames=4,
    clips=4,
    moving=2,
    hearts=1,
    trials=2,
)


def refused(*_):
    raise InputError("i3d: not in the cache; supply it by `gancmri weights fetch i3d`")


@pytest.fixture(autouse=True)
def no_weights(monkeypatch):
    """A machine that cannot have pretrained networks."""
    for name in ("i3d", "inception", "cardiac_fcn"):
        monkeypatch.setitem(BACKBONES, name, refused)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(tiny_model(resolution=32), path)
    return path


@pytest.mark.slow
def test_a_run_writes_one_report_and_is_not_done_twice(model, tmp_path, monkeypatch):
    out, told = tmp_path / "run", []
    report = reproduce(out, SCALE, model_name=str(model), tell=told.append)
    said = report.read_text()
    assert "12 phantom hearts (seed 1) of 50 frames at 32²" in said
    for section in ("Frames", "Motion", "Temporal super-resolution", "Physiologic guidance"):
        assert f"## {section}" in said
    assert "| ED-to-ES | 5 | 547 |" in said and "| Super-resolution | 1 | 1, " in said
    assert "meanSSIM of every second frame, by codes as in the paper" in said
    assert "Not measured, `fvd`: i3d: not in the cache; supply it by" in said
    assert "Where the paper is not beaten: " in said
    assert "The model has no segmenter; the demo model's measured its hearts." in said
    assert sum("left out: i3d" in line for line in told) == 3

    page = (out / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)  # it needs no other file
    linked = re.findall(r"\]\(([^)]+)\)", said)
    assert len(linked) >= 8 and all((out / name).stat().st_size > 1000 for name in linked)
    assert page.count("data:image/png") + page.count("data:video/mp4") == len(linked)

    def again(*_, **__):
        raise AssertionError("done twice")

    for name in ("write_phantoms", "prepare", "project_study", "fit"):
        monkeypatch.setattr(module.making, name, again)
    for name in ("superresolution", "movements", "seconds_per_video", "films"):
        monkeypatch.setattr(module.measures, name, again)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "stages").iterdir()}
    reproduce(out, SCALE, model_name=str(model))
    assert stamps == {path: path.stat().st_mtime_ns for path in (out / "stages").iterdir()}
    assert report.read_text() == said

    with pytest.raises(InputError, match="another scale; choose another --out"):
        reproduce(out, dataclasses.replace(SCALE, hearts=2), model_name=str(model))
    more = dataclasses.replace(SCALE, frames=5)  # which only the distances of frames depend on
    told.clear()
    reproduce(out, more, model_name=str(model), tell=told.append)
    assert [line.split(":")[0] for line in told if "done before" not in line] == [
        "fid",
        "fcn_fd",
        "cfid",
        "fvd",
    ]
    assert {"fcn_fd4.json", "fcn_fd5.json"} <= {p.name for p in (out / "stages").iterdir()}
    fitted = load_model(str(out / "model.safetensors"))
    assert fitted.motion.of(MeanSteps).steps.shape == (49, 8, 8)
    assert {"lv_area", "sphericity_index"} <= fitted.directions.keys()
    assert fitted.segmenter is not None and fitted.spacing_mm is not None
    results = json.loads((out / "stages" / "fit.json").read_text())
    assert sum(results["low_high"]["lv_area"]) == 5


def test_a_model_of_colour_is_refused_before_anything_is_written(tmp_path):
    grey = tiny_model()
    generator = Generator(**{**vars_of(grey.generator), "img_channels": 3})
    path = tmp_path / "colour.safetensors"
    save_model(
        dataclasses.replace(
            grey, generator=generator, params=random_params(generator, np.random.default_rng(0))
        ),
        path,
    )
    with pytest.raises(InputError, match="makes images of 3 channels; cines are grey"):
        reproduce(tmp_path / "run", SCALE, model_name=str(path))
    assert not (tmp_path / "run").exists()


def vars_of(generator):
    names = ("resolution", "z_dim", "w_dim", "mapping_layers", "channel_base", "channel_max")
    return {name: getattr(generator, name) for name in names}


def test_a_folder_that_cannot_be_written_is_refused(model, tmp_path):
    (tmp_path / "file").write_text("")
    said = "file/run: cannot be written: Not a directory .* choose another"
    with pytest.raises(InputError, match=said):
        reproduce(tmp_path / "file" / "run", SCALE, model_name=str(model))


def test_a_configuration_is_read_or_refused_in_one_line(tmp_path):
    path = tmp_path / "c.py"
    with pytest.raises(InputError, match="c.py: no such configuration; give"):
        read_config(path)
    path.write_text("import nothing_of_this_name")
    with pytest.raises(InputError, match="c.py: No module named 'nothing_of_this_name'"):
        read_config(path)
    path.write_text(
        "from ml_collections import ConfigDict\n"
        f"def get_config():\n    return ConfigDict({tiny_config().to_dict()!r})\n"
    )
    assert read_config(path).resolution == 8
