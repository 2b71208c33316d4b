"""What the processes of one run agree on: JAX's, on one host or on several."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from gancmri_jax.errors import InputError
from gancmri_jax.lock import one_run

_BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def join_hosts() -> None:
    """Join the processes of one run, before JAX computes.

    JAX knows Slurm, Cloud TPU, GKE, Kubernetes and Open MPI by their own variables. Where there is
    none of them, `JAX_COORDINATOR_ADDRESS` (host:port of the first process), `JAX_NUM_PROCESSES`
    and `JAX_PROCESS_ID` (from 0) say it.

    Raises:
        InputError: Nothing says where the other processes are, or they cannot be reached.
    """
    address, *numbers = (os.environ.get(name) for name in _BY_HAND)
    try:
        if address and all(numbers):
            count, index = (int(number or "") for number in numbers)
            jax.distributed.initialize(address, count, index)
        else:
            jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"--distributed: JAX detects no cluster ({' '.join(str(error).split())}); remove it on "
            f"a single machine, or set {', '.join(_BY_HAND)} for each process"
        ) from error


def any_process(is_so: bool) -> bool:
    """Tell whether something is so in any process; all of them must ask."""
    if jax.process_count() == 1:
        return is_so
    return bool(multihost_utils.process_allgather(np.asarray(is_so)).any())


@contextlib.contextmanager
def one_run_of_all(output: pathlib.Path, verb: str, *, beside: bool = False) -> Iterator[None]:
    """Lock an output for all processes of a run, as `one_run` does; all of them must ask.

    Raises:
        InputError: Another run holds it, or one of the processes cannot write to it.
    """
    part = jax.process_index() if jax.process_count() > 1 else None
    with contextlib.ExitStack() as until_the_end:
        refused: InputError | None = None
        try:
            until_the_end.enter_context(one_run(output, verb, beside=beside, part=part))
        except InputError as error:
            refused = error
        if any_process(refused is not None):
            raise refused or InputError(f"{output}: another process of this run was refused it")
        yield
