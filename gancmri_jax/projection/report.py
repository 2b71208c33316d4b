"""How well a study was projected, to look at: distances, the way to them, and the worst frames."""

import pathlib
from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.model.model import Model
from gancmri_jax.projection.flags import Flag
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.store import Quality, read_latents, read_noise, read_quality
from gancmri_jax.tables import rounded, write_table

WORST = 12  # frames in the picture
MOST_LISTED = 20  # flagged frames in the summary; the report has them all

_BLUE, _DARK, _RED = "#2e75b6", "#2c3e50", "#c0392b"


def write_report(
    folder: pathlib.Path, store: pathlib.Path, model: Model, cines: Sequence[Cine]
) -> list[str]:
    """Write `frames.csv`, `distances.png`, `steps.png` and `worst.png`; return the flagged frames.

    Args:
        folder: Where to write.
        store: What was projected.
        model: The generator that it is of.
        cines: What it was projected from.

    Raises:
        InputError: The store holds nothing yet, or an older version made it.
    """
    quality = read_quality(store)
    folder.mkdir(parents=True, exist_ok=True)
    order = worst_first(quality)
    with atomic_write(folder / "frames.csv") as part:
        _write_frames(part, quality, order)
    with atomic_write(folder / "distances.png") as part:
        _draw_distances(part, quality)
    with atomic_write(folder / "steps.png") as part:
        _draw_steps(part, quality)
    with atomic_write(folder / "worst.png") as part:
        _draw_worst(part, store, quality, order[:WORST], model, cines)
    return flagged(quality)


def worst_first(quality: Quality) -> Int[np.ndarray, "n 2"]:
    """Return (video, frame) of all that was projected: first what broke off, then the farthest."""
    tried = np.argwhere(quality.steps > 0)
    distances = quality.distances[tuple(tried.T)]
    return tried[np.argsort(-np.where(np.isfinite(distances), distances, np.inf), kind="stable")]


def flagged(quality: Quality) -> list[str]:
    """Say of each flagged frame whose it is and why, the worst first."""
    said = []
    for video, frame in worst_first(quality):
        why = Flag(quality.flags[video, frame])
        name = f"{quality.subjects[video]}, frame {frame}"
        if why == Flag.NO_NUMBER:
            said.append(f"{name}: the search broke off, its distance is no number")
        elif why == Flag.FAR:
            distance = quality.distances[video, frame]
            said.append(f"{name}: distance {distance:.4f} is above {quality.flagged_above:.4f}")
    return said


def summarize(store: pathlib.Path) -> list[str]:
    """Say in a few lines what a store holds and which frames are flagged, the worst first.

    Raises:
        InputError: The store holds nothing yet, or an older version made it.
    """
    quality = read_quality(store)
    tried = quality.steps > 0
    finite = tried & np.isfinite(quality.distances)
    distances, taken = quality.distances[finite], quality.steps[tried]
    measured = (
        f"mean {distances.mean():.4f}, largest {distances.max():.4f}"
        if len(distances)
        else "none is a number"
    )
    lines = [
        f"{len(taken)} frames of {len(quality.subjects)} videos in {store}; "
        f"{quality.provenance['distance']} distance: {measured}"
    ]
    stop_at = quality.provenance.get("stop_at")
    if stop_at is not None:
        near = int((distances <= stop_at).sum())
        lines.append(
            f"{near} frames reached {stop_at:g}; {taken.mean():.0f} steps a frame on average"
        )
    if bad := flagged(quality):
        lines.append(f"{len(bad)} frames are flagged; they stay in the store")
        lines += [f"  {line}" for line in bad[:MOST_LISTED]]
        if len(bad) > MOST_LISTED:
            lines.append(f"  and {len(bad) - MOST_LISTED} more; --report lists them all")
    return lines


def numbers(store: pathlib.Path) -> dict[str, Any]:
    """Return what `summarize` says, JSON-like.

    Raises:
        InputError: The store holds nothing yet, or an older version made it.
    """
    quality = read_quality(store)
    tried = quality.steps > 0
    distances = quality.distances[tried & np.isfinite(quality.distances)]
    return {
        "store": str(store),
        "videos": len(quality.subjects),
        "frames": int(tried.sum()),
        "distance": quality.provenance["distance"],
        "mean_distance": float(distances.mean()) if len(distances) else None,
        "largest_distance": float(distances.max()) if len(distances) else None,
        "mean_steps": float(quality.steps[tried].mean()),
        "flagged": int((quality.flags[tried] != Flag.FINE).sum()),
        "flagged_above": float(quality.flagged_above),
    }


