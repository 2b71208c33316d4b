"""Check what the package's annotations promise, shapes included, whenever a test calls it.

This does what jaxtyping's own import hook does, but adds 0.5 s instead of 10 s to the import of
the package. The hook builds the checks of all functions at import, and compiles anew every library
that a module of the package imports.

Not checked:
    Coroutines: jaxtyping would compare the coroutine, not what it returns, with the annotation.
    Fields of Flax's trees: JAX rebuilds such trees with shapes, shardings or None as leaves.
    Fields of named tuples: jaxtyping checks dataclasses only.
    Names that are imported under TYPE_CHECKING: they count as Any.
    Subprocesses that tests start.
    A function's calls beyond the first `MOST_CALLS` of a process: a test of hostile pickles makes
        millions.
"""

import ast
import dataclasses
import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import beartype
import jaxtyping

PACKAGE = "gancmri_jax"
MOST_CALLS = 2000
DECORATOR = "__checked__"
# Those of all other rooms held in one run of all quick tests too, but checking them takes time.
ROOMS = set("ops latents cine physiology segmentation privacy runs video export benchmarks".split())
# An integer is good for a float, as PEP 484 has it.
_BEARTYPE = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))


def check_annotations() -> None:
    """Check the modules of `ROOMS` that are imported from now on."""
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Let `_Loader` load the package's modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        names = fullname.split(".")
        if names[0] != PACKAGE or len(names) < 2 or names[1] not in ROOMS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Decorate each function and class of a module; keep its bytecode beside the plain one's."""

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, DECORATOR, _checked)
        super().exec_module(module)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = ast.parse(data, path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                decorator = ast.copy_location(ast.Name(DECORATOR, ast.Load()), node)
                # A function's other decorators may hide its annotations, a class's make them.
                first = isinstance(node, ast.ClassDef)
                node.decorator_list.insert(0 if first else len(node.decorator_list), decorator)
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def get_data(self, path: str) -> bytes:
        return super().get_data(_cache_path(path))

    def set_data(self, path: str, data: Any, **options: Any) -> None:
        super().set_data(_cache_path(path), data, **options)


def _cache_path(path: str) -> str:
    return path.removesuffix(".pyc") + ".checked.pyc" if path.endswith(".pyc") else path


def _checked(thing: Any) -> Any:
    """Check a function, or how a dataclass is made; the checks are built at the first call.

    They take milliseconds each, and no worker calls every function.
    """
    if inspect.isclass(thing):
        is_tree = hasattr(thing, "_flax_dataclass")
        if dataclasses.is_dataclass(thing) and "__init__" in vars(thing) and not is_tree:
            thing.__init__ = _checked(thing.__init__)
        return thing
    if not thing.__annotations__:
        return thing
    check: Callable[..., Any] | None = None
    calls = 0

    @functools.wraps(thing)
    def checked(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        nonlocal check, calls
        if calls == MOST_CALLS:
            return thing(*args, **kwargs)
        calls += 1
        if check is None:
            check = jaxtyping.jaxtyped(thing, typechecker=_BEARTYPE)
        return check(*args, **kwargs)

    return checked
