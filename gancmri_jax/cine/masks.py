"""Masks of the chambers that lie beside cines, as M&Ms-2, ukbb_cardiac and `gancmri phantom` have.

Labels become the project's: 1 LV, 2 myocardium, 3 RV, 4 LA, 5 RA. What files hold:

- M&Ms-2 (Martín-Isla et al., IEEE J Biomed Health Inform 2023; ub.edu/mnms-2):
  `001_LA_ED_gt.nii.gz` and `_ES_gt`, 1 LV, 2 myocardium, 3 RV, no atria. The frames themselves are
  `001_LA_ED.nii.gz` and `_ES`.
- ukbb_cardiac (Bai et al., J Cardiovasc Magn Reson 2018; github.com/baiwenjia/ukbb_cardiac):
  `seg4_la_4ch.nii.gz`, 1 LV, 2 myocardium, 3 RV, 4 LA, 5 RA (its common/cardiac_utils.py), and
  `label_la_4ch.nii.gz` and `seg_la_4ch.nii.gz`, the atria alone, 1 LA and 2 RA (its
  data/biobank_utils.py and long_axis/eval_atrial_volume.py). Where a file of the latter two names
  holds a label above 2, it is read as one of all chambers. Each may be a beat, of whose frames
  those with labels count, or end in `_ED` and `_ES` (its common/deploy_network.py).
- `gancmri phantom` and `gancmri segment`: `la_4ch_mask.nii.gz`, a whole beat, all chambers.
"""

import pathlib
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.layouts.walk import walk
from gancmri_jax.cine.nifti import read_directions, read_stored, stem
from gancmri_jax.cine.orientation import to_radiological
from gancmri_jax.errors import InputError

STRUCTURES = {1: "LV", 2: "myocardium", 3: "RV", 4: "LA", 5: "RA"}
OURS = "la_4ch_mask"
MNMS2 = re.compile(r"(?P<subject>.+)_LA_(?P<phase>ED|ES)_gt")
UKBB = re.compile(r"(?P<kind>label|seg4|seg)_la_4ch(_(?P<phase>ED|ES))?")
KINDS = ("la_4ch_mask", "label", "seg4", "seg")  # the first that is there counts: drawn by hand
ATRIA = {1: 4, 2: 5}  # ukbb_cardiac's labels of LA and RA where a file has no others
SAME_FRAME = 1e-3  # of the intensity range: what rounding on the way to a file changes
SAME_SPACING = 0.01
SAME_DIRECTION = 0.999  # cosine


class MaskFiles(NamedTuple):
    """The files that hold a subject's masks.

    Attributes:
        paths: Each file by the phase that it is of, `ED` or `ES`; `beat` for one of a whole beat.
        kind: `mnms2`, or one of `KINDS`.
    """

    paths: dict[str, pathlib.Path]
    kind: str


class Masks(NamedTuple):
    """Masks of some frames of a cine, in display order.

    Attributes:
        frames: Which frames, ascending.
        labels: Their masks, by `STRUCTURES`.
        structures: The labels that are drawn in any of them; others were not looked for.
        ed_frame: The frame at ED, where there is a mask of it.
        es_frame: The frame at ES, where there is a mask of it.
    """

    frames: tuple[int, ...]
    labels: UInt8[np.ndarray, "n h w"]
    structures: tuple[int, ...]
    ed_frame: int | None
    es_frame: int | None


