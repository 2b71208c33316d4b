"""A heart of ellipses for tests: masks of a beat that raise no flag."""

import numpy as np

SPACING_MM = (1.5, 1.5)
FRAMES = 20
ES = 0.4  # of the beat


def lv_scale(frames: int = FRAMES, least: float = 0.75, es: float = ES) -> np.ndarray:
    """Return the LV's size in each frame, 1 at ED: it falls to `least` at ES and comes back."""
    at = np.arange(frames) / frames
    systole = np.where(at < es, at / es / 2, 0.5 + (at - es) / (1 - es) / 2)
    return 1 - (1 - least) * (1 - np.cos(2 * np.pi * systole)) / 2


def heart(scale: float = 1.0) -> np.ndarray:
    """Return one mask [128 128]: LV upper right, RV upper left, LA and RA below them."""
    rows, columns = np.indices((128, 128))

    def ellipse(row, column, tall, wide):
        return np.hypot((rows - row) / tall, (columns - column) / wide) <= 1

    mask = np.zeros((128, 128), np.uint8)
    tall, wide = 28 * scale, 14 * scale
    wall = 6 / scale
    mask[ellipse(50, 44, 24, 14)] = 3
    mask[ellipse(87, 78, 14, 14)] = 4
    mask[ellipse(88, 47, 14, 14)] = 5
    mask[ellipse(73 - tall, 78, tall + wall, wide + wall) & (rows < 72)] = 2
    mask[ellipse(73 - tall, 78, tall, wide)] = 1
    return mask


def beat(scales: np.ndarray | None = None) -> np.ndarray:
    """Return the masks of a beat."""
    return np.stack([heart(scale) for scale in (lv_scale() if scales is None else scales)])
