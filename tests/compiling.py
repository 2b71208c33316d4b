"""Compile with few optimisations what tests run a handful of times on tiny arrays.

A training step at 8² compiles in a third of the time then, and runs for milliseconds all the same.
"""

import functools
import os
from collections.abc import Iterator
from typing import Any

import pytest

# LLVM's passes, and the compiler of fused kernels by way of MLIR in place of straight to LLVM.
_OPTIONS: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}
_AS_USERS_DO = "TESTS_COMPILED_AS_USERS_DO"  # set by `make test-matrix`: nothing changes


def quickly_compiled() -> Iterator[None]:
    """Compile with few optimisations until the generator goes on, where this JAX lets us."""
    if os.environ.get(_AS_USERS_DO) or not _known():
        yield
        return
    from jax._src import compiler

    own = compiler.get_compile_options

    def with_few(*args: Any, **options: Any) -> Any:
        asked = options.get("env_options_overrides") or {}
        return own(*args, **{**options, "env_options_overrides": {**_OPTIONS, **asked}})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "get_compile_options", with_few)
        yield


@functools.cache
def _known() -> bool:
    """Say whether this JAX and this XLA have what is used here; later ones may not."""
    import jax

    try:
        from jax._src import compiler

        jax.jit(lambda: 0, compiler_options=_OPTIONS)()
    except (ImportError, jax.errors.JaxRuntimeError):
        return False
    return hasattr(compiler, "get_compile_options")


def environment_compiling_quickly(flags: str = "") -> dict[str, str]:
    """Return what a test's own process needs in its environment for the same, and other flags.

    JAX's default random numbers are drawn there, which compile in two thirds of the time of the
    tests' own where few optimisations are made, and which XLA can lower for several devices.
    """
    if not os.environ.get(_AS_USERS_DO) and _known():
        flags += "".join(f" --{name}={str(value).lower()}" for name, value in _OPTIONS.items())
    return {"XLA_FLAGS": flags.strip(), "JAX_DEFAULT_PRNG_IMPL": "threefry2x32"}
