"""What a cine is, in numbers: for the report, and to find hearts that stand there twice."""

import hashlib
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import percentiles_of
from gancmri_jax.cine.timing import heart_rate_bpm

HISTOGRAM_BINS = 32
LIKENESS_SIDE = 24


def summarise(source: Cine, frames: UInt8[np.ndarray, "t h w"]) -> dict[str, Any]:
    """Return the numbers of a cine.

    Args:
        source: The cine as it was read.
        frames: As they are recorded; histogram and hash are theirs, so that a heart that came in
            two kinds of file is known by equal pixels.
    """
    num_frames, rows, columns = source.pixels.shape
    known = not math.isnan(source.spacing_mm[0])
    rate = heart_rate_bpm(source.frame_ms, num_frames)
    counts, _ = np.histogram(frames, HISTOGRAM_BINS, (0, 256))
    low, middle, high = percentiles_of(source, (1, 50, 99))
    return {
        "frames": num_frames,
        "rows": rows,
        "columns": columns,
        "row_mm": float(source.spacing_mm[0]) if known else None,
        "column_mm": float(source.spacing_mm[1]) if known else None,
        "frame_ms": source.frame_ms,
        "heart_rate_bpm": round(rate, 1) if rate else None,
        "intensity_percentiles_1_50_99": [float(low), float(middle), float(high)],
        "intensity_histogram": [round(float(c), 5) for c in counts / counts.sum()],
        "pixels_sha256": hashlib.sha256(str(frames.shape).encode() + frames.tobytes()).hexdigest(),
    }


def likeness(frames: UInt8[np.ndarray, "t h w"]) -> Float[np.ndarray, "2 pixels"]:
    """Return a unit vector for how a cine looks and one for where it moves.

    The mean over time and the deviation from it do not depend on which frame comes first or on
    how many there are; coarse pixels, centred and scaled, depend neither on the size nor on the
    window. The product of two cines' vectors is their correlation.
    """
    floats = np.stack([_coarse(frame) for frame in frames])
    vectors = np.stack([floats.mean(0), floats.std(0)]).reshape(2, -1)
    vectors -= vectors.mean(1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-6)).astype(np.float32)


def _coarse(frame: Shaped[np.ndarray, "h w"]) -> Float[np.ndarray, "s s"]:
    image = Image.fromarray(frame.astype(np.float32))
    return np.asarray(image.resize((LIKENESS_SIDE, LIKENESS_SIDE), Image.Resampling.BOX))
