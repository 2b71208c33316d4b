"""PyTorch's files, written by hand in its formats, give their tensors or are refused."""

import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights.torch_files import read_torch
from tests.weight_files import (
    Call,
    Global,
    Module,
    Storage,
    dumps,
    tensor,
    write_legacy,
    write_zip,
)

ARRAYS = {
    "features.0.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "features.0.bias": np.asarray([0.5, -1], np.float32),
}


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_a_state_dictionary_comes_back(tmp_path, write):
    path = tmp_path / "net.pth"
    write(path, ARRAYS)
    tensors = read_torch(path)
    assert list(sorted(tensors)) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(tensors[name], array)


def test_pieces_of_one_storage_and_parameters_come_back(tmp_path):
    path = tmp_path / "net.pth"
    values = np.arange(6, dtype=np.float32)
    piece = tensor(values, "0", shape=(2, 2), offset=2)
    parameter = Call(Global("torch._utils", "_rebuild_parameter"), piece, True, OrderedDict())
    write_zip(path, {"v": values}, {"all": tensor(values, "0"), "piece": parameter})
    tensors = read_torch(path)
    np.testing.assert_array_equal(tensors["piece"], [[2, 3], [4, 5]])
    np.testing.assert_array_equal(tensors["all"], values)


def test_a_tensor_of_another_order_comes_back(tmp_path):
    """As kernels in `torch.channels_last` are stored."""
    path = tmp_path / "net.pth"
    values = np.arange(12, dtype=np.float32)
    kernel = tensor(values, "0", shape=(2, 3, 1, 2), strides=(6, 1, 1, 3))
    write_zip(path, {"v": values}, {"kernel": kernel})
    stored = values.reshape(2, 1, 2, 3)  # [o h w i]
    np.testing.assert_array_equal(read_torch(path)["kernel"], stored.transpose(0, 3, 1, 2))


def test_a_torchscript_modules_tensors_come_back_by_path(tmp_path):
    weight = np.ones((2, 2), np.float32)
    sizes = Call(Global("torch.jit._pickle", "build_intlist"), [1, 1])
    conv = Module("Conv", weight=tensor(weight, "0"), stride=sizes, training=False)
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", dumps(Module("Net", conv=conv, hook=None)))
        archive.writestr("net/data/0", weight.tobytes())
        archive.writestr("net/code/__torch__/net.py", "import os; os.system('touch pwned')")
    tensors = read_torch(path)
    assert list(tensors) == ["conv/weight"]
    np.testing.assert_array_equal(tensors["conv/weight"], weight)


VALUES = np.zeros(4, np.float32)


@pytest.mark.parametrize(
    "bad",
    [
        tensor(VALUES, "0", shape=(1 << 40,)),
        tensor(VALUES, "0", shape=(1 << 40,), strides=(0,)),
        tensor(VALUES, "0", shape=(4,), offset=1),
        tensor(VALUES, "0", shape=(2, 2), strides=(1, 1)),
        tensor(VALUES, "0", values=np.zeros(1 << 20)),
        tensor(VALUES, "../../etc/passwd"),
        Call(Global("torch._utils", "_rebuild_tensor_v2"), Storage("0", VALUES, "EvilStorage"), 0),
        Call(Global("os", "system"), "true"),
        Call(Global("torch.hub", "load"), "x"),
    ],
    ids=[
        *("huge", "huge by stride 0", "beyond its end", "overlapping", "longer storage"),
        *("path", "storage", "os.system", "torch.hub"),
    ],
)
def test_a_tensor_that_is_no_piece_of_the_file_is_refused(tmp_path, bad):
    path = tmp_path / "net.pth"
    write_zip(path, {"v": VALUES}, {"bad": bad})
    with pytest.raises(InputError, match="net.pth: "):
        read_torch(path)


def test_what_is_asked_for_is_named(tmp_path):
    path = tmp_path / "net.pth"
    write_zip(path, {"v": VALUES}, Call(Global("os", "system"), "true"))
    with pytest.raises(InputError, match="asks for 'os.system'"):
        read_torch(path)


def test_a_packed_member_is_refused(tmp_path):
    path = tmp_path / "bomb.pth"
    write_zip(path, {"v": np.zeros(1 << 16, np.float32)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="decompression bomb"):
        read_torch(path)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize("keep", [0, 10, 0.5, -3], ids=["nothing", "head", "half", "almost all"])
def test_a_file_that_was_cut_off_is_refused(tmp_path, write, keep):
    path = tmp_path / "net.pth"
    write(path, ARRAYS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if keep == 0.5 else keep])
    with pytest.raises(InputError, match="net.pth: "):
        read_torch(path)


def test_a_legacy_file_that_says_two_lengths_is_refused(tmp_path):
    path = tmp_path / "net.pth"
    write_legacy(path, {"v": VALUES})
    content = path.read_bytes()
    head, tail = content[: -4 * 4 - 8], content[-4 * 4 :]
    path.write_bytes(head + (1 << 50).to_bytes(8, "little") + tail)
    with pytest.raises(InputError, match="two lengths"):
        read_torch(path)


def test_what_is_no_pytorch_file_is_refused(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"".join(dumps(n) for n in range(5)))
    with pytest.raises(InputError, match="no PyTorch file"):
        read_torch(path)
