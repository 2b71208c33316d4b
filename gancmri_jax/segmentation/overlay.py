"""What was found, drawn over what was looked at."""

from collections.abc import Sequence

import contourpy
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.video_file import magnify, tile
from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.segmentation.segment import window

# Of LV, myocardium, RV, LA, RA: told apart by people who see no red from green, too.
CAPTION = (255, 120, 120)
LARGEST_LETTERS, SMALLEST_LETTERS = 40, 10  # pixels
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


def captioned(
    sheet: UInt8[np.ndarray, "h w 3"], lines: Sequence[str]
) -> UInt8[np.ndarray, "H w 3"]:
    """Write lines above a picture, red on black, as large as its width allows; none add nothing."""
    if not lines:
        return sheet
    width = sheet.shape[1]
    size = LARGEST_LETTERS
    while size > SMALLEST_LETTERS and max(_width(line, size) for line in lines) > width - size:
        size -= 1
    strip = Image.new("RGB", (width, round(1.5 * size * len(lines) + 0.5 * size)))
    draw = ImageDraw.Draw(strip)
    for index, line in enumerate(lines):
        at = (size / 2, size / 4 + 1.5 * size * index)
        draw.text(at, line, fill=CAPTION, font=ImageFont.load_default(size))
    return np.concatenate([np.asarray(strip), sheet])


def _width(line: str, size: int) -> float:
    return float(ImageFont.load_default(size).getlength(line))


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
