"""What an input holds besides the cines that are read from it: counted by kind, one line a kind."""

import dataclasses
import pathlib
from collections.abc import Iterable

KNOWN_SUFFIXES = frozenset(
    ".avi .bak .bat .bin .bmp .bval .bvec .css .csv .cvs .dat .db .dcm .dll .doc .docx .exe "
    ".gif .gz .h5 .hdr .htm .html .ima .img .inf .ini .jpeg .jpg .js .json .jsonl .lnk .log "
    ".m .mat .md .mha .mhd .mov .mp4 .nii .npy .npz .nrrd .ods .odt .old .par .pdf .pkl .png "
    ".ppt .pptx .py .raw .rec .rtf .sh .sql .sqlite .stl .tif .tiff .tsv .txt .url .vtk .xls "
    ".xlsx .xml .yaml .yml .zip".split()
)


@dataclasses.dataclass(frozen=True)
class NotTaken:
    """Files that could be read, or need not be, and are no cine to use.

    Attributes:
        path: One of them.
        kind: What they are and why they are left, as a noun in the plural. It never names the
            subject or the file, so that it can be written where identifiers may not.
        count: How many files.
    """

    path: pathlib.Path
    kind: str
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Remark:
    """What a reader should know of a cine that is read, or of a study's tables.

    Attributes:
        path: The subject's place, or the table's.
        text: One line, which never names the subject.
    """

    path: pathlib.Path
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def no_cine(path: pathlib.Path) -> str:
    """Return the kind of a file that holds no cine: by its suffix, unless that may be a name."""
    suffix = path.suffix.lower() if "." in path.name[1:] else ""
    shown = suffix if suffix in KNOWN_SUFFIXES else "another suffix" if suffix else "no suffix"
    return f"files that hold no cine ({shown})"


def count_by_kind(items: Iterable[NotTaken]) -> dict[str, NotTaken]:
    """Return one item a kind, with the number of all files of it, the largest number first."""
    kinds: dict[str, NotTaken] = {}
    for item in items:
        before = kinds.get(item.kind)
        count = item.count + (before.count if before else 0)
        kinds[item.kind] = dataclasses.replace(before or item, count=count)
    return dict(sorted(kinds.items(), key=lambda pair: (-pair[1].count, pair[0])))


def not_taken_lines(items: Iterable[NotTaken]) -> list[str]:
    """Return one line a kind, which names the first file."""
    lines = []
    for kind, item in count_by_kind(items).items():
        more = f" and {item.count - 1} more" if item.count > 1 else ""
        lines.append(f"{item.path}{more}: {kind}; not taken")
    return lines