def _write_frames(path: pathlib.Path, quality: Quality, order: Int[np.ndarray, "n 2"]) -> None:
    rows = [
        (
            quality.subjects[video],
            quality.videos[video],
            frame,
            rounded(quality.distances[video, frame]),
            quality.steps[video, frame],
            Flag(quality.flags[video, frame]).name.lower(),
        )
        for video, frame in order
    ]
    write_table(path, ("subject", "video", "frame", "distance", "steps", "flag"), rows)


def _draw_distances(path: pathlib.Path, quality: Quality) -> None:
    figure, axes = _panel()
    distances = quality.distances[np.isfinite(quality.distances)]
    axes.hist(distances, bins=min(max(len(distances) // 5, 10), 60), color=_BLUE)
    far = int((quality.flags == Flag.FAR).sum())
    if np.isfinite(quality.flagged_above):
        axes.axvline(quality.flagged_above, color=_RED, linewidth=1)
        axes.set_title(
            f"{len(distances)} frames; {far} beyond the red line are flagged", fontsize=9
        )
    axes.set_xlabel(f"{quality.provenance['distance']} distance")
    axes.set_ylabel("frames")
    figure.savefig(path)


def _draw_steps(path: pathlib.Path, quality: Quality) -> None:
    """Draw the median over frames, the middle half, and nine of ten; stopped frames keep theirs."""
    figure, axes = _panel()
    settings = Settings(quality.provenance["num_steps"])
    curve = quality.curve[quality.steps > 0]
    if quality.provenance["mode"] == "neighbour":  # later frames take other steps
        first = (quality.steps > 0).argmax(axis=1)
        curve = quality.curve[np.arange(len(first)), first]
        axes.set_title("first frames of videos", fontsize=9)
    curve = _filled(curve)
    looks = np.arange(1, curve.shape[1] + 1)
    at = np.minimum(settings.chunk * looks, settings.num_steps)
    low, quarter, median, three, high = np.nanpercentile(curve, (5, 25, 50, 75, 95), axis=0)
    axes.fill_between(at, low, high, color=_BLUE, alpha=0.15, linewidth=0, label="9 of 10")
    axes.fill_between(at, quarter, three, color=_BLUE, alpha=0.35, linewidth=0, label="middle half")
    axes.plot(at, median, color=_DARK, label="median", linewidth=1.5)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(f"{quality.provenance['distance']} distance")
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)


def _filled(curve: Float[np.ndarray, "n look"]) -> Float[np.ndarray, "n look"]:
    """Let each frame keep its last distance after it stopped; of none, leave the frame out."""
    curve = curve[np.isfinite(curve[:, 0])].copy()
    for look in range(1, curve.shape[1]):
        curve[:, look] = np.where(np.isnan(curve[:, look]), curve[:, look - 1], curve[:, look])
    return curve


def _draw_worst(
    path: pathlib.Path,
    store: pathlib.Path,
    quality: Quality,
    worst: Int[np.ndarray, "n 2"],
    model: Model,
    cines: Sequence[Cine],
) -> None:
    from matplotlib.figure import Figure

    codes, _ = read_latents(store)
    columns = 3
    rows = -(-len(worst) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.05 * rows), dpi=110, layout="constrained")
    for index, (video, frame) in enumerate(worst):
        axes = figure.add_subplot(rows, columns, index + 1)
        target = cines[quality.videos[video]].pixels[frame]
        found = _rendered(model, store, codes.ws[video, frame], video, frame)
        axes.imshow(np.concatenate([target, found], axis=1), cmap="gray", vmin=0, vmax=255)
        bad = quality.flags[video, frame] != Flag.FINE
        axes.set_title(
            f"{quality.subjects[video][:16]}, frame {frame}: {quality.distances[video, frame]:.4f}",
            fontsize=7,
            color=_RED if bad else _DARK,
        )
        axes.set_axis_off()
    figure.suptitle("The farthest frames: target | projection", fontsize=9)
    figure.savefig(path)


def _rendered(
    model: Model,
    store: pathlib.Path,
    ws: Float[np.ndarray, "num_ws w_dim"],
    video: SupportsIndex,
    frame: SupportsIndex,
) -> UInt8[np.ndarray, "h w"]:
    noise = tuple(jnp.asarray(level[frame][None]) for level in read_noise(store, video))
    image = np.asarray(model.synthesize(jnp.asarray(ws)[None], noise or "const"))[0, ..., 0]
    return to_uint8(np.nan_to_num(image, nan=-1))


def _panel() -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(5, 3.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
