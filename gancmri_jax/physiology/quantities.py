"""What can be asked of a heart: quantities, their published ranges, and what follows from them.

Eight quantities are independent; EF, the ES area and the volumes follow from those. A range's edges
run from where a mild degree begins to where a severe one ends. Areas of the LV are this project's
own: published volumes, as areas of this project's ventricle (`lv_area_cm2`).

References, as the tables below name them:
    ASE 2015: Lang et al., J Am Soc Echocardiogr 2015;28:1–39.
    ASE 2005: Lang et al., J Am Soc Echocardiogr 2005;18:1440–1463.
    Anderson 2005: J Cardiovasc Magn Reson 2005;7:671–675.
    SVT 2015: Page et al., Circulation 2016;133:e506–e574.
    Weissler 1968: Circulation 1968;37:149–159.
"""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

Range = tuple[float, float]
Edges = tuple[float, float, float, float]  # where mild, moderate and severe begin, and the end


class Quantity(NamedTuple):
    """One thing that can be asked for.

    Attributes:
        label: Its name in a sentence.
        what: The same in full.
        unit: As it is written after a number.
        units: Factors to that unit, by unit; "" is a number without one.
        span: Where ranges end that have one side only: about what clinical phantoms span.
        possible: What a living heart may have; beyond it, a request is refused.
        normal: The normal range, None where no published one applies.
        high, low: Edges of what lies above the normal range and below it.
        source: Where the ranges come from.
    """

    label: str
    what: str
    unit: str
    units: Mapping[str, float]
    span: Range
    possible: Range
    normal: Range | None = None
    high: Edges | None = None
    low: Edges | None = None
    source: str = ""


_AREA = {"": 1.0, "cm²": 1.0, "mm²": 0.01}
_PERCENT = {"": 1.0, "%": 1.0}
_VOLUME = {"": 1.0, "ml": 1.0, "l": 1000.0}
_ATRIUM = (
    "normal: systolic area in the 4-chamber view below 24 cm², 95th percentile, mean 21, by CMR "
    "(Anderson 2005); own: from 14 cm², two thirds of that mean"
)

QUANTITIES = {
    "lv_area_ed_cm2": Quantity(
        "LV",
        "LV area at ED",
        "cm²",
        _AREA,
        (16, 62),
        (8, 100),
        (21, 37),
        (37, 40, 44, 62),
        (21, 19, 18, 16),
        "own, derived: EDV of ASE 2015 (men: normal 62–150 ml, mild to 174, moderate to 200; "
        "women: 46–106, 120, 130), the mean of both sexes (54–128, 147, 165 ml), as area at "
        "sphericity 0.54; ends: clinical phantoms; degrees of small: thirds",
    ),
    "lv_fac_percent": Quantity(
        "FAC",
        "LV fractional area change",
        "%",
        _PERCENT,
        (11, 66),
        (2, 90),
        (37, 53),
        (53, 57, 61, 66),
        (37, 28, 21, 11),
        "own, derived: the ranges of EF, as FAC of this project's ventricle",
    ),
    "sphericity_index": Quantity(
        "sphericity",
        "sphericity index at ED",
        "",
        {"": 1.0, "%": 0.01},
        (0.40, 0.86),
        (0.25, 1.0),
        (0.475, 0.635),
        (0.635, 0.687, 0.757, 0.86),
        (0.475, 0.45, 0.425, 0.40),
        "spherical: from 0.635; 0.72 ± 0.07 in dilated cardiomyopathy, 44 patients, 88 controls "
        "(“The cardiac magnetic resonance sphericity index in the dilated cardiomyopathy: new "
        "diagnostic and prognostic marker”). Own: moderate is that mean ± half an SD, severe ends "
        "2 SD above it; normal begins one SD below the phantoms' mean, 0.54 ± 0.065, and elongated "
        "ends 2 SD below",
    ),
    "wall_thickness_ed_mm": Quantity(
        "wall",
        "LV wall thickness at ED",
        "mm",
        {"": 1.0, "mm": 1.0, "cm": 10.0},
        (4, 20),
        (2, 40),
        (6, 11),
        (11, 14, 17, 20),
        (6, 5.5, 5, 4),
        "ASE 2015 and 2005, men: normal 6–10 mm, mild 11–13, moderate 14–16, severe from 17; own: "
        "the men's, since phantoms have 8.6 ± 1.4 mm, and mild of women, 10–12, lies within that; "
        "ends: clinical phantoms, whose even walls have 4 to 20 mm",
    ),
    "la_area_es_cm2": Quantity(
        "LA",
        "LA area at ES",
        "cm²",
        _AREA,
        (10, 60),
        (4, 100),
        (14, 24),
        (24, 30, 40, 60),
        (14, 13, 11, 10),
        f"{_ATRIUM}; moderate from 30 and severe from 40 cm²: ASE 2005; own: the ends",
    ),
    "ra_area_es_cm2": Quantity(
        "RA",
        "RA area at ES",
        "cm²",
        _AREA,
        (10, 60),
        (4, 100),
        (14, 24),
        (24, 30, 40, 60),
        (14, 13, 11, 10),
        f"{_ATRIUM}; own: degrees as of the LA, for want of published ones",
    ),
    "heart_rate_bpm": Quantity(
        "heart rate",
        "heart rate",
        "bpm",
        {"": 1.0, "bpm": 1.0},
        (40, 150),
        (25, 220),
        (60, 100),
        (100, 120, 135, 150),
        (60, 50, 45, 40),
        "tachycardia above 100 a minute (SVT 2015), bradycardia below 60 by custom; own: degrees, "
        "and the ends, which are the clinical phantoms'",
    ),
    "es_phase_percent": Quantity(
        "ES",
        "time of ES",
        "% of the beat",
        {"": 1.0, "%": 1.0},
        (22, 58),
        (15, 70),
        (31, 43),
        (43, 48, 53, 58),
        (31, 28, 25, 22),
        "own, derived: ejection time 413 − 1.7 × heart rate (Weissler 1968) and 45 ms before it, "
        "at 50 to 80 beats a minute; ends: clinical phantoms; degrees: thirds",
    ),
    "ef_percent": Quantity(
        "EF",
        "LV ejection fraction",
        "%",
        _PERCENT,
        (15, 85),
        (5, 90),
        (53, 73),
        (73, 77, 81, 85),
        (53, 41, 30, 15),
        "ASE 2015: normal 52–72 % in men and 54–74 % in women, here their mean; mild from 41, "
        "moderate from 30, severe below; own: the ends, and thirds of hyperdynamic",
    ),
    "lv_area_es_cm2": Quantity(
        "ES area", "LV area at ES", "cm²", _AREA, (8, 55), (2, 95), source="numbers only"
    ),
    "lv_edv_ml": Quantity(
        "EDV",
        "LV volume at ED",
        "ml",
        _VOLUME,
        (40, 270),
        (15, 600),
        (54, 128),
        (128, 147, 165, 270),
        (54, 49, 45, 40),
        "ASE 2015, the mean of men's and women's; own: ends, and thirds of small. By the "
        "area-length method from one view, as the phantoms' EDV, 94 ml at 30 cm², and not as the "
        "short-axis stack's, which is larger",
    ),
    "lv_esv_ml": Quantity(
        "ESV", "LV volume at ES", "ml", _VOLUME, (10, 220), (3, 550), source="numbers only"
    ),
}
INDEPENDENT = tuple(QUANTITIES)[:8]
PRESERVED_EF = (50.0, 73.0)  # McDonagh et al., Eur Heart J 2021: from 50 %

