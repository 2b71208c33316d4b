"""Model files of version 0.1 keep working. The one in `tests/data` was written by 0.1."""

import json
import pathlib

import numpy as np
import pytest
from safetensors import safe_open

from gancmri_jax.disclaimer import unmarked_card
from gancmri_jax.latents.motions import MOTIONS
from gancmri_jax.model.file import load_model, read_header, save_model

FILE = pathlib.Path(__file__).parent / "data" / "model_0_1.safetensors"
FRAMES = FILE.with_name("model_0_1_frames.npy")  # what 0.1 rendered: motion, frame, row, column


def tensors_of(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def test_it_renders_the_same(threefry):
    model = load_model(FILE)
    names = list(MOTIONS)[:8]
    assert model.motion.names[:8] == names
    assert model.motion.contraction is not None and model.motion.log_depth is not None
    for name, expected in zip(names, np.load(FRAMES).astype(np.float32), strict=True):
        video = model.video(3, name, len(expected))[..., 0]
        np.testing.assert_allclose(video, expected, atol=4e-3, err_msg=name)  # kept in float16


@pytest.mark.parametrize("name", [FILE, "demo"])
def test_it_is_written_again_with_the_same_tensors(name, tmp_path):
    save_model(load_model(name), tmp_path / "again.safetensors")
    before, said = tensors_of(read_header(name).path)
    after, says = tensors_of(tmp_path / "again.safetensors")
    for metadata in (said, says):  # 0.1 wrote no checksums, and did not say what models are for
        metadata.pop("sha256", None)
        metadata["card"] = unmarked_card(json.loads(metadata["card"]))
    assert before.keys() == after.keys() and said == says
    for key, array in before.items():
        assert array.dtype == after[key].dtype and np.array_equal(array, after[key]), key
