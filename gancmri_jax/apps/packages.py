"""The packages that web pages need, and that nothing else does: the extra `apps`."""

import importlib.util

from gancmri_jax.errors import InputError

NEEDED = ("fastapi", "jinja2", "uvicorn")


def insist_packages() -> None:
    """See that the packages are there, before anything imports them.

    Raises:
        InputError: Some are not.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"web pages need {' and '.join(missing)}: pip install 'gancmri_jax[apps]'")
