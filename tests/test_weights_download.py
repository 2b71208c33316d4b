import base64
import errno
import hashlib
import os

import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.weights import download as downloads
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


def test_a_server_that_drips_is_given_up_and_what_came_is_kept(site, tmp_path, monkeypatch):
    site.drip_s = 0.02
    monkeypatch.setattr(downloads, "_PATIENCE_S", 0.2)
    with pytest.raises(InputError, match=r"^127.0.0.1: is too slow \(\d+ bytes in \d+ s\)"):
        download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert names(tmp_path) == ["f.part"]
    site.drip_s = None
    download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert site.requests[-1][1] is not None  # from where it stood


def test_a_server_that_never_ends_is_given_up(site, tmp_path, monkeypatch):
    site.endless = True
    monkeypatch.setattr(downloads, "MOST_BYTES", 10 * len(CONTENT))
    with pytest.raises(InputError, match=f"127.0.0.1: sends over {10 * len(CONTENT)} bytes"):
        download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
    assert names(tmp_path) == []


def test_a_redirection_leads_to_the_same_bytes_or_to_a_refusal(site, tmp_path):
    site.elsewhere = {"/g": "/f", "/round": "/round", "/disk": (tmp_path / "own").as_uri()}
    (tmp_path / "own").write_bytes(CONTENT)
    download(f"{site.url}/g", tmp_path / "f", SHA256, Access())
    assert (tmp_path / "f").read_bytes() == CONTENT
    for path in ("round", "disk"):
        with pytest.raises(InputError, match="^127.0.0.1: [^\n]*redirect[^\n]*$"):
            download(f"{site.url}/{path}", tmp_path / "h", SHA256, Access())
    site.files["/f"] = bytes(len(CONTENT))
    with pytest.raises(InputError, match="another SHA-256"):
        download(f"{site.url}/g", tmp_path / "h", SHA256, Access())
    assert names(tmp_path) == ["f", "own"]


def test_a_full_disk_is_not_the_servers_fault(site, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(downloads, "_receive", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*f.part'"):
        download(f"{site.url}/f", tmp_path / "f", SHA256, Access())
