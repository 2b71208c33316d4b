"""Reading of a loaded file in a process of its own, which is bounded in time and memory.

    python -m gancmri_jax.apps.explorer.reading FILE SIZE OUT

reads the cines of FILE at SIZE pixels into OUT, an `.npz` file, or says there why it cannot. How
large a file would become is judged by its headers, before pixels are decoded; where they lie, the
process ends at its limits, and its memory is given back with it.
"""

import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import warnings
from typing import Any

import av
import nibabel
import numpy as np
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import NIFTI_SUFFIXES
from gancmri_jax.cine.pictures import VIDEO_SUFFIXES
from gancmri_jax.cine.read import read_model_cines
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError

MOST_CINES = 8  # of a file
MOST_FRAMES = 150
MOST_PIXEL_BYTES = 2**26  # as they are stored in the file: 150 frames at 512 × 512 are 39 million
MOST_MEMBERS = 5000  # of a zip
MOST_BYTES = 500_000_000  # of memory
MOST_CPU_S = 5
MOST_S = 15.0  # by the clock, beside other work
MOST_WITH_START_S = 120.0
ELSEWHERE = "`gancmri superres` takes larger ones"
END_OF_ZIP = b"PK\5\6"
MODULE = "gancmri_jax.apps.explorer.reading"


class Reader:
    """Reads one file at a time, each in a process that ends with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def read(self, path: pathlib.Path, size: int) -> list[Cine]:
        """Return the cines of a file, as `read_model_cines` does.

        Raises:
            InputError: Nothing can be read, within the limits; says why, not which file.
        """
        with tempfile.TemporaryDirectory(prefix="gancmri-explore-") as folder:
            out = pathlib.Path(folder) / "read.npz"
            status = self._run([str(path), str(size), str(out)])
            if self._closed:
                raise InputError("was ended, since the explorer is closed")
            if not out.is_file():
                raise InputError(_why_ended(status))
            with np.load(out) as file:
                said = json.loads(file["said"].tobytes())
                if said["error"]:
                    raise InputError(said["error"])
                return [
                    _cine(fields, file[f"frames_{i}"]) for i, fields in enumerate(said["cines"])
                ]

    def close(self) -> None:
        """End what is being read, and read nothing more."""
        self._closed = True
        if (process := self._process) is not None:
            process.kill()

    def _run(self, arguments: list[str]) -> int:
        root = pathlib.Path(__file__).parents[3]
        paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)},
        )
        with self._process as process:
            if self._closed:
                process.kill()
            try:
                return process.wait(MOST_WITH_START_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()
            finally:
                self._process = None


def judge(path: pathlib.Path) -> None:
    """See by a file's headers that it is small enough to be read here.

    Raises:
        InputError: It is not. A file that is broken passes: its reader says so.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            too_large = _too_large(path)
    except Exception:
        return
    if too_large:
        raise InputError(f"holds {too_large} that are read here; {ELSEWHERE}")


def _too_large(path: pathlib.Path) -> str:
    """Return what a file holds too much of, nothing where it does not."""
    name = path.name.lower()
    if name.endswith(".zip"):
        members = _num_members(path)
        said = f"{members} files, more than the {MOST_MEMBERS}"
        return said if members > MOST_MEMBERS else ""
    frames, rows, columns, pixel_bytes = _stored_size(path, name)
    total = frames * rows * columns * pixel_bytes
    said = (
        f"{frames} frames of {rows} × {columns}, {total >> 20} MiB of pixels, more than the "
        f"{MOST_PIXEL_BYTES >> 20} MiB"
    )
    return said if total > MOST_PIXEL_BYTES else ""


def _num_members(path: pathlib.Path) -> int:
    """Return how many files a zip says that it holds, from its last bytes."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16 - 22))
        tail = file.read()
    end = tail.rindex(END_OF_ZIP)
    return int.from_bytes(tail[end + 10 : end + 12], "little")  # 65535 where there are more


def _stored_size(path: pathlib.Path, name: str) -> tuple[int, int, int, int]:
    """Return frames, rows, columns and bytes of a pixel, as headers say; zeros of other files."""
    if name.endswith(".gif"):
        with Image.open(path, formats=["GIF"]) as picture:
            return getattr(picture, "n_frames", 1), picture.height, picture.width, 1
    if name.endswith(VIDEO_SUFFIXES):
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            # Decoded in colour, and turned grey in 32 bits: a single frame may be too large.
            return max(stream.frames, 4), stream.height, stream.width, 1
    if name.endswith(NIFTI_SUFFIXES):
        volume: Any = nibabel.load(path)
        columns, rows, *others = volume.shape
        return math.prod(others), rows, columns, volume.get_data_dtype().itemsize
    return 0, 0, 0, 0


def _why_ended(status: int) -> str:
    """Say why a process left nothing behind."""
    slow = (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL) if os.name == "posix" else (1,)
    if status in slow:
        return f"takes longer to read than the {MOST_CPU_S} s that are given here; {ELSEWHERE}"
    return f"cannot be read: its reader ended with status {status}"


def _cine(fields: dict[str, Any], pixels: np.ndarray) -> Cine:
    pairs = {name: tuple(fields[name]) for name in ("spacing_mm", "notes")}
    return Cine(**fields | pairs | {"pixels": pixels})


def _read(path: pathlib.Path, size: int) -> tuple[list[Cine], str]:
    """Return the cines of a file, or why there are none."""
    refusals: list[Refusal] = []
    try:
        judge(path)
        cines = read_model_cines(path, size, on_refusal=refusals.append, most=MOST_CINES)
        most = max(len(cine.pixels) for cine in cines)
        if most > MOST_FRAMES:
            raise InputError(
                f"has {most} frames, more than the {MOST_FRAMES} that are taken here; {ELSEWHERE}"
            )
        return list(cines), ""
    except (InputError, MemoryError) as error:
        reasons = [refusal.reason for refusal in refusals]
        said = "; ".join(dict.fromkeys(reasons)) or str(error).replace(str(path), "it")
        # Readers take whatever a decoder stumbles over for the file's fault.
        if isinstance(error, MemoryError) or re.search(r"\(\w*MemoryError\)", said):
            said = f"needs more than the {MOST_BYTES // 10**6} MB of memory that are given here"
            said = f"{said}; {ELSEWHERE}"
        return [], said


def _limit() -> None:
    """Let the system end this process where it takes too long or too much memory."""
    if os.name != "posix":
        return
    import resource

    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    most_s = math.ceil(spent + MOST_CPU_S)
    resource.setrlimit(resource.RLIMIT_CPU, (most_s, most_s + 1))
    signal.setitimer(signal.ITIMER_REAL, MOST_S)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = pathlib.Path("/proc/self/status")
    if status.is_file():  # Linux: what this process has already is not counted twice
        said = dict(re.findall(r"(VmRSS|VmData):\s*(\d+) kB", status.read_text()))
        room = max(MOST_BYTES - 1024 * int(said["VmRSS"]), 0)
        most = 1024 * int(said["VmData"]) + room
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _main(path: str, size: str, out: str) -> None:
    _limit()
    cines, error = _read(pathlib.Path(path), int(size))
    fields = [{k: v for k, v in vars(cine).items() if k != "pixels"} for cine in cines]
    said = json.dumps({"error": error, "cines": fields}).encode()
    frames = {f"frames_{i}": cine.pixels for i, cine in enumerate(cines)}
    part = pathlib.Path(out).with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, said=np.frombuffer(said, np.uint8), **frames)  # type: ignore[arg-type]
    os.replace(part, out)


if __name__ == "__main__":
    _main(*sys.argv[1:])
