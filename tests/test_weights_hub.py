"""huggingface_hub itself, against a hub that is a web server on this machine."""

import hashlib
import http.server
import threading

import huggingface_hub.constants
import pytest
import yaml

from gancmri_jax.errors import InputError
from gancmri_jax.export.hub import export_hub
from gancmri_jax.model.file import load_model, read_header
from gancmri_jax.weights.hub import fetch_from_hub

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Contents by (repository, revision, file); what the hub answers to huggingface_hub."""
    files: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
            else:
                self.send_header("X-Repo-Commit", COMMITS[self.path.split("/")[4]])
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content

        def do_GET(self):
            if content := self.do_HEAD():
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    constants = huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(
        constants.ENDPOINT, f"http://127.0.0.1:{server.server_port}"
    )
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "*")
    yield files
    server.shutdown()
    server.server_close()


def test_a_model_is_loaded_from_the_hub_and_then_from_its_cache(hub, tmp_path):
    export_hub("demo", tmp_path / "upload")
    address = "/lab/hearts/resolve/main/model.safetensors"
    hub[address] = (tmp_path / "upload" / "model.safetensors").read_bytes()
    assert read_header("hf://lab/hearts").card == read_header("demo").card
    assert fetch_from_hub("hf://lab/hearts").read_bytes() == hub.pop(address)


def test_a_revision_and_a_file_can_be_named(hub):
    hub["/lab/hearts/resolve/main/small/model.safetensors"] = b"new"
    hub["/lab/hearts/resolve/v1/small/model.safetensors"] = b"old"
    name = "small/model.safetensors"
    assert fetch_from_hub(f"hf://lab/hearts/{name}").read_bytes() == b"new"
    assert fetch_from_hub(f"hf://lab/hearts@v1/{name}").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("hf://lab", "is not an address of the form hf://OWNER/NAME"),
        ("hf://lab/hearts@", "is not an address of the form hf://OWNER/NAME"),
        ("hf://lab/hearts/none.safetensors", "cannot be fetched: "),
        ("hf://lab/../hearts", "cannot be fetched: "),
        ("hf://-lab-/hearts", "cannot be fetched: "),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(hub, address, reason):
    with pytest.raises(InputError, match=reason) as error:
        load_model(address)
    assert "\n" not in str(error.value)


def test_without_huggingface_hub_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'gancmri_jax\[hub\]'"):
        load_model("hf://lab/hearts")


def test_an_upload_has_the_model_and_a_card_that_its_author_completes(tmp_path):
    export_hub("demo", tmp_path)
    text = (tmp_path / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["library_name"] == "gancmri_jax" and "cardiac-mri" in front["tags"]
    assert "license" not in front  # the demo's card states none
    assert "not for diagnosis" in text and "| Pixel spacing | 4.2911 × 4.2911 mm |" in text
    assert read_header(tmp_path / "model.safetensors").card == read_header("demo").card
    (tmp_path / "README.md").write_text("completed")
    export_hub("demo", tmp_path)
    assert (tmp_path / "README.md").read_text() == "completed"


def test_a_licence_in_words_is_given_as_the_hub_wants_it(tmp_path, monkeypatch):
    header = read_header("demo")
    header.card["licence"] = "unknown: ask its author"
    monkeypatch.setattr("gancmri_jax.export.hub.read_header", lambda name: header)
    export_hub("demo", tmp_path)
    front = yaml.safe_load((tmp_path / "README.md").read_text().split("---")[1])
    assert (front["license"], front["license_name"]) == ("other", "unknown: ask its author")
