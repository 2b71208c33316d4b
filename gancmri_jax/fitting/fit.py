"""Fit a model to latent stores: its motion, its phenotype directions, and how deep beats go."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gancmri_jax.cine.phenotypes import Phenotypes, read_flags, read_phenotypes
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError
from gancmri_jax.fitting.calibration import Calibration, calibrate
from gancmri_jax.fitting.directions import fit_directions
from gancmri_jax.fitting.motion import Figures, fit_motion, motion_figures
from gancmri_jax.latents.codes import ChunkedCodes, Codes, CodesIndex, OnPass, chain
from gancmri_jax.lock import one_run
from gancmri_jax.model.file import save_model
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import from_tensors, to_tensors
from gancmri_jax.projection.store import open_latents

AnyCodes = TypeVar("AnyCodes", Codes, ChunkedCodes)


@dataclasses.dataclass(frozen=True)
class FitOptions:
    """What is learned, and how.

    Attributes:
        phenotypes: phenotypes.csv, one line a subject; without it there are no directions.
        only: Names of the directions to learn; by default all that the table gives.
        how: High minus low, as the paper, or the slope of w over the phenotype.
        orthogonal: Bring the directions to right angles with one another.
        calibrate: Scale motion to the fractional area change of the projected subjects.
        num_frames: Frames of a beat.
        keep_flagged: Learn from subjects too whose segmentation the table flags.
    """

    phenotypes: pathlib.Path | None = None
    only: Sequence[str] = ()
    how: Literal["means", "regression"] = "means"
    orthogonal: bool = False
    calibrate: bool = False
    num_frames: int = 50
    keep_flagged: bool = False


class FitReport(NamedTuple):
    """What came of a fit.

    Attributes:
        model: The model that was written, in full precision.
        counts: How many videos each part of its motion was learned from.
        whole_beats: How many videos have all their frames projected.
        contraction_r2: Cross-validated R² of contraction, where it was learned; else None.
        directions: How many videos each direction was learned from.
        calibration: By how much motion was scaled, where it was.
        fac_percent: What it was scaled to.
        figures: How every motion goes in latent space.
        left_out: Flags of the subjects that were left out for them.
    """

    model: Model
    counts: dict[str, int]
    whole_beats: int
    contraction_r2: float | None
    directions: dict[str, int]
    calibration: Calibration | None
    fac_percent: float | None
    figures: dict[str, Figures]
    left_out: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return all but the model."""
        return {
            **{name: value for name, value in self._asdict().items() if name != "model"},
            "calibration": None if self.calibration is None else self.calibration._asdict(),
            "figures": {name: figures._asdict() for name, figures in self.figures.items()},
        }


def fit(
    model: Model,
    stores: Sequence[pathlib.Path],
    out: pathlib.Path,
    options: FitOptions | None = None,
    on_pass: OnPass = lambda _: lambda _: None,
) -> FitReport:
    """Learn motion and phenotype directions from latent stores, and write the model with them.

    Codes are read in chunks, in several passes, so that memory does not depend on their number.
    What the model file keeps is rounded to half precision. Its card says what it was learned from.

    Args:
        model: The model that the codes are of; `calibrate` needs its segmenter and its spacing.
        stores: Latent stores; a subject counts from the first that has it.
        out: The model file to write.
        options: What is learned, and how.
        on_pass: Called as each pass over the codes begins, with the number of videos; what it
            returns, with those read since.

    Raises:
        InputError: A store contains codes of another model, the codes or phenotypes are too few,
            no gain calibrates motion, or another run writes `out`. Nothing is written then.
    """
    with one_run(out, "fit", beside=True):
        return _fit(model, stores, out, options or FitOptions(), on_pass)


