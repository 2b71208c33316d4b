"""XLA's options under which tests compile: few optimisations, for what runs a handful of times.

A training step at 8² compiles in a third of the time then, and runs for milliseconds all the same.
`TESTS_COMPILED_AS_USERS_DO=1`, as `make test-matrix` sets, changes nothing.
"""

import os

import jax

_FLAGS = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
if jax.__version_info__ < (0, 11):  # later XLA compiles fused kernels in one way alone
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")
if os.environ.get("TESTS_COMPILED_AS_USERS_DO"):
    _FLAGS = []


def xla_flags(more: str = "") -> str:
    """Return what `XLA_FLAGS` is in tests, and in processes that they start, with more flags."""
    return " ".join([*_FLAGS, *more.split()])


def environment_of_hosts(flags: str = "") -> dict[str, str]:
    """Return what a process that trains needs in its environment, with other flags of XLA.

    It draws JAX's default random numbers, which compile in two thirds of the time of the tests' own
    where few optimisations are made, and which XLA can lower for several devices.
    """
    return {"XLA_FLAGS": xla_flags(flags), "JAX_DEFAULT_PRNG_IMPL": "threefry2x32"}
