import json
import pickletools
import zipfile

import numpy as np

from gancmri_jax.weights.torch_files import read_notes, read_torch
from gancmri_jax.weights.torch_write import write_torch

TREE = {
    "net": {
        "a.weight": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "scalar": np.asarray(2.5, np.float32),
    },
    "kwargs": {"size": -3, "rate": 0.5, "yes": True, "inner": {}},
    "card": json.dumps({"name": "Hërz"}),
    "group": 300,
}


def test_it_comes_back(tmp_path):
    path = tmp_path / "net.pt"
    write_torch(path, TREE)
    tensors = read_torch(path)
    assert tensors.keys() == {"net/a.weight", "net/turned", "net/scalar"}
    for name, array in TREE["net"].items():
        np.testing.assert_array_equal(tensors[f"net/{name}"], array)
    assert read_notes(path) == {"card": TREE["card"], "group": 300}


def test_equal_trees_are_equal_files_of_what_pytorch_needs(tmp_path):
    paths = tmp_path / "a.pt", tmp_path / "b.pt"
    for path in paths:
        write_torch(path, TREE)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        names = [info.filename for info in archive.infolist()]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("archive/version") == b"3\n"
        content = archive.read("archive/data.pkl")
    data = [f"archive/data/{key}" for key in range(3)]
    assert names == ["archive/data.pkl", "archive/byteorder", *data, "archive/version"]
    asked = {argument for code, argument, _ in pickletools.genops(content) if code.name == "GLOBAL"}
    assert asked == {  # all on the list of torch.load(weights_only=True)
        "torch FloatStorage",
        "torch._utils _rebuild_tensor_v2",
        "collections OrderedDict",
    }
