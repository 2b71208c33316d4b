"""How large a heart is in a 4-chamber view, and what that says of a spacing that is not known."""

import numpy as np
from jaxtyping import UInt8

from gancmri_jax.networks.cardiac_fcn import CLASSES
from gancmri_jax.segmentation.whole import heart_size

# Square root of the area of all four chambers and the LV's wall at ED, of 200 normal and 200
# clinical phantoms, and its standard deviation as a share; `docs/segmentation.md` has the program.
HEART_MM, HEART_SPREAD = 105.0, 0.11
HEART_RANGE_MM = (65.0, 150.0)  # outside of it the spacing is doubtful; phantoms have 78 to 144


def estimate_spacing_mm(mask: UInt8[np.ndarray, "h w"]) -> float | None:
    """Return the spacing that gives the heart in an ED mask its typical size.

    None where a chamber or the wall is missing: then it is no whole heart.
    """
    if len(np.unique(mask[mask > 0])) < len(CLASSES) - 1:
        return None
    return HEART_MM / heart_size(mask)
