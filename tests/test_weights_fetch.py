"""A small table, whose originals are a pickle in a package and a file of PyTorch's at a URL."""

import hashlib
import pickle
import threading
import zipfile

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.errors import InputError
from gancmri_jax.weights import cache, fetch, package_index
from gancmri_jax.weights.cache import digest, read_weights
from gancmri_jax.weights.pickles import read_arrays
from gancmri_jax.weights.table import TABLE, Entry, Original, Package, Source
from gancmri_jax.weights.torch_files import read_torch
from tests.web_server import serve
from tests.weight_files import sha256, write_zip

ARRAYS = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}
PACKAGE = Package("tiny-net", "1.0")
WHEEL = "tiny_net-1.0-py3-none-any.whl"


@pytest.fixture
def originals(tmp_path):
    """The two original files and the package."""
    folder = tmp_path / "originals"
    folder.mkdir()
    (folder / "tiny.ckpt").write_bytes(pickle.dumps(ARRAYS, 3))
    write_zip(folder / "tiny.pth", ARRAYS)
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.write(folder / "tiny.ckpt", "tiny_net/tiny.ckpt")
    return folder


@pytest.fixture
def site(monkeypatch, tmp_path, originals):
    """An index with the package, a URL with the other file, and the table that names them."""
    with serve() as site:
        for path in originals.iterdir():
            site.files[f"/files/{path.name}"] = path.read_bytes()
        site.files["/simple/tiny-net/"] = f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
        ckpt, pth = originals / "tiny.ckpt", originals / "tiny.pth"
        packaged = Original("tiny_net/tiny.ckpt", sha256(ckpt), PACKAGE)
        sources = (
            Source((packaged,), "MIT", lambda paths: read_arrays(paths[0]), digest(ARRAYS)),
            Source(
                (Original(f"{site.url}/files/tiny.pth", sha256(pth)),),
                "BSD",
                lambda paths: read_torch(paths[0]),
            ),
        )
        table = {"tiny": Entry("a tiny net", sources), "later": Entry("", (), "a converter")}
        monkeypatch.setattr(cache, "TABLE", table)
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
        monkeypatch.setenv("no_proxy", "*")
        options = {"index-url": f"{site.url}/simple"}
        monkeypatch.setattr(package_index, "_pip_options", lambda: options)
        yield site


def in_cache(tmp_path):
    folder = tmp_path / "cache"
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_weights_are_fetched_on_first_use_and_kept(site, tmp_path):
    weights = fetch.load_weights("tiny")
    np.testing.assert_array_equal(weights.tensors["a/kernel"], ARRAYS["a/kernel"])
    assert in_cache(tmp_path) == ["tiny.safetensors"]
    asked = len(site.requests)
    fetch.load_weights("tiny")
    assert fetch.fetch("tiny") == tmp_path / "cache" / "tiny.safetensors"
    assert len(site.requests) == asked


def test_the_file_says_what_it_is_and_whence(site, originals):
    with safe_open(fetch.fetch("tiny"), framework="numpy") as file:
        metadata = file.metadata()
    assert metadata == {
        "format": "gancmri_jax weights",
        "version": "1",
        "name": "tiny",
        "source": "tiny-net 1.0, tiny_net/tiny.ckpt",
        "source_sha256": sha256(originals / "tiny.ckpt"),
        "licence": "MIT",
        "tensors_sha256": digest(ARRAYS),
    }


def test_a_source_that_cannot_be_reached_leaves_it_to_the_next(site):
    del site.files["/simple/tiny-net/"]
    weights = fetch.load_weights("tiny")
    assert weights.metadata["licence"] == "BSD"
    np.testing.assert_array_equal(weights.tensors["a/kernel"], ARRAYS["a/kernel"])


def test_where_none_can_be_had_one_line_says_how_to_supply_them(site, tmp_path):
    site.files.clear()
    with pytest.raises(InputError) as error:
        fetch.load_weights("tiny")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("tiny: not in the cache, and cannot be fetched (pip's index has no")
    for way in (
        "gancmri weights fetch tiny",
        "mirror of the package index",
        "--from DIR, a folder with tiny.ckpt (tiny-net 1.0), or tiny.pth",
    ):
        assert way in message
    assert in_cache(tmp_path) == []


def test_a_changed_original_is_refused_and_leaves_nothing(site, tmp_path):
    site.files["/files/tiny.pth"] = bytes(100)
    site.files[f"/files/{WHEEL}"] = site.files[f"/files/{WHEEL}"].replace(b"kernel", b"colonel"[:6])
    with pytest.raises(InputError, match="another SHA-256"):
        fetch.load_weights("tiny")
    assert in_cache(tmp_path) == []


def test_a_conversion_that_gives_other_numbers_is_refused(site, tmp_path, monkeypatch):
    (source, _) = cache.TABLE["tiny"].sources
    other = Source(source.originals, "MIT", lambda _: {"a/kernel": np.ones(3)}, digest(ARRAYS))
    monkeypatch.setitem(cache.TABLE, "tiny", Entry("", (other,)))
    with pytest.raises(InputError, match="has another SHA-256 than in the table"):
        fetch.load_weights("tiny")
    assert not (tmp_path / "cache" / "tiny.safetensors").exists()