def find_masks(path: pathlib.Path) -> dict[str, MaskFiles]:
    """Return the files with masks under a folder, by subject.

    Raises:
        InputError: There is no such folder, it holds no masks, or masks of two subjects of one
            name.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such folder, to read masks from")
    found: dict[str, dict[str, dict[str, pathlib.Path]]] = {}
    for file in walk(path):
        if not file.is_file() or not file.name.lower().endswith((".nii.gz", ".nii")):
            continue
        name = stem(file)
        if match := MNMS2.fullmatch(name):
            subject, kind, phase = match["subject"], "mnms2", match["phase"]
        elif name == OURS:
            subject, kind, phase = file.resolve().parent.name, OURS, "beat"
        elif match := UKBB.fullmatch(name):
            subject, kind = file.resolve().parent.name, match["kind"]
            phase = match["phase"] or "beat"
        else:
            continue
        files = found.setdefault(subject, {}).setdefault(kind, {})
        if phase in files:
            raise InputError(
                f"{file}: is a second mask of {subject}, beside {files[phase]}; keep one of them, "
                "or give each subject a name of its own"
            )
        files[phase] = file
    if not found:
        raise InputError(
            f"{path}: holds no masks: no <id>_LA_ED_gt.nii.gz (M&Ms-2), no label_la_4ch.nii.gz or "
            f"seg4_la_4ch.nii.gz (ukbb_cardiac) and no {OURS}.nii.gz (gancmri phantom)"
        )
    return {subject: _chosen(kinds) for subject, kinds in found.items()}


def _chosen(kinds: dict[str, dict[str, pathlib.Path]]) -> MaskFiles:
    kind = next(kind for kind in ("mnms2", *KINDS) if kind in kinds)
    files = kinds[kind]
    return MaskFiles({"beat": files["beat"]} if "beat" in files else files, kind)


def read_masks(files: MaskFiles, cine: Cine) -> Masks:
    """Read a subject's masks, and find which frames of a cine they are of.

    A mask of a phase is of the frame whose pixels the picture of that phase beside it has. Without
    a picture, ED and ES are the frames that the cine names, ED frame 0 where it names none.

    Raises:
        InputError: A mask cannot be read, has labels or a geometry that do not fit, or the frame
            that it is of cannot be known; the message names the file.
    """
    read = {phase: _read(path, cine) for phase, path in sorted(files.paths.items())}
    values = np.concatenate([np.unique(mask) for mask in read.values()])
    drawn = set(values.tolist()) - {0}
    scheme = _scheme(files, drawn)
    masks: dict[int, UInt8[np.ndarray, "h w"]] = {}
    ed_frame = es_frame = None
    for phase, labels in read.items():
        path = files.paths[phase]
        if wrong := drawn - scheme.keys():
            said = ", ".join(f"{k} {STRUCTURES[v]}" for k, v in sorted(scheme.items()))
            raise InputError(
                f"{path}: a mask of this subject holds the label {min(wrong)}; the labels of such "
                f"files are 0 background, {said}; renumber it"
            )
        table = np.zeros(max(scheme) + 1, np.uint8)
        table[list(scheme)] = list(scheme.values())
        labels = table[labels]
        if not labels.any():
            raise InputError(f"{path}: holds no label; remove the file, or draw the chambers in it")
        if phase == "beat":
            for frame in np.flatnonzero(labels.any(axis=(1, 2))).tolist():
                masks[frame] = labels[frame]
        else:
            frame = _frame_of(path, phase, cine)
            if frame in masks:
                raise InputError(f"{path}: is of frame {frame}, as is the mask of the other phase")
            masks[frame] = labels[0]
            ed_frame = frame if phase == "ED" else ed_frame
            es_frame = frame if phase == "ES" else es_frame
    frames = tuple(sorted(masks))
    stacked = np.stack([masks[frame] for frame in frames])
    if "beat" in read:
        ed_frame, es_frame = _phases_of_beat(frames, stacked, cine)
    structures = tuple(sorted(scheme[label] for label in drawn))
    return Masks(frames, stacked, structures, ed_frame, es_frame)


def _scheme(files: MaskFiles, drawn: Iterable[int]) -> dict[int, int]:
    """Return the project's label of each label in the files."""
    if files.kind == "mnms2":
        return {1: 1, 2: 2, 3: 3}
    if files.kind in ("label", "seg") and max(drawn, default=0) <= max(ATRIA):
        return ATRIA
    return {label: label for label in STRUCTURES}


def _read(path: pathlib.Path, cine: Cine) -> UInt8[np.ndarray, "t h w"]:
    """Read a mask in display order; compare its geometry with the cine's."""
    stored, right, down = read_stored(path, cine.subject, fewest=1)
    for beside in _pictures(path):
        if beside.is_file():
            theirs = read_directions(beside)
            same = all(
                bool(a.any()) == bool(b.any()) and (not a.any() or a @ b > SAME_DIRECTION)
                for a, b in zip((right, down), theirs, strict=True)
            )
            if not same:
                raise InputError(
                    f"{path}: its affine turns the mask otherwise than {beside.name}; save the "
                    "mask with the affine of the image"
                )
            break
    pixels, spacing_mm = to_radiological(stored.pixels, stored.spacing_mm, right, down)
    if pixels.shape[1:] != cine.pixels.shape[1:]:
        raise InputError(
            f"{path}: has {pixels.shape[1]} rows and {pixels.shape[2]} columns, the cine "
            f"{cine.pixels.shape[1]} and {cine.pixels.shape[2]}; resample the mask to the cine"
        )
    if np.isfinite(cine.spacing_mm).all() and not np.allclose(
        spacing_mm, cine.spacing_mm, rtol=SAME_SPACING
    ):
        raise InputError(
            f"{path}: has pixels of {spacing_mm[0]:.3f} by {spacing_mm[1]:.3f} mm, the cine "
            f"{cine.spacing_mm[0]:.3f} by {cine.spacing_mm[1]:.3f} mm; save the mask with the "
            "header of the image"
        )
    of_beat = not stem(path).endswith(("_ED", "_ES", "_gt"))
    if of_beat and len(pixels) != len(cine.pixels):
        raise InputError(
            f"{path}: has {len(pixels)} frames, the cine {len(cine.pixels)}; a mask of one frame "
            f"is named {stem(path)}_ED or {stem(path)}_ES"
        )
    if not of_beat and len(pixels) > 1:
        raise InputError(f"{path}: has {len(pixels)} frames; a mask of ED or ES has one")
    if (pixels != np.round(pixels)).any() or pixels.min() < 0 or pixels.max() > 255:
        raise InputError(f"{path}: is no label map: its values are not whole numbers from 0 on")
    return pixels.astype(np.uint8)


def _pictures(path: pathlib.Path) -> list[pathlib.Path]:
    """Return where the image may lie that a mask was drawn on: the frame itself, then the cine."""
    name, suffix = stem(path), path.name[len(stem(path)) :]
    if match := MNMS2.fullmatch(name):
        names = [name.removesuffix("_gt"), f"{match['subject']}_LA_CINE"]
    elif match := UKBB.fullmatch(name):
        names = ([f"la_4ch_{match['phase']}"] if match["phase"] else []) + ["la_4ch"]
    else:
        names = ["la_4ch"]
    return [path.with_name(name + suffix) for name in names]


def _frame_of(path: pathlib.Path, phase: str, cine: Cine) -> int:
    """Return the frame of a cine that the mask of a phase is of."""
    picture = _pictures(path)[0]
    if not picture.is_file():
        frame = cine.ed_frame if phase == "ED" else cine.es_frame
        if frame is None:
            raise InputError(
                f"{path}: cannot be assigned to a frame, as there is no {picture.name} beside it; "
                "add that file, or give es_frame in the phenotypes.csv of --input"
            )
        return frame
    stored, right, down = read_stored(picture, cine.subject, fewest=1)
    shown, _ = to_radiological(stored.pixels, stored.spacing_mm, right, down)
    frame = frame_like(shown[0], cine.pixels) if len(shown) == 1 else None
    if frame is None:
        raise InputError(
            f"{picture}: equals no frame of the cine, so the frame of {path.name} cannot be known; "
            "give the cine that it was taken from"
        )
    return frame


def frame_like(
    picture: Shaped[np.ndarray, "h w"], frames: Shaped[np.ndarray, "t H W"]
) -> int | None:
    """Return the frame that a picture shows, None where it shows none of them."""
    if picture.shape != frames.shape[1:]:
        return None
    frames = frames.astype(np.float32)
    apart = np.abs(frames - picture).mean((1, 2))
    nearest = int(apart.argmin())
    return nearest if apart[nearest] <= SAME_FRAME * np.ptp(frames) else None


def _phases_of_beat(
    frames: tuple[int, ...], labels: UInt8[np.ndarray, "n h w"], cine: Cine
) -> tuple[int | None, int | None]:
    """Return ED and ES of a labelled beat: the cine's ED, and the labelled frame of least LV."""
    areas = (labels == 1).sum(axis=(1, 2))
    if cine.ed_frame not in frames or not areas.any():
        return None, None
    if cine.es_frame in frames:
        return cine.ed_frame, cine.es_frame
    es_frame = frames[int(areas.argmin())]
    return cine.ed_frame, None if es_frame == cine.ed_frame else es_frame
