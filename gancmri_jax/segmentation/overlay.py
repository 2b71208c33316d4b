"""What was found, drawn over what was looked at."""

import contourpy
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.video_file import magnify, tile
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.segmentation.segment import window

# Of LV, myocardium, RV, LA, RA: told apart by people who see no red from green, too.
COLOURS = ((230, 60, 60), (60, 200, 90), (70, 130, 255), (250, 200, 40), (200, 90, 230))


def overlay(cine: Cine, masks: UInt8[np.ndarray, "t h w"]) -> UInt8[np.ndarray, "t H W 3"]:
    """Draw every class's outline on the frames, magnified for viewing."""
    frames = magnify(np.round(255 * window(cine)).astype(np.uint8))
    factor = frames.shape[1] // masks.shape[1]
    return np.stack([_draw(frame, mask, factor) for frame, mask in zip(frames, masks, strict=True)])


def contact_sheet(
    frames: UInt8[np.ndarray, "t H W 3"], columns: int = 10
) -> UInt8[np.ndarray, "h w 3"]:
    """Lay coloured frames out row by row."""
    return np.stack([tile(frames[..., channel], columns) for channel in range(3)], axis=-1)


def _draw(
    frame: UInt8[np.ndarray, "H W"], mask: UInt8[np.ndarray, "h w"], factor: int
) -> UInt8[np.ndarray, "H W 3"]:
    picture = Image.fromarray(frame).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for label in range(len(CLASSES) - 1, 0, -1):
        for line in _outlines((mask == label).astype(float)):
            points = (line + 0.5) * factor - 0.5
            draw.line([tuple(point) for point in points], fill=COLOURS[label - 1], width=1)
    return np.asarray(picture)


def _outlines(region: Float[np.ndarray, "h w"]) -> list[Float[np.ndarray, "n xy=2"]]:
    generator = contourpy.contour_generator(z=np.pad(region, 1), line_type="Separate")
    return [np.asarray(line) - 1 for line in generator.lines(0.5)]
