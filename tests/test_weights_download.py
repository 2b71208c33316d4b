import base64
import hashlib

import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights.download import Access, download
from tests.web_server import serve

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve() as site:
        site.files["/f"] = CONTENT
        yield site


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole(site, tmp_path):
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert names(tmp_path) == ["f"]


def test_a_download_that_breaks_off_goes_on(site, tmp_path):
    site.break_after = 4000
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT
    ranges = [asked for _, asked in site.requests]
    assert ranges == [None, "bytes=4000-", "bytes=8000-"]


def test_a_later_call_goes_on_too(site, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT[:1000])
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == ["bytes=1000-"]


def test_a_download_that_was_all_there_is_taken(site, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT)
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert names(tmp_path) == ["f"]


def test_a_server_without_ranges_is_asked_for_all(site, tmp_path):
    site.ranges = False
    (tmp_path / "f.part").write_bytes(CONTENT[:1000])
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_the_first_half_of_another_file_is_thrown_away(site, tmp_path):
    (tmp_path / "f.part").write_bytes(bytes(1000))
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_another_sha256_is_refused_and_leaves_nothing(site, tmp_path):
    with pytest.raises(InputError, match=f"f came with another SHA-256 than {'0' * 64}"):
        download(f"{site.url}/f", tmp_path / "f", "0" * 64, Access())
    assert names(tmp_path) == []
    assert len(site.requests) == 1


def test_a_server_that_brings_nothing_more_is_given_up(site, tmp_path):
    site.break_after = 0
    with pytest.raises(InputError, match="127.0.0.1: broke off"):
        download(f"{site.url}/f", tmp_path / "f", SHA256, Access())


@pytest.mark.parametrize("path", ["nothing", "f"])
def test_who_cannot_be_reached_is_named(site, tmp_path, path):
    url = f"{site.url}/{path}" if path == "nothing" else "http://127.0.0.1:1/f"
    with pytest.raises(InputError, match="^127.0.0.1: "):
        download(url, tmp_path / "f", SHA256, Access())
    assert names(tmp_path) == []


def test_a_login_is_sent_to_its_host(site, tmp_path):
    site.login = "Basic " + base64.b64encode(b"me:secret").decode()
    with pytest.raises(InputError, match="127.0.0.1: Unauthorized"):
        download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    access = Access(logins={"127.0.0.1": ("me", "secret")})
    download(f"{site.url}/f", tmp_path / "f", SHA256, access)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_login_of_netrc_is_sent(site, tmp_path):
    site.login = "Basic " + base64.b64encode(b"me:secret").decode()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT
