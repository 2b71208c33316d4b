"""What the processes of one run agree on: JAX's, on one host or on several."""

import contextlib
import pathlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from gancmri_jax.errors import InputError
from gancmri_jax.lock import one_run


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
