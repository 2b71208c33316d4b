"""What trivial image statistics say of which hearts are real: a check of a study's blinding.

A reader, or a program, that sees noise flicker in one kind alone need not look at hearts. So a
linear classifier is trained on a few statistics of each clip, and its cross-validated area under
the curve (AUC) compared with what it reaches on shuffled labels. An AUC near 0.5 says that these
statistics do not distinguish the kinds. It does not say that nothing does.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
import scipy.stats
from jaxtyping import Bool, Float, Int, UInt8

from gancmri_jax.apps.reader_study.store import REAL, Study

BLACK, WHITE = 2, 253
BLOCKS = 16  # on a side, in whose means movement is seen without noise
FOLDS = 5
SHUFFLES = 99
CONFIDENCE = 0.95
SHRINKAGE = 0.1  # of the covariance, towards the diagonal
CLEAR = 0.7  # the least AUC of a single statistic that is named
MOST_NAMED = 4
MOST_FRAMES = 8  # of a clip, whose detail is looked at
EVENED = "window, black level, noise, blur and the first-to-last step"


class Verdict(NamedTuple):
    """How well statistics distinguish a kind from real hearts.

    Attributes:
        auc: Cross-validated; NaN with too few subjects.
        chance: What it stays below with 95 % of shuffled labels.
        single: AUC of each statistic by itself, the largest first.
        medians: Of each statistic: of real clips, and of the kind's.
    """

    auc: float
    chance: float
    single: dict[str, float]
    medians: dict[str, tuple[float, float]]

    @property
    def is_telling(self) -> bool:
        """Whether statistics distinguish the kinds better than by chance."""
        return self.auc > self.chance

    def __str__(self) -> str:
        said = f"AUC {self.auc:.2f} (with shuffled labels up to {self.chance:.2f})"
        named = [f"{n} ({auc:.2f})" for n, auc in self.single.items() if auc >= CLEAR]
        return f"{said}; most by {', '.join(named[:MOST_NAMED])}" if named else said


def statistics(clip: UInt8[np.ndarray, "t h w"]) -> dict[str, float]:
    """Return trivial statistics of a clip, by name; those of time need three frames."""
    frames = clip.astype(np.float32)
    shares = np.bincount(clip.ravel(), minlength=256) / clip.size
    found = {
        "black share": float(shares[: BLACK + 1].sum()),
        "white share": float(shares[WHITE:].sum()),
        "brightness": float(frames.mean()),
        "contrast": float(frames.std()),
        "grey levels": float(scipy.stats.entropy(shares, base=2)),
        "fine detail": detail(frames),
    }
    if len(frames) < 3:
        return found | {"noise": noise(frames)}
    steps = step_sizes(frames)
    return found | {
        "noise in time": noise(frames),
        "movement": float(steps[:-1].mean()),
        "first-to-last step": relative_step(steps),
    }


def detail(frames: Float[np.ndarray, "t h w"]) -> float:
    """Return how much finer than edges the structure of frames is: a measure of blur, reversed."""
    some = frames[:: -(-len(frames) // MOST_FRAMES)]
    inner = some[:, 1:-1, 1:-1]
    around = some[:, :-2, 1:-1] + some[:, 2:, 1:-1] + some[:, 1:-1, :-2] + some[:, 1:-1, 2:]
    laplacian = np.abs(around - 4 * inner).mean()
    gradient = np.abs(np.diff(some, axis=1)).mean() + np.abs(np.diff(some, axis=2)).mean()
    return float(laplacian / max(gradient, 1e-6))


def noise(frames: Float[np.ndarray, "t h w"]) -> float:
    """Return the standard deviation of noise: in time, or of one frame by Immerkær (1996)."""
    if len(frames) < 3:
        kernel = np.outer((1, -2, 1), (1, -2, 1))[None].astype(np.float32)
        return float(np.abs(scipy.ndimage.convolve(frames, kernel)).mean()) * _SPREAD / 6
    second = frames[:-2] - 2 * frames[1:-1] + frames[2:]
    return float(np.abs(second).mean()) * _SPREAD / 6**0.5


_SPREAD = float(np.sqrt(np.pi / 2))  # a standard deviation over a mean absolute deviation


def step_sizes(frames: Float[np.ndarray, "t h w"]) -> Float[np.ndarray, "t"]:
    """Return the change from each frame to the next, and from the last to the first."""
    _, height, width = frames.shape
    rows, columns = (-(-side // BLOCKS) for side in (height, width))
    padded = np.pad(frames, ((0, 0), (0, -height % rows), (0, -width % columns)), mode="edge")
    blocks = padded.reshape(len(frames), padded.shape[1] // rows, rows, -1, columns).mean((2, 4))
    return np.abs(np.roll(blocks, -1, axis=0) - blocks).mean((1, 2))


def relative_step(steps: Float[np.ndarray, "t"]) -> float:
    """Return the step from the last frame to the first, in medians of the others."""
    return float(steps[-1] / max(float(np.median(steps[:-1])), 1e-6))


def check(connection: sqlite3.Connection, study: Study) -> dict[str, Verdict]:
    """Say how well statistics distinguish each synthetic kind from real hearts."""
    tables: dict[str, list[list[float]]] = {kind: [] for kind in study.kinds}
    subjects: dict[str, list[str]] = {kind: [] for kind in study.kinds}
    names: list[str] = []
    for _, kind, subject, clip in clips(connection, study):
        found = statistics(clip)
        names = list(found)
        tables[kind].append(list(found.values()))
        subjects[kind].append(subject)
    return {
        kind: judge(
            names,
            np.array(tables[REAL]),
            np.array(tables[kind]),
            (subjects[REAL], subjects[kind]),
            np.random.default_rng(0),
        )
        for kind in study.synthetic
        if tables[kind]
    }


def clips(
    connection: sqlite3.Connection, study: Study
) -> Iterator[tuple[int, str, str, UInt8[np.ndarray, "t h w"]]]:
    """Yield number, kind, subject and pixels of each stimulus."""
    numbers = connection.execute("SELECT id, kind, subject FROM stimulus ORDER BY id").fetchall()
    for number, kind, subject in numbers:
        (content,) = connection.execute(
            "SELECT pixels FROM stimulus WHERE id = ?", (number,)
        ).fetchone()
        pixels = np.frombuffer(content, np.uint8)
        yield number, kind, subject, pixels.reshape(-1, study.size, study.size)


def judge(
    names: Sequence[str],
    real: Float[np.ndarray, "n k"],
    fake: Float[np.ndarray, "m k"],
    subjects: tuple[Sequence[str], Sequence[str]],
    rng: np.random.Generator,
) -> Verdict:
    """Compare statistics of real clips and of a kind.

    Args:
        names: Of the statistics.
        real, fake: A row for each clip.
        subjects: Whose each clip is; all of one subject are held out together.
        rng: Draws folds and shuffles.
    """
    table = np.concatenate([real, fake])
    labels = np.arange(len(table)) < len(real)
    single = {}
    for name, column in zip(names, table.T, strict=True):
        area = auc(column, labels)
        single[name] = max(area, 1 - area)
    single = dict(sorted(single.items(), key=lambda pair: -pair[1]))
    medians = {
        name: (float(np.median(ours)), float(np.median(theirs)))
        for name, ours, theirs in zip(names, real.T, fake.T, strict=True)
    }
    folds = _folds(subjects, rng)
    if folds is None:
        return Verdict(np.nan, np.nan, single, medians)
    shuffled = [_cross_validated(table, rng.permutation(labels), folds) for _ in range(SHUFFLES)]
    chance = float(np.nanquantile(shuffled, CONFIDENCE))
    return Verdict(_cross_validated(table, labels, folds), chance, single, medians)


def auc(scores: Float[np.ndarray, "n"], labels: Bool[np.ndarray, "n"]) -> float:
    """Return the area under the curve: how often a true one's score is above a false one's."""
    from sklearn.metrics import roc_auc_score  # slow to import

    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else np.nan


def _folds(
    subjects: tuple[Sequence[str], Sequence[str]], rng: np.random.Generator
) -> Int[np.ndarray, "n"] | None:
    """Draw the fold of each clip, a subject's all in one; None with fewer than four subjects."""
    count = min(FOLDS, *(len(set(names)) // 2 for names in subjects))
    if count < 2:
        return None
    drawn = []
    for names in subjects:
        different = list(dict.fromkeys(names))
        fold = dict(zip(different, rng.permutation(len(different)) % count, strict=True))
        drawn += [fold[name] for name in names]
    return np.array(drawn)


def _cross_validated(
    table: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n"], folds: Int[np.ndarray, "n"]
) -> float:
    """Return the mean AUC over folds of linear discriminants fitted to the others."""
    areas = []
    for fold in range(folds.max() + 1):
        seen, held_out = folds != fold, folds == fold
        weights = _discriminant(table[seen], labels[seen])
        areas.append(auc(table[held_out] @ weights, labels[held_out]))
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else np.nan


def _discriminant(
    table: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "k"]:
    """Fit Fisher's linear discriminant, its covariance shrunk."""
    scale = table.std(axis=0)
    scaled = table / np.where(scale > 0, scale, 1.0)
    means = [
        scaled[which].mean(axis=0) if which.any() else np.zeros(scaled.shape[1])
        for which in (~labels, labels)
    ]
    centred = scaled - np.where(labels[:, None], means[1], means[0])
    covariance = centred.T @ centred / max(len(centred) - 2, 1)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    shrunk += 1e-6 * np.eye(len(shrunk))
    return np.linalg.solve(shrunk, means[1] - means[0]) / np.where(scale > 0, scale, 1.0)


def as_json(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Return verdicts as a study keeps them."""
    return {kind: verdict._asdict() for kind, verdict in verdicts.items()}


def from_json(kept: Mapping[str, Any]) -> dict[str, Verdict]:
    """Undo `as_json`."""
    return {kind: Verdict(**fields) for kind, fields in kept.items()}
