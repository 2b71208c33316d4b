"""Foreign pickles give data or are refused; what they ask for is never imported or called."""

import io
import os
import pickle
import pickletools
import struct
import tracemalloc

import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights.pickles import (
    NUMPY,
    Record,
    flatten,
    numpy_array,
    read_arrays,
    read_pickle,
)
from tests.weight_files import Call, Global, dumps


def read(content, allowed=NUMPY.__contains__):
    return read_pickle(io.BytesIO(content), allowed)


DATA = {"a": [1, -70000, 2.5, None, True], "b": {"c": (1, 2), "d": ("x", b"y", 3, 4)}, "e": ()}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_come_back(protocol):
    content = pickle.dumps(DATA, protocol)
    if protocol == 2:  # which writes bytes as a call
        with pytest.raises(InputError, match="_codecs.encode"):
            read(content)
        DATA_2 = {**DATA, "b": 0}
        assert read(pickle.dumps(DATA_2, 2)) == DATA_2
    else:
        assert read(content) == DATA


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8"])
def test_arrays_come_back(tmp_path, protocol, order, dtype):
    array = np.asarray(np.arange(6).reshape(2, 3), dtype, order=order)
    path = tmp_path / "a.ckpt"
    path.write_bytes(pickle.dumps({"x": {"y": array}, "z": array[0, :2]}, protocol))
    arrays = read_arrays(path)
    np.testing.assert_array_equal(arrays["x/y"], array)
    np.testing.assert_array_equal(arrays["z"], [0, 1])


def test_a_second_pickle_begins_where_the_first_ends():
    file = io.BytesIO(pickle.dumps(1) + pickle.dumps("two"))
    assert [read_pickle(file, NUMPY.__contains__) for _ in range(2)] == [1, "two"]


@pytest.mark.parametrize(
    "content",
    [b"(" * 300_000 + b"t" * 300_000 + b".", b"}" + b"N" + b"\x85" * 900_000 + b"Ns."],
    ids=["nested marks", "nested key"],
)
def test_deep_nesting_costs_no_more_than_its_length(content):
    """It needs no deep stack, and no time that grows as its length squared: hours, here."""
    if content.startswith(b"}"):
        with pytest.raises(InputError, match="broken pickle"):
            read(b"\x80\x02" + content)
    else:
        assert isinstance(read(b"\x80\x02" + content), tuple)


class Evil:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


HOSTILE = {
    "os.system": Evil(os.system, "touch pwned"),
    "builtins.eval": Evil(eval, "open('pwned', 'w')"),
    "builtins.getattr": {"a": [Evil(getattr, Evil(__import__, "os"), "system")]},
    "nested": {"x": [1.5], "y": (Evil(Evil, 1),)},
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_asks_for_a_program_is_refused_by_name(tmp_path, monkeypatch, name, protocol):
    monkeypatch.chdir(tmp_path)
    asked = {"os.system": "posix.system|nt.system", "nested": "Evil"}.get(
        name, "builtins|__builtin"
    )
    with pytest.raises(InputError, match=f"asks for '.*({asked})"):
        read(pickle.dumps(HOSTILE[name], protocol))
    assert not list(tmp_path.iterdir())


def test_an_allowed_name_is_recorded_and_not_called():
    called = read(dumps(Call(Global("os", "system"), "touch pwned")), {"os.system"}.__contains__)
    assert isinstance(called, Record)
    assert (called.path, called.args) == ("os.system", ("touch pwned",))


@pytest.mark.parametrize(
    "content",
    [
        pickle.PROTO + b"\x04" + pickle.BINBYTES8 + struct.pack("<Q", 1 << 60) + b"few",
        pickle.PROTO + b"\x04" + pickle.FRAME + struct.pack("<Q", 1 << 60) + b"K\x01",
        b"K\x01" + pickle.LONG_BINPUT + b"\xff\xff\xff\xff" + pickle.LONG_BINGET + b"\0\0\0\0.",
        pickle.dumps({"weights": list(range(99))})[:-20],
        b"",
        b"not a pickle",
        b"0.",
        b"(.",
        b"K\x01K\x02.",
        b"}" + b"]" + b"K\x01s.",  # a list as a key
        b"cos\nsystem\n.",
        b"Pextern\n.",
        b"\x82\x01.",
    ],
    ids=[
        *("declares an exabyte", "declares a frame", "declares a memo", "cut off", "empty"),
        *(
            "text",
            "pops nothing",
            "marks",
            "leaves more than one",
            "unhashable",
            "a name alone",
            "old reference",
        ),
        "extension",
    ],
)
def test_what_is_broken_or_odd_is_refused_in_little_memory(content):
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_a_pickle_of_too_many_instructions_is_refused(monkeypatch):
    monkeypatch.setattr("gancmri_jax.weights.pickles.MOST_INSTRUCTIONS", 50)
    with pytest.raises(InputError, match="over 50 instructions"):
        read(pickle.dumps([[] for _ in range(50)]))


def test_every_instruction_of_numpys_pickles_is_known():
    content = pickle.dumps({str(k): np.ones((k, 300)) for k in range(3)}, 4)
    names = {opcode.name for opcode, _, _ in pickletools.genops(content)}
    assert {"STACK_GLOBAL", "MEMOIZE", "BINBYTES"} <= names
    read(content)


def array_record(shape=(2,), kind="f4", content=bytes(8), order="<"):
    dtype = Record("numpy.dtype", (kind, False, True), (3, order, None, None, None, -1, -1, 0))
    state = (1, shape, dtype, False, content)
    return Record("numpy.core.multiarray._reconstruct", (), state)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (1 << 40,)},
        {"shape": (3,)},
        {"kind": "O8"},
        {"kind": "V999999999"},
        {"content": ["not", "bytes"]},
        {"order": "x"},
    ],
    ids=["huge", "longer", "objects", "void", "list", "order"],
)
def test_an_array_of_another_size_or_kind_than_its_bytes_is_refused(change):
    np.testing.assert_array_equal(numpy_array(array_record()), [0, 0])
    with pytest.raises(InputError, match="no sound array"):
        numpy_array(array_record(**change))


def test_a_tree_within_itself_and_a_vast_tree_of_shared_members_are_refused(monkeypatch):
    loop = {}
    loop["loop"] = loop
    with pytest.raises(InputError, match="too deeply"):
        flatten(loop, lambda node: False)
    monkeypatch.setattr("gancmri_jax.weights.pickles.MOST_INSTRUCTIONS", 1000)
    vast = {}
    for _ in range(30):
        vast = {"a": vast, "b": vast}
    with pytest.raises(InputError, match="too deeply"):
        flatten(vast, lambda node: False)


def test_the_file_is_named(tmp_path):
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps(Evil(eval, "1")))
    with pytest.raises(InputError, match=r"evil.ckpt: is a pickle that asks for '.*eval'"):
        read_arrays(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="evil.ckpt: "):
        read_arrays(path)
