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
_MAY_CHANGE = ("total_kimg", "steps", "kimg_per_tick", "kimg_per_snapshot", "data")


def pin_config(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Write `config.json`, or see that a continued run's configuration is still the same.

    Raises:
        InputError: The folder holds a run with another configuration.
    """
    path = workdir / "config.json"
    now = json.loads(config.to_json())
    if path.exists():
        before = json.loads(path.read_text())
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
    with atomic_write(path) as part:
        part.write_text(json.dumps(now, indent=2) + "\n")


class MetricsFile:
    """`metrics.jsonl`: one line a tick, each with its `step`.

    Attributes:
        lines: What stood there when it was opened.
    """

    def __init__(self, path: pathlib.Path, step: int) -> None:
        """Open the file, forgetting what stands there from after `step`, and a line cut short."""
        self._path = path
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        lines = [line for line in lines if line.endswith("\n")]
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in kept]
        with atomic_write(path) as part:
            part.write_text("".join(kept))

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
