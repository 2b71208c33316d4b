"""Videos of a latent store that are projected and not packed yet: one file each, in a folder.

The folder is `done/parts`: inside an array, where Zarr does not look for others.

A part is whole or not there, and on the disk when it is announced. Its ZIP members carry CRC-32s.
Processes and machines write parts side by side; one of them packs (`store.LatentStore.pack`).
"""

import pathlib
import zipfile
from collections.abc import Mapping

import numpy as np

from gancmri_jax.atomic import atomic_write, sync
from gancmri_jax.errors import InputError

FOLDER = pathlib.Path("done", "parts")


def write_part(store: pathlib.Path, video: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a video's row of each array."""
    folder = store / FOLDER
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        sync(folder.parent)
    with atomic_write(folder / f"{video:06d}.npz", durable=True) as part:
        np.savez(part, **arrays)  # type: ignore[arg-type]  # arrays by name are its own keywords


def parts_of(store: pathlib.Path) -> dict[int, pathlib.Path]:
    """Return the parts of a store by video, in order."""
    found = sorted((store / FOLDER).glob("[0-9]*.npz"))
    return {int(path.stem): path for path in found}


def read_part(path: pathlib.Path, names: list[str]) -> dict[str, np.ndarray]:
    """Read rows of a video.

    Raises:
        FileNotFoundError: It was packed meanwhile.
        InputError: It is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as part:
            return {name: part[name] for name in names}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: is damaged ({type(error).__name__}); restore it from a backup, or remove it "
            f"and run the same projection again, which redoes video {int(path.stem)}"
        ) from error