@pytest.mark.parametrize("file", ["tiny.ckpt", "tiny.pth", WHEEL])
def test_a_folder_serves_in_place_of_the_network(site, tmp_path, originals, file):
    folder = tmp_path / "usb"
    folder.mkdir()
    (originals / file).rename(folder / file)
    site.files.clear()
    path = fetch.fetch("tiny", folder)
    np.testing.assert_array_equal(
        read_weights(path, "tiny").tensors["a/kernel"], ARRAYS["a/kernel"]
    )
    assert in_cache(tmp_path) == ["tiny.safetensors"]
    assert [p.name for p in folder.iterdir()] == [file]
    assert not site.requests


def test_a_folder_with_what_was_converted_elsewhere_serves(site, tmp_path):
    fetch.fetch("tiny").rename(tmp_path / "tiny.safetensors")
    asked = len(site.requests)
    weights = read_weights(fetch.fetch("tiny", tmp_path), "tiny")
    assert weights.metadata["licence"] == "MIT"
    assert len(site.requests) == asked


def test_what_was_converted_elsewhere_is_taken_only_if_the_table_knows_its_digest(site, tmp_path):
    del site.files["/simple/tiny-net/"]
    fetch.fetch("tiny").rename(tmp_path / "tiny.safetensors")  # of the source without a digest
    with pytest.raises(InputError, match="is not that of tiny"):
        fetch.fetch("tiny", tmp_path)
    assert in_cache(tmp_path) == []


@pytest.mark.parametrize("content", [b"other", b""])
def test_a_changed_file_in_the_folder_is_refused(site, tmp_path, content):
    (tmp_path / "tiny.ckpt").write_bytes(content)
    with pytest.raises(InputError, match="tiny.ckpt: has the SHA-256 .* is expected"):
        fetch.fetch("tiny", tmp_path)
    assert in_cache(tmp_path) == []


def test_a_folder_without_them_or_none_is_refused(site, tmp_path):
    with pytest.raises(InputError, match="holds nothing of tiny; it wants tiny.ckpt"):
        fetch.fetch("tiny", tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        fetch.fetch("tiny", tmp_path / "none")


@pytest.mark.parametrize("change", ["value", "name", "tensor", "bytes", "licence kept"])
def test_a_changed_cache_is_refused(site, change):
    path = fetch.fetch("tiny")
    weights = read_weights(path, "tiny")
    tensors, metadata = dict(weights.tensors), dict(weights.metadata)
    if change == "value":
        tensors["a/kernel"] = tensors["a/kernel"] + 1e-3
    elif change == "name":
        metadata["name"] = "other"
    elif change == "tensor":
        tensors["b"] = np.zeros(1, np.float32)
    elif change == "licence kept":  # another network under its own digest
        tensors = {"a/kernel": np.zeros((2, 3), np.float32)}
        metadata["tensors_sha256"] = digest(tensors)
    save_file({k: v.astype(np.float32) for k, v in tensors.items()}, path, metadata)
    if change == "bytes":
        path.write_bytes(path.read_bytes()[:-1])
    for use in (fetch.load_weights, fetch.fetch):
        with pytest.raises(InputError, match="remove it|cannot be read"):
            use("tiny")


def test_a_name_that_is_not_there_or_not_yet_is_refused():
    with pytest.raises(InputError, match="no such weights; there are inception-2015-12-05, "):
        fetch.load_weights("inception")
    with pytest.raises(InputError, match="cardiac-fcn: awaits its TensorFlow 1 checkpoint"):
        fetch.load_weights("cardiac-fcn")


def test_two_at_once_fetch_once(site):
    with cache.locked("tiny"):
        other = threading.Thread(target=fetch.fetch, args=("tiny",))
        other.start()
        other.join(0.3)
        assert other.is_alive() and not site.requests
    other.join()
    fetch.fetch("tiny")
    assert [path for path, _ in site.requests] == ["/simple/tiny-net/", f"/files/{WHEEL}"]


def test_the_digest_by_hand():
    array = np.asarray([1, 2], np.float32)
    expected = hashlib.sha256(b"a (2,)\n" + array.tobytes() + b"b (1,)\n\0\0\0\0").hexdigest()
    assert digest({"b": np.zeros(1), "a": array}) == expected


@pytest.mark.parametrize("name", TABLE)
def test_every_entry_can_be_used_or_says_what_it_awaits(name):
    entry = TABLE[name]
    pinned = all(original.sha256 for source in entry.sources for original in source.originals)
    assert entry.sources and bool(entry.awaits) != pinned
    for source in entry.sources:
        assert source.licence
        for original in source.originals:
            assert original.sha256 is None or len(bytes.fromhex(original.sha256)) == 32
            assert bool(original.package) != original.place.startswith("https://")
