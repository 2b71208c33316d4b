import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights.tf_checkpoint import read_checkpoint
from tests.tf_files import HEADER, entry, number, sstable, write_checkpoint

ARRAYS = {
    "conv2d/kernel": np.arange(24, dtype="<f4").reshape(2, 3, 2, 2),
    "conv2d/bias": np.asarray([0.5, -1], "<f4"),
    "double": np.asarray([[1.25]], "<f8"),
    "global_step": np.asarray(7, "<i8"),
    **{f"batch_normalization_{k}/gamma": np.full(k, k, "<f4") for k in range(1, 12)},
}


@pytest.mark.parametrize("compressed", [False, True])
def test_variables_come_back(tmp_path, compressed):
    variables = read_checkpoint(*write_checkpoint(tmp_path / "net", ARRAYS, compressed))
    assert variables.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert variables[name].dtype == array.dtype
        np.testing.assert_array_equal(variables[name], array)


def test_a_changed_value_is_found_by_its_checksum_and_named(tmp_path):
    index, data = write_checkpoint(tmp_path / "net", {"a": np.zeros(3, "<f4"), "b": np.ones(2)})
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    with pytest.raises(InputError, match="00001: variable b does not match its checksum"):
        read_checkpoint(index, data)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": (3,)}, "has 8 bytes, which are not float32"),
        ({"shape": (1 << 29,)}, "has 8 bytes"),
        ({"shape": (1 << 29,), "size": 1 << 31}, "beyond the end of the data"),
        ({"size": 2**64 - 8}, "beyond the end of the data"),
        ({"dtype": 7}, "type 7, no plain number"),
        ({"header": number(1, 2)}, "in 2 parts"),
        ({"header": number(1, 1) + number(2, 1)}, "big-endian"),
        ({"header": HEADER + b"\x0b"}, "no index of a checkpoint"),
    ],
    ids=["shape", "vast shape", "2 GB", "negative", "strings", "shards", "endian", "no message"],
)
def test_an_index_that_says_something_else_is_refused(tmp_path, changes, said):
    paths = write_checkpoint(tmp_path / "net", {"a": np.ones(2, "<f4")}, **changes)
    with pytest.raises(InputError, match=f"net.*{said}"):
        read_checkpoint(*paths)


def test_variables_that_share_their_bytes_are_refused(tmp_path):
    """As an index would that makes more of a file than it holds."""
    array = np.ones(8, "<f4")
    index, data = write_checkpoint(tmp_path / "net", {"a": array})
    index.write_bytes(sstable({b"": HEADER, b"a": entry(array, 0), b"b": entry(array, 0)}))
    with pytest.raises(InputError, match="variable b lies beyond the end"):
        read_checkpoint(index, data)


def test_a_cut_off_index_is_refused(tmp_path):
    index, data = write_checkpoint(tmp_path / "net", ARRAYS)
    index.write_bytes(index.read_bytes()[:-10])
    with pytest.raises(InputError, match="net.index: is no sorted string table"):
        read_checkpoint(index, data)
