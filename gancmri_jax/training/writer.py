"""What a run leaves for its user: the resolved config, metrics, sample grids."""

import json
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

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
        changed = [
            f"{name}: {before.get(name)} → {now.get(name)}"
            for name in sorted(before.keys() | now.keys())
            if name not in _MAY_CHANGE and before.get(name) != now.get(name)
        ]
        if changed:
            raise InputError(
                f"{workdir}: holds a run with another configuration ({', '.join(changed)}); "
                "continue it as it was, or choose another --workdir"
            )
    _write_whole(path, json.dumps(now, indent=2) + "\n")


class MetricsFile:
    """`metrics.jsonl`: one line a tick, each with its `step`.

    Attributes:
        lines: What stood there when it was opened.
    """

    def __init__(self, path: pathlib.Path, step: int) -> None:
        """Open the file, forgetting what stands there from after `step`, and a line cut short."""
        self._path = path
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["step"] <= step]
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in kept]
        _write_whole(path, "".join(kept))

    def append(self, values: dict[str, Any]) -> None:
        """Add a line."""
        with self._path.open("a") as file:
            file.write(json.dumps(values) + "\n")


def _write_whole(path: pathlib.Path, text: str) -> None:
    """Write a file whole or not at all, so that a run broken off here can go on."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


def save_grid(path: pathlib.Path, images: Float[np.ndarray, "n h w 1"], columns: int) -> None:
    """Write images in [−1, 1] as one PNG, row by row, whole or not at all."""
    write_png(path, tile(to_uint8(images[..., 0]), columns))