def _fit(
    model: Model,
    stores: Sequence[pathlib.Path],
    out: pathlib.Path,
    options: FitOptions,
    on_pass: OnPass,
) -> FitReport:
    codes, provenances = _open_codes(model, stores, on_pass)
    codes, left_out = _without_flagged(codes, options)
    motion, counts, whole_beats, r2 = fit_motion(codes, options.num_frames)
    note: dict[str, Any] = {
        "latents": provenances,
        "mean_distance": round(float(codes.distances[codes.valid].mean()), 5),
    }
    if motion.contraction is None:
        r2 = None
    else:
        assert r2 is not None
        note["contraction_explained"] = round(r2, 4)

    directions: dict[str, Array] = {}
    videos: dict[str, int] = {}
    phenotypes: Phenotypes = {}
    if options.phenotypes is not None:
        phenotypes = _by_subject(read_phenotypes(options.phenotypes), codes)
        directions, videos = fit_directions(
            codes, phenotypes, options.only, options.how, options.orthogonal
        )
        note["directions"] = options.how + (", orthogonal" if options.orthogonal else "")
    done, fac_percent = None, None
    if options.calibrate:
        fac_percent = _median_fac_percent(options.phenotypes, phenotypes, codes)
        motion, done = calibrate(model.with_fit(motion, {}, {}), fac_percent)
        note["calibrated"] = {"lv_fac_percent": fac_percent, **done._asdict()}

    figures = motion_figures(motion, options.num_frames)
    note["motions"] = {
        name: {
            "peak": round(figure.peak, 4),
            "frame": figure.frame,
            "closure": round(figure.closure, 3),
            "roughness": round(figure.roughness, 3),
        }
        for name, figure in figures.items()
    }
    if left_out:
        note["flagged_left_out"] = len(left_out)
    note = {"counts": {**counts, **videos}, **note}
    rounded = from_tensors(to_float16(to_tensors(motion)))
    save_model(model.with_fit(rounded, to_float16(directions), note), out)
    fitted = model.with_fit(motion, directions, note)
    return FitReport(fitted, counts, whole_beats, r2, videos, done, fac_percent, figures, left_out)


def _open_codes(
    model: Model, stores: Sequence[pathlib.Path], on_pass: OnPass
) -> tuple[ChunkedCodes, list[dict[str, Any]]]:
    """Open the codes of several stores, and say where each came from.

    Raises:
        InputError: A store cannot be read, or contains codes of another model.
    """
    parts, provenances = [], []
    for store in stores:
        codes, provenance = open_latents(store)
        if provenance["model"] != model.fingerprint:
            raise InputError(
                f"{store}: contains codes of another model; project again with this one"
            )
        parts.append(codes)
        provenances.append(provenance)
    return dataclasses.replace(chain(parts), on_pass=on_pass), provenances


def _without_flagged(codes: AnyCodes, options: FitOptions) -> tuple[AnyCodes, dict[str, str]]:
    """Leave out subjects that the phenotype table flags, and return their flags too.

    Raises:
        InputError: All projected subjects are flagged.
    """
    if options.phenotypes is None or options.keep_flagged:
        return codes, {}
    flags = read_flags(options.phenotypes)
    known = set(codes.subjects)
    if flags and not flags.keys() & known:
        key = subject_key()
        flags = {hash_subject(subject, key): text for subject, text in flags.items()}
    left_out = {subject: text for subject, text in flags.items() if subject in known}
    if left_out and not known - left_out.keys():
        raise InputError(
            f"{options.phenotypes}: all projected subjects are flagged; look at them, or use "
            "--keep-flagged"
        )
    return (codes.without(left_out) if left_out else codes), left_out


def _by_subject(phenotypes: Phenotypes, codes: CodesIndex) -> Phenotypes:
    """Return phenotypes by the subjects' names in the codes, which may be hashes."""
    if phenotypes.keys() & set(codes.subjects):
        return phenotypes
    key = subject_key()
    return {hash_subject(subject, key): values for subject, values in phenotypes.items()}


def to_float16(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Round to half the size, as a model file keeps what was learned of many noisy codes.

    Rows that differ by less than that, as those learned from codes in W do, become alike.
    """
    rounded = {}
    for name, array in arrays.items():
        first = jnp.broadcast_to(array[..., :1, :], array.shape)
        apart, size = (jnp.abs(x).max(axis=(-2, -1), keepdims=True) for x in (array - first, array))
        rounded[name] = jnp.where(apart <= 2**-11 * size, first, array).astype(jnp.float16)
    return rounded


def _median_fac_percent(
    table: pathlib.Path | None, phenotypes: Phenotypes, codes: CodesIndex
) -> float:
    known = phenotypes.keys() & set(codes.subjects)
    values = [phenotypes[subject].get("lv_fac_percent", math.nan) for subject in known]
    if not any(map(math.isfinite, values)):
        where = f"{table}:" if table else "no phenotype table given:"
        raise InputError(
            f"{where} calibration needs the lv_fac_percent of at least one projected subject"
        )
    return float(np.nanmedian(values))
