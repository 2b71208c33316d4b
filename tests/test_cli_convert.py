"""`gancmri convert` as it is called; what is hostile or broken is refused soon, and in one line."""

import os
import pickle
import re
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from gancmri_jax.cli.main import gancmri, run
from gancmri_jax.latents.motions import MeanSteps
from gancmri_jax.model.file import load_model
from gancmri_jax.model.published import DIRECTIONS, ED_TO_ES, STEPS
from tests import foreign
from tests.weight_files import Call, Global, dumps, tensor, write_legacy, write_zip


def call(monkeypatch, capsys, *arguments):
    """Run the command; return its status and what it wrote."""
    monkeypatch.setattr("sys.argv", ["gancmri", "convert", *map(str, arguments)])
    status = 0
    try:
        run(gancmri)
    except SystemExit as error:
        status = error.code
    return status, capsys.readouterr()


class Evil:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def networks():
    return foreign.generator(), foreign.discriminator()


def os_system(path):
    path.write_bytes(pickle.dumps({"G_ema": Evil(os.system, "touch pwned")}, 4))


def builtins_eval(path):
    path.write_bytes(pickle.dumps(Evil(eval, "open('pwned', 'w')"), 2))


def nested_reduce(path):
    inner = Evil(getattr, Evil(eval, "open('pwned', 'w')"), "close")
    path.write_bytes(pickle.dumps({"G_ema": (Evil(list, [inner]),)}, 4))


def inside_a_storage(path):
    """In the pickle inside the pickle, which is a tensor's storage."""
    tree = foreign.ada_tree(*networks())
    mapping = tree["G_ema"].args[0]["state"]["_modules"]["mapping"].args[0]["state"]
    layer = mapping["_modules"]["fc0"].args[0]["state"]
    storage = layer["_parameters"]["weight"].args[0].args[0]
    storage.args = (pickle.dumps(Evil(os.system, "touch pwned")),)
    path.write_bytes(dumps(tree))


def in_a_zip(path):
    write_zip(path, {}, {"g_ema": Call(Global("os", "system"), "touch pwned")})


def zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(64 << 20))


def two_gigabytes(path):
    values = np.zeros(4, np.float32)
    write_zip(path, {"v": values}, {"g_ema": {"input": tensor(values, "0", shape=(1 << 29,))}})


def two_gigabytes_of_tensorflow(path):
    """A shape of 2 GB over the bytes of 256 values."""
    g, d = networks()
    g["mapping.fc0.bias"] = np.zeros((254, 1), np.float32)
    foreign.write_tf(path, g, d)
    content = path.read_bytes()
    shape, vast = b"K\x01K\xfe\x86", b"J\xff\xff\xff\x1fK\x01\x86"  # (1, 254), as it is turned
    assert shape in content
    path.write_bytes(content.replace(shape, vast))


def two_gigabytes_of_bytes(path):
    path.write_bytes(b"\x80\x04\x8e" + (1 << 31).to_bytes(8, "little") + b"x" * 50)


def doubling(path):
    """A module of two modules, which are one, and so on: 2⁴⁰ in all."""
    module = foreign.ada_module({})
    for _ in range(40):
        module = foreign.ada_module({}, **{"": {"_modules": {"a": module, "b": module}}})
    modules = {"mapping": foreign.ada_module({}), "synthesis": module}
    path.write_bytes(dumps({"G_ema": foreign.ada_module({}, **{"": {"_modules": modules}})}))


def many_of_the_same(path):
    """A module of 2000 modules, which are one of 2000 tensors, which are one: 4 million in all."""
    weight = foreign.ada_tensor(np.zeros(2, np.float32))
    names = [str(key) for key in range(2000)]
    inner = foreign.ada_module({}, **{"": {"_parameters": dict.fromkeys(names, weight)}})
    outer = foreign.ada_module({}, **{"": {"_modules": dict.fromkeys(names, inner)}})
    modules = {"mapping": foreign.ada_module({}), "synthesis": outer}
    path.write_bytes(dumps({"G_ema": foreign.ada_module({}, **{"": {"_modules": modules}})}))


def text_made_bytes_often(path):
    """10 GB of bytes out of half a megabyte, as protocol 2 writes bytes."""
    text = b"X" + (500_000).to_bytes(4, "little") + b"a" * 500_000
    made = b"c_codecs\nencode\nh\x00h\x01\x86R" * 20_000
    path.write_bytes(b"\x80\x02](" + text + b"q\x00X\x06\0\0\0latin1q\x01" + made + b"e.")


def pairs_given_often(path):
    """50,000 dictionaries of the same 20,000 pairs."""
    pairs = b"](" + b"K\x01K\x02\x86" * 20_000 + b"eq\x00"
    made = b"ccollections\nOrderedDict\nh\x00\x85R" * 50_000
    path.write_bytes(b"\x80\x02](" + pairs + made + b"e.")


def long_names(path):
    """A name of a megabyte, at each of 50 levels above 2000 tensors."""
    values = np.zeros(2, np.float32)
    tree = {str(key): tensor(values, "0") for key in range(2000)}
    for _ in range(50):
        tree = {"x" * 1_000_000: tree}
    write_zip(path, {"v": values}, tree)


