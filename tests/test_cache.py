import os
import pathlib

from gancmri_jax import cache
from gancmri_jax.cache import CACHE_VARIABLE, COMPILED_VARIABLE, SHORTEST_VARIABLE, cache_folder


def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch):
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder().as_posix() == "/xdg/gancmri_jax"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder().as_posix().endswith("Library/Caches/gancmri_jax")


def test_compiled_programs_lie_in_the_cache_by_kind_of_processor(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(COMPILED_VARIABLE, raising=False)
    monkeypatch.delenv(SHORTEST_VARIABLE, raising=False)
    cache.keep_compiled_programs()
    first = pathlib.Path(os.environ[COMPILED_VARIABLE])
    assert first.parent == tmp_path / "compiled"
    monkeypatch.delenv(COMPILED_VARIABLE)
    assert os.environ[SHORTEST_VARIABLE] == "0"
    monkeypatch.setattr(cache.pathlib.Path, "read_text", lambda self: "flags : another set")
    cache.keep_compiled_programs()
    assert pathlib.Path(os.environ[COMPILED_VARIABLE]) != first


def test_a_folder_that_the_user_named_for_compiled_programs_stays(monkeypatch):
    monkeypatch.setenv(COMPILED_VARIABLE, "/own")
    cache.keep_compiled_programs()
    assert os.environ[COMPILED_VARIABLE] == "/own"
