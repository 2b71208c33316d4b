"""Run gancmri with no packages but those of a bare accelerator machine: for a process of its own.

`python -m tests.few_packages ARGUMENTS` runs `gancmri ARGUMENTS`; others cannot be imported.
"""

import importlib.abc
import importlib.util
import pathlib
import sys
import sysconfig

# JAX with its companions, and what these need; ml_collections is one small wheel to take along.
PACKAGES = set(
    """
    absl chex click contourpy cycler dateutil etils flax google humanize jax jaxlib jaxtyping
    kiwisolver matplotlib ml_collections ml_dtypes mpl_toolkits msgpack numpy opt_einsum optax
    orbax packaging PIL pylab pyparsing safetensors scipy simplejson six tensorstore toolz tqdm
    treescope typing_extensions wadler_lindig yaml nest_asyncio fsspec importlib_resources zipp
    aiofiles psutil uvloop jax_plugins libtpu _distutils_hack _yaml jax_cuda13_plugin rich
    pygments markdown_it mdurl
    """.split()
)


class Refusing(importlib.abc.MetaPathFinder):
    """Refuse packages that are installed here and would not be there."""

    def __init__(self) -> None:
        self.places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        self.places |= {str(pathlib.Path(path).resolve()) for path in self.places}
        self.places |= {path for path in sys.path if path.endswith("site-packages")}

    def find_spec(self, fullname, path=None, target=None):
        """Raise for such a package, and leave others to the finders behind."""
        top = fullname.partition(".")[0]
        if path is not None or top in PACKAGES or top in ("gancmri_jax", "tests"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname)
        where = str(getattr(spec, "origin", "") or "")
        if spec is not None and any(where.startswith(place) for place in self.places):
            raise ModuleNotFoundError(f"{top} would not be installed there", name=top)
        return None


if __name__ == "__main__":
    sys.meta_path.insert(0, Refusing())
    from gancmri_jax.cli.main import main

    main()
