"""What a series is when it is no cine: late enhancement, velocity maps, scouts and the like.

Known by the words of a description, in the languages and spellings of several vendors, by the part
of the complex image, and by what varies from frame to frame.
"""

import re
import statistics
import unicodedata
from collections.abc import Sequence

from gancmri_jax.cine.dicom_frame import Frame

NO_ONE = {
    *("anon", "anonym", "anonymous", "anonymised", "anonymized", "anonymise", "anonymize"),
    *("none", "removed", "unknown", "deidentified", "de-identified", "no id", "noid", "na", "n/a"),
    *(
        "0",
        "00000",
        "000000",
        "0000000",
        "00000000",
        "x",
        "xx",
        "xxx",
        "xxxx",
        "patient",
        "redacted",
    ),
}

# The first that fits counts; `cine` in a description clears a series of those in SCOUTS alone.
WORDS = (
    (
        "late enhancement or inversion recovery images",
        r"\blge\b|psir|late (gad|enh)|(delayed|delay) enh|\bde (cmr|mri|mr|4ch|2ch|3ch|sax|sa)\b|"
        r"\bmde\b|viab|\bti ?scout|\bti ?finder|\bscar\b|spatanreich|spataufnahm|late$|"
        r"rehaussement tardif|prise de contraste tardive|realce tardio|realce tard|"
        r"impregnazione tardiva|\blge|postcontrast ir|\bir (tfe|gre|tfl|trufi|ffe)|inversion recov",
    ),
    (
        "T1, T2 or T2* maps and what they are made from",
        r"molli|\bsasha\b|saturation recov|\bt[12] ?(map|karte)|\bt[12]\b.* map|t2 ?(\*|star)|"
        r"\becv\b|\bmapping\b|\bmap\b|look ?locker|\bmaps\b|cartograph",
    ),
    (
        "perfusion images",
        r"perf|first ?pass|^(?!.*cine).*\bdyn(amic)?\b",
    ),
    (
        "velocity-encoded (flow) images",
        r"\bflow\b|\bqflow|fluss|\bflux\b|flujo|fluxo|flusso|velocity|\bvenc\b|phase ?contrast|"
        r"\bpc ?(mri|mr|cmr|cine)?\b|4d ?flow|through ?plane|in ?plane vel",
    ),
    (
        "tagged images",
        r"\btag(s|ged|ging)?\b|c?spamm|\bdense\b|complementary mod",
    ),
    (
        "anatomical and calibration images",
        r"\bhaste\b|black ?blood|dark ?blood|\bt?tse\b|\bstir\b|\btirm\b|\bangio|\bmra\b|calib|"
        r"\bshim|coil ?sens|\bref(erence)? scan|senseref|\bssfse\b|freq(uency)? scout|\bmpr\b|"
        r"\bmip\b|\bvibe\b|\bdixon\b",
    ),
)
SCOUTS = (
    "localisers and scouts",
    r"locali[sz]|lokali|\bloc\b|\bscout|survey|surview|\bpilot|reperage|localizador|"
    r"\bplan(ning|scan)\b|\bthree ?plane\b|\b3 ?plane\b|topogram|ubersicht",
)
DERIVED = re.compile(r"mpr|mip|subtraction|stddev|\bmean\b|average|\badc\b|map\b|moco avg|screen")
PARTS = {
    "phase": "velocity maps and other phase images",
    "real": "real parts of complex images",
    "imaginary": "imaginary parts of complex images",
}
FEW_OF_A_VALUE = 1.5
SAME_MS = 1.1  # the ratio of two echo or inversion times that are one
REPEAT_S = (0.35, 4.0)  # between images of a dynamic series: one a beat


def plain(text: str) -> str:
    """Return a text in small letters without accents, its separators spaces."""
    decomposed = unicodedata.normalize("NFKD", text)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c)).lower()
    return " ".join(re.sub(r"[\s_\-./,:;()\[\]+^]+", " ", letters).split())


def is_nobody(patient: str) -> bool:
    """Tell whether a PatientID says nothing of whose it is."""
    return not patient or patient.strip().lower() in NO_ONE


def no_cine(description: str) -> str | None:
    """Return what a description says that a series is other than a cine, or None."""
    words = plain(description)
    for kind, pattern in WORDS:
        if re.search(pattern, words):
            return kind
    kind, pattern = SCOUTS
    return kind if re.search(pattern, words) and "cine" not in words else None


def kind_of(frames: Sequence[Frame]) -> str | None:
    """Return what the frames of a place and series are other than a cine, or None.

    Args:
        frames: In order of time.
    """
    first = frames[0]
    if kind := no_cine(first.description):
        return kind
    if first.part in PARTS:
        return PARTS[first.part]
    if first.kinds[:1] == ("derived",) and DERIVED.search(" ".join(first.kinds[2:])):
        return "images derived from others"
    if first.kinds[1:2] == ("secondary",):
        return "screenshots and other secondary images"
    if any("localizer" in kind for kind in first.kinds):
        return SCOUTS[0]
    if len(frames) > 1:
        if differ([f.inversion_ms for f in frames]) and varies([f.inversion_ms for f in frames]):
            return "images at several inversion times"
        if differ([f.echo_ms for f in frames]) and varies([f.echo_ms for f in frames]):
            return "images at several echo times"
        if _is_dynamic(frames):
            return "images of one phase over many beats (perfusion, dynamic series)"
    return None


def differ(values_ms: Sequence[float | None]) -> bool:
    """Tell whether times of a sequence differ by more than scanners round them."""
    known = [value for value in values_ms if value is not None]
    return len(known) > 1 and max(known) > SAME_MS * min(known)


def varies(values: Sequence[float | None]) -> bool:
    """Tell whether about every frame has a value of its own."""
    known = [value for value in values if value is not None]
    return len(known) == len(values) > 1 and len(known) < FEW_OF_A_VALUE * len(set(known))


def _is_dynamic(frames: Sequence[Frame]) -> bool:
    """Tell whether frames were taken a beat apart, at one time after the R wave."""
    if len({f.trigger_ms for f in frames}) > max(1, len(frames) // 10):
        return False
    clocks = sorted(f.clock_s for f in frames if f.clock_s is not None)
    if len(clocks) < len(frames) or len(set(clocks)) < len(frames):
        return False
    step = statistics.median(b - a for a, b in zip(clocks, clocks[1:], strict=False))
    return REPEAT_S[0] <= step <= REPEAT_S[1]
