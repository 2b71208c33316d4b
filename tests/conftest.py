"""Fixtures that many tests share, and the strictness that all tests run under."""

import pathlib
from collections.abc import Iterator

import jax
import pytest

from gancmri_jax.cine.subject import KEY_FILE_VARIABLE

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The folder of reference vectors and real cines that lies beside a developer's checkout."""
    folder = pathlib.Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the reference data in {folder.name}/ beside the checkout")
    return folder


@pytest.fixture(scope="session", autouse=True)
def subject_key_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hash subjects' names with a key of the tests' own, never making one in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_FILE_VARIABLE, str(tmp_path_factory.mktemp("key") / "subject.key"))
        yield


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: what they hold (a time stamp, say) may differ by worker."""
    return argname if isinstance(val, bytes) else None
