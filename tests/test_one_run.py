"""Every verb that writes an output refuses a second run in it, in one line, and changes nothing."""

import types

import numpy as np
import pytest

from gancmri_jax.apps.reader_study.create import create_study
from gancmri_jax.apps.reader_study.items import Plan
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import insist
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.reproduce import reproduce
from gancmri_jax.experiments.scale import QUICK
from gancmri_jax.fitting.fit import fit
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.study import project_study
from gancmri_jax.segmentation import training as segmenting
from gancmri_jax.segmentation.training import train_segmenter
from gancmri_jax.training import encoder as encoding
from gancmri_jax.training.encoder import train_encoder
from gancmri_jax.training.loop import train
from tests.test_lock import another_process
from tests.tiny import tiny_config

# Refused before anything is asked of the model.
MODEL = types.SimpleNamespace(insist_grey=lambda: None, resolution=8)

INSIDE = {
    "train": lambda out, source: train(tiny_config(data=str(source)), out),
    "train-segmenter": lambda out, source: train_segmenter(segmenting.default_config(), out),
    "train-encoder": lambda out, source: train_encoder(MODEL, encoding.default_config(), out),
    "reproduce": lambda out, source: reproduce(out, QUICK, model_name="demo"),
}
BESIDE = {
    "prepare": lambda out, source: prepare(source, out, Options(8), on_refusal=insist),
    "project": lambda out, source: project_study(
        MODEL, [], out, Settings(distance="multiscale_pixel")
    ),
    "fit": lambda out, source: fit(MODEL, [], out),
    "study create": lambda out, source: create_study(
        out,
        Plan("videos", source, {"made": source}, 1, 0, 0),
        0,
        say=print,
        progress=lambda steps, kind: steps,
    ),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    frames = np.random.default_rng(0).integers(0, 1000, (3, 8, 8), dtype=np.int16)
    write_nifti(folder / "a.nii.gz", frames, (1.5, 1.25), 30.0)
    return folder


@pytest.mark.parametrize("verbs", [INSIDE, BESIDE], ids=["inside", "beside"])
def test_a_second_run_of_any_verb_is_refused(verbs, source, tmp_path):
    outputs = {verb: tmp_path / verb.replace(" ", "-") for verb in verbs}
    with another_process(*outputs.values(), beside=verbs is BESIDE) as process:
        before = sorted(tmp_path.rglob("*"))
        for verb, run in verbs.items():
            said = rf"{outputs[verb]}: another run writes there \(train, process {process.pid} on"
            with pytest.raises(InputError, match=said):
                run(outputs[verb], source)
        assert sorted(tmp_path.rglob("*")) == before
