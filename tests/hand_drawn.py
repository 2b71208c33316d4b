"""Outlines of real hearts, drawn by hand, as masks."""

import json
import pathlib
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

CINES = ("human", "pig 21.4 mm", "pig 17.3 mm")
_FINER = 8  # masks are drawn so many times as fine, and hold shares of pixels


def drawings() -> list[list[dict[str, Any]]]:
    """Return both drawings: of each frame the `cine`, `frame` and `outlines`."""
    path = pathlib.Path(__file__).parent / "data" / "hand_drawn.json"
    return json.loads(path.read_text())["drawings"]


def masks(outlines: dict[str, list[list[float]]], shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return each structure's share of every pixel [h w]; the wall is what lies between two."""
    found = {name: _filled(points, shape) for name, points in outlines.items()}
    found["myocardium"] = np.clip(found.pop("epi") - found["lv"], 0, 1)
    return found


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice coefficient of two masks or shares."""
    return float(2 * np.minimum(a, b).sum() / (a.sum() + b.sum()))


def _filled(points: list[list[float]], shape: tuple[int, int]) -> np.ndarray:
    image = Image.new("L", (shape[1] * _FINER, shape[0] * _FINER))
    ImageDraw.Draw(image).polygon([(x * _FINER, y * _FINER) for y, x in points], fill=1)
    blocks = np.asarray(image, np.float32).reshape(shape[0], _FINER, shape[1], _FINER)
    return blocks.mean(axis=(1, 3))