def cut_off(path):
    foreign.write_ada(path, *networks())
    path.write_bytes(path.read_bytes()[:-2000])


def old_and_cut_off(path):
    write_legacy(path, {"g_ema": np.zeros(99, np.float32)})
    path.write_bytes(path.read_bytes()[:-300])


def wrong_names(path):
    g, d = networks()
    renamed = {name.replace("b8.conv0", "b8.conv7"): array for name, array in g.items()}
    foreign.write_ada(path, renamed, d)


def no_pickle(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" * 40)


def empty(path):
    path.write_bytes(b"")


def other_pickle(path):
    path.write_bytes(pickle.dumps([1, 2]))


HOSTILE = {
    os_system: "asks for '(posix|nt).system', which no weights need",
    builtins_eval: "asks for '__builtin__.eval'",
    nested_reduce: "asks for 'builtins.list'",
    inside_a_storage: "asks for '(posix|nt).system'",
    in_a_zip: "asks for 'os.system'",
    zip_bomb: "decompression bomb",
    two_gigabytes: "no plain piece of its storage",
    two_gigabytes_of_tensorflow: "no sound array of numbers",
    two_gigabytes_of_bytes: "broken pickle",
    doubling: "too many modules",
    many_of_the_same: "too many tensors",
    text_made_bytes_often: "neither",
    pairs_given_often: "over 100000 pairs",
    long_names: "a name of over 500 letters",
    cut_off: "broken pickle",
    old_and_cut_off: "broken or no PyTorch file",
    wrong_names: "has no synthesis.b8.conv0",
    no_pickle: "instruction PERSID, which no weights need",
    empty: "is empty",
    other_pickle: "neither",
}


@pytest.mark.parametrize("write", HOSTILE, ids=[write.__name__ for write in HOSTILE])
def test_what_is_hostile_or_broken_is_refused(monkeypatch, capsys, tmp_path, write):
    """In one line that names the file, with status 2, in 128 MB; nothing ran."""
    monkeypatch.chdir(tmp_path)
    path, out = tmp_path / "net.pkl", tmp_path / "model.safetensors"
    write(path)
    status, said = call(monkeypatch, capsys, "--input", path, "--out", out)
    assert (status, said.err.count("\n")) == (2, 1)
    assert said.err.startswith(f"error: {path}: ")
    assert re.search(HOSTILE[write], said.err), said.err
    assert os.listdir(tmp_path) == ["net.pkl"]
    tracemalloc.start()  # which takes time itself
    try:
        assert call(monkeypatch, capsys, "--input", path, "--out", out)[0] == 2
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()


def test_a_refusal_waits_for_no_jax(tmp_path):
    os_system(tmp_path / "net.pkl")
    code = (
        "import sys, gancmri_jax.cli.main as cli\n"
        "try: cli.main()\n"
        "finally: assert 'jax' not in sys.modules"
    )
    arguments = ["convert", "--input", tmp_path / "net.pkl", "--out", tmp_path / "m.safetensors"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1


def write_trajectories(folder, num_ws, w_dim):
    folder.mkdir()
    along = np.ones((1, num_ws, w_dim), np.float32)
    for index, name in enumerate(STEPS):
        np.save(folder / f"{name}.npy", along * (1 if index < 24 else -1 if index < 48 else 0))
    for name in (ED_TO_ES, *DIRECTIONS):
        np.save(folder / f"{name}.npy", along * 30)


def test_trajectories_become_the_models(monkeypatch, capsys, tmp_path):
    source, out, folder = tmp_path / "n.pkl", tmp_path / "m.safetensors", tmp_path / "steps"
    foreign.write_tf(source, *networks())
    write_trajectories(folder, 6, 6)
    options = ("--input", source, "--trajectories", folder, "--out", out)
    status, said = call(monkeypatch, capsys, *options)
    assert status == 0, said.err
    assert (
        "49 steps of rank 1, their sum 0.0e+00; goes 80% of the way to ES, by frame 24" in said.out
    )
    assert "licence unknown: ask its author" in said.out
    model = load_model(out)
    assert model.motion.of(MeanSteps).steps.shape == (49, 6, 6)
    assert model.directions.keys() == set(DIRECTIONS)
    assert model.card["fit"]["retained_motion"] == {"peak": 0.8, "frame": 24}
    assert model.card["fit"]["licence"] == "unknown: ask its author"
    path = model.beat(model.w_avg[None].repeat(6, axis=0))
    np.testing.assert_allclose(path[24] - path[0], 24, rtol=1e-5)


def test_trajectories_of_another_size_are_refused(monkeypatch, capsys, tmp_path):
    source, out, folder = tmp_path / "n.pkl", tmp_path / "m.safetensors", tmp_path / "steps"
    foreign.write_tf(source, *networks())
    write_trajectories(folder, 14, 8)
    options = ("--input", source, "--trajectories", folder, "--out", out)
    status, said = call(monkeypatch, capsys, *options)
    assert (status, said.err.count("\n")) == (2, 1)
    assert "01.npy: is float32 (1, 14, 8), and this model needs float (1, 6, 6)" in said.err
    assert not out.exists()
