"""The user's cache folder: fetched weights, features of real sets, compiled programs."""

import hashlib
import os
import pathlib
import platform
import sys

CACHE_VARIABLE = "GANCMRI_CACHE"
COMPILED_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
SHORTEST_VARIABLE = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def cache_folder() -> pathlib.Path:
    """Return the folder that `GANCMRI_CACHE` names, else the platform's folder for caches."""
    if named := os.environ.get(CACHE_VARIABLE):
        return pathlib.Path(named)
    home = pathlib.Path.home()
    if sys.platform == "darwin":
        usual = home / "Library" / "Caches"
    elif sys.platform == "win32":
        usual = pathlib.Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        usual = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return usual / "gancmri_jax"


def keep_compiled_programs() -> None:
    """Let JAX keep what it compiles for the next command, unless the user set JAX's own variable.

    Short compilations are kept too: a video needs dozens. `JAX_ENABLE_COMPILATION_CACHE=0` keeps
    none. To be called before JAX is imported. Each kind of processor has a folder of its own: a
    home folder may be shared by machines that cannot run one another's programs.
    """
    folder = cache_folder() / "compiled" / _processor()
    os.environ.setdefault(COMPILED_VARIABLE, str(folder.absolute()))
    os.environ.setdefault(SHORTEST_VARIABLE, "0")


def _processor() -> str:
    """Name this machine's kind of processor: its architecture and a digest of its features."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = [platform.processor()]
    features = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"