# The phantom's ventricle (`cine.phantom.anatomy`, which needs JAX; a test compares).
TYPICAL_SPHERICITY = 0.54
UNIT_AREA = 1.6819036  # of a ventricle of length 1 and half width 1
SHORTENING, SHORTENING_PER_EF, TYPICAL_EF = 0.16, 0.20, 0.58


def lv_volume_ml(area_cm2: float, sphericity: float = TYPICAL_SPHERICITY) -> float:
    """Return a volume by the area-length method, V = 8 A² / (3 π L), of the phantom's shape."""
    length_cm = math.sqrt(2 * area_cm2 / (sphericity * UNIT_AREA))
    return 8 * area_cm2**2 / (3 * math.pi * length_cm)


def lv_area_cm2(volume_ml: float, sphericity: float = TYPICAL_SPHERICITY) -> float:
    """Return the area that has a volume; the inverse of `lv_volume_ml`."""
    return (volume_ml / lv_volume_ml(1.0, sphericity)) ** (2 / 3)


def fac_percent(ef_percent: float) -> float:
    """Return the FAC that goes with an EF: (1 − FAC)² = (1 − EF)(1 − shortening of the length)."""
    ef = ef_percent / 100
    shortening = SHORTENING + SHORTENING_PER_EF * (ef - TYPICAL_EF)
    return 100 * (1 - math.sqrt((1 - ef) * (1 - shortening)))


def described(name: str, low: float, high: float) -> str:
    """Write a value or a range with the quantity's label and unit: `EF 55 to 60 %`."""
    quantity = QUANTITIES[name]
    numbers = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    return f"{quantity.label} {numbers} {quantity.unit}".strip()


class Target(NamedTuple):
    """What one quantity shall be.

    Attributes:
        name: Of `QUANTITIES`.
        low, high: The range, in the quantity's unit, or the change; equal for a number.
        change: "" for a value, "percent" for a change in %, "added" for one in the unit.
        said: The words that asked for it.
        typical: It only goes along with a diagnosis, and gives way.
    """

    name: str
    low: float
    high: float
    change: Literal["", "percent", "added"] = ""
    said: str = ""
    typical: bool = False

    def __str__(self) -> str:
        quantity = QUANTITIES[self.name]
        if not self.change:
            return described(self.name, self.low, self.high)
        unit = quantity.unit
        if self.change == "percent":
            unit = "%"
        elif unit.startswith("%"):
            unit = "points"
        more = "more" if self.low > 0 else "less"
        return f"{quantity.label} {abs(self.low):.3g} {unit} {more} than before".replace("  ", " ")

    def at(self, before: float) -> Range:
        """Return the range in the quantity's unit, for a heart that measures `before`."""
        if self.change == "percent":
            return (before * (1 + self.low / 100),) * 2
        if self.change == "added":
            return (before + self.low,) * 2
        return self.low, self.high

    @property
    def says_itself(self) -> bool:
        """Whether it is a number or a change, and no range that words stand for."""
        return bool(self.change) or self.low == self.high

    @property
    def quoted(self) -> str:
        """The words that asked for it, and what they mean."""
        return str(self) if self.says_itself else f"{self.said} ({self})"
