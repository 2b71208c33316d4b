"""Imports point down the house: each room imports what is listed here and nothing else."""

import ast
import pathlib

import pytest

import gancmri_jax

ROOT = pathlib.Path(gancmri_jax.__file__).parent

# What a room may import; what those may import is allowed too. `OPEN_TO_ALL` are open to all.
MAY_IMPORT: dict[str, set[str]] = {
    "configs": set(),
    "ops": set(),
    "latents": set(),
    "cluster": set(),
    "cine": {"cluster"},
    "weights": set(),
    "networks": {"ops"},
    "privacy": {"cine"},
    "runs": {"cine"},
    "model": {"networks", "weights", "latents"},
    "export": {"model"},
    "video": {"model", "latents", "cine"},
    "segmentation": {"model", "runs"},
    "physiology": {"segmentation"},
    "metrics": {"projection"},
    "projection": {"physiology"},
    "fitting": {"projection"},
    "training": {"configs", "metrics", "video"},
    "personal": {"training"},
    "experiments": {"fitting", "training"},
    "benchmarks": {"experiments", "export"},
    "apps": {"experiments"},
    "cli": {"apps", "benchmarks", "personal", "privacy"},
}
OPEN_TO_ALL = {
    "atomic",
    "cache",
    "checksums",
    "disclaimer",
    "errors",
    "lock",
    "page",
    "tables",
    "version",
}
JAX_FREE = {"cine": {"phantom", "pipeline"}}  # room -> its files that may use jax


def allowed(room: str) -> set[str]:
    reached = set(MAY_IMPORT[room])
    for below in MAY_IMPORT[room]:
        reached |= allowed(below)
    return reached


def imported_modules(path: pathlib.Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


ROOMS = sorted(p.name for p in ROOT.iterdir() if p.is_dir() and any(p.rglob("*.py")))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below(room):
    for path in (ROOT / room).rglob("*.py"):
        names = {m.split(".")[1] for m in imported_modules(path) if m.startswith("gancmri_jax.")}
        assert names - OPEN_TO_ALL - {room} <= allowed(room), path


@pytest.mark.parametrize("room", JAX_FREE)
def test_files_that_readers_import_need_no_jax(room):
    for path in (ROOT / room).rglob("*.py"):
        inside = path.relative_to(ROOT / room).parts[0].removesuffix(".py")
        if inside not in JAX_FREE[room]:
            used = {m.split(".")[0] for m in imported_modules(path)}
            assert not used & {"jax", "flax", "optax"}, path
