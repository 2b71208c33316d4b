"""What a run leaves for its user: the resolved config, metrics, sample grids, event files."""

import json
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from ml_collections import ConfigDict

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.cine.video_file import tile, write_png
from gancmri_jax.errors import InputError

# What may differ when a run is continued: how long it goes on, how often it reports, and where
# the same data lie now.
_MAY_CHANGE = (
    "total_kimg",
    "steps",
    "kimg_per_tick",
    "kimg_per_snapshot",
    "data",
    "perceptual_segmenter",  # its fingerprint may not
)

_RECORDS = "records"  # beside the configuration's own keys


def pin_config(
    workdir: pathlib.Path,
    config: ConfigDict,
    records: str | None = None,
    new_records: bool = False,
) -> None:
    """Write `config.json`, or see that a resumed run's configuration and data are still the same.

    Args:
        workdir: The run's folder.
        config: The configuration.
        records: The fingerprint of the training records.
        new_records: Take other records than the run began with.

    Raises:
        InputError: The folder holds a run with another configuration or other records, or its
            `config.json` is damaged.
    """
    path = workdir / "config.json"
    now = json.loads(config.to_json())
    if path.exists():
        before = _read_config(path)
        held = before.pop(_RECORDS, records)  # earlier versions did not keep it
        if held != records and not new_records:
            raise InputError(
                f"{workdir}: its run began with other training records; resume it with those, or "
                "give --new_data to go on with these"
            )
        # What an earlier version did not know of is unchanged where it is off.
        before = {name: value for name, value in now.items() if value in (None, 0)} | before
        # Rates that fall at the end depend on where it is.
        pinned = {"total_kimg"} if now.get("anneal_kimg") else set()
        changed = [
            f"{name}: {before.get(name)} → {now.get(name)}"
            for name in sorted(before.keys() | now.keys())
            if name not in set(_MAY_CHANGE) - pinned and before.get(name) != now.get(name)
        ]
        if changed:
            raise InputError(
                f"{workdir}: holds a run with another configuration ({', '.join(changed)}); "
                "continue it as it was, or choose another folder"
            )
    if records is not None:
        now[_RECORDS] = records
    with atomic_write(path, durable=True) as part:
        part.write_text(json.dumps(now, indent=2) + "\n")


def _read_config(path: pathlib.Path) -> dict[str, Any]:
    try:
        before = json.loads(path.read_text())
        if not isinstance(before, dict):
            raise ValueError("it is not a JSON object")
        return before
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: is damaged ({error}); remove it, and see that you resume with the "
            "configuration that the run began with"
        ) from error


def read_metrics(path: pathlib.Path) -> list[dict[str, Any]]:
    """Read a `metrics.jsonl`; a last line cut short is left out.

    Raises:
        InputError: A line of it is damaged.
        OSError: It cannot be read.
    """
    # Not `splitlines`, for which some damaged bytes end a line too.
    whole_lines = path.read_bytes().split(b"\n")[:-1]
    lines = []
    for number, text in enumerate(whole_lines, start=1):
        try:
            line = json.loads(text)
            if not (isinstance(line, dict) and isinstance(line["step"], int)):
                raise ValueError("no step")
        except (ValueError, KeyError, RecursionError) as error:
            raise InputError(f"{path}: line {number} is damaged; remove that line") from error
        lines.append(line)
    return lines


class MetricsFile:
    """`metrics.jsonl`: one line a tick, each with its `step`.

    Attributes:
        lines: What stood there when it was opened.
    """

    def __init__(self, path: pathlib.Path, step: int) -> None:
        """Open the file, forgetting what stands there from after `step`, and a line cut short.

        Raises:
            InputError: A line of it is damaged.
        """
        self._path = path
        before = read_metrics(path) if path.exists() else []
        self.lines: list[dict[str, Any]] = [line for line in before if line["step"] <= step]
        with atomic_write(path) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    def append(self, values: dict[str, Any]) -> None:
        """Add a line."""
        with self._path.open("a") as file:
            file.write(json.dumps(values) + "\n")


class TensorBoard:
    """The same numbers and grids as event files, for TensorBoard (the extra `tensorboard`)."""

    def __init__(self, folder: pathlib.Path, step: int) -> None:
        """Go on from `step`: TensorBoard no longer shows what was told of later ones.

        Raises:
            InputError: The package that writes such files is absent.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise InputError(
                "--tensorboard needs tensorboardX; pip install 'gancmri_jax[tensorboard]', or "
                "leave the option out"
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def scalars(self, values: dict[str, Any]) -> None:
        """Tell a tick's or a snapshot's numbers."""
        for name, value in values.items():
            if name != "step":
                self._writer.add_scalar(name, value, values["step"])
        self._writer.flush()

    def picture(self, name: str, pixels: UInt8[np.ndarray, "h w"], step: int) -> None:
        """Show a grid."""
        self._writer.add_image(name, pixels, step, dataformats="HW")

    def close(self) -> None:
        """End the file."""
        self._writer.close()


def save_grid(
    path: pathlib.Path, images: Float[np.ndarray, "n h w 1"], columns: int
) -> UInt8[np.ndarray, "rows columns"]:
    """Write images in [−1, 1] as one PNG, row by row, whole or not at all; return its pixels."""
    pixels = tile(to_uint8(images[..., 0]), columns)
    write_png(path, pixels)
    return pixels
