"""Temporal super-resolution, measured: every second frame is taken away and found again.

GANcMRI, sections 3.3.4 and 4.2. Of 50 frames 25 stay; 24 of those taken away lie between two that
stayed, the last one between the last and the first, and is scored apart. Scores are of grey levels
that are not rounded: rounding halves costs a blend as much SSIM as good methods differ by.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from scipy.interpolate import CubicSpline
from skimage.registration import optical_flow_ilk
from skimage.transform import warp

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.latents.codes import Codes
from gancmri_jax.metrics.similarity import WINDOW, psnr, ssim
from gancmri_jax.model.model import Model
from gancmri_jax.projection.study import codes_of
from gancmri_jax.tables import rounded, write_table
from gancmri_jax.video.superres import dense_codes, residual_frames

Frames = UInt8[np.ndarray, "n h w"]
GreyLevels = Float[np.ndarray, "n h w"]  # from 0 to 255

BASELINES = {
    "nearest": "the frame before, again",
    "blend": "half of each neighbour, pixel by pixel",
    "optical flow": "both neighbours, each moved half the way (iterative Lucas-Kanade)",
}
LATENT = {
    "latent, t": "the paper's steps t of the codes",
    "latent, t′": "the same, cleaned by the paper's tPCA",
    "latent, cubic": "a periodic cubic spline through the codes",
    "residual": "a blend, and as much of the codes' motion as frames that stayed bear out",
}
METHODS = BASELINES | LATENT

_LEAST_KEPT = 7  # t′ leaves no component of fewer
_SHOWN = 5e-5  # of SSIM, what four decimals show


class Recovery(NamedTuple):
    """One video's frames that were taken away, and how well each method found them.

    Attributes:
        subject: Whose heart it is.
        kept, removed: Its frames; `kept[i]` and `kept[i + 1]` are the neighbours of `removed[i]`.
        found: By method, as many frames as `removed`.
        ssim, psnr: By method and frame.
    """

    subject: str
    kept: Frames
    removed: Frames
    found: dict[str, GreyLevels]
    ssim: dict[str, Float[np.ndarray, "n"]]
    psnr: dict[str, Float[np.ndarray, "n"]]

    @property
    def interior(self) -> int:
        """How many of the removed frames lie between two that stayed."""
        return len(self.kept) - 1


class Row(NamedTuple):
    """A method's means over videos; NaN where there is nothing to say.

    Attributes:
        method: Its name.
        ssim, psnr: Of frames between two that stayed.
        gain, gain_error: SSIM over that of the blend, video by video, and its standard error.
        ssim_last: Of the frame between the last and the first.
    """

    method: str
    ssim: float
    psnr: float
    gain: float
    gain_error: float
    ssim_last: float


def halve(cine: Cine) -> Cine:
    """Return a cine without every second frame.

    Raises:
        InputError: It has too few frames, or too small ones, for the experiment.
    """
    pixels = cine.pixels[::2]
    if len(pixels) < _LEAST_KEPT:
        raise InputError(
            f"{cine.subject}: has {len(cine.pixels)} frames; to take every second one away needs "
            f"{2 * _LEAST_KEPT - 1} at least"
        )
    if min(pixels.shape[1:]) < WINDOW:
        raise InputError(f"{cine.subject}: frames of {pixels.shape[1:]} are too small for SSIM")
    frame_ms = None if cine.frame_ms is None else 2 * cine.frame_ms
    return dataclasses.replace(
        cine, pixels=pixels, frame_ms=frame_ms, ed_frame=cine.ed_frame // 2, es_frame=None
    )


def recover_all(model: Model, cines: Iterable[Cine], codes: Codes) -> list[Recovery]:
    """Find every second frame of each cine again by each method.

    Args:
        model: The generator.
        cines: Videos in uint8 at the model's resolution.
        codes: Of the frames that `halve` leaves of each, in their order.

    Raises:
        InputError: The model's images are in colour, or the search for a frame broke off.
    """
    model.insist_grey()
    recoveries = []
    for video, cine in enumerate(cines):
        kept, removed = cine.pixels[::2], cine.pixels[1::2]
        recoveries.append(recover(model, cine.subject, kept, removed, codes_of(codes, video)))
    return recoveries


def recover(
    model: Model,
    subject: str,
    kept: UInt8[np.ndarray, "t h w"],
    removed: UInt8[np.ndarray, "removed h w"],
    ws: Float[np.ndarray, "t num_ws w_dim"],
) -> Recovery:
    """Find the frames between `kept`, whose codes are `ws`, by each method, and score them."""
    after = np.concatenate([kept[1:], kept[:1]])
    closed = np.concatenate([ws, ws[:1]])
    cubic = CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
    paths = {
        "latent, t": dense_codes(ws, 2, closed=True)[1::2],
        # t′ sums to zero over the steps that there are: no step is left for the last frame.
        "latent, t′": dense_codes(ws, 2, tpca=True)[1::2],
        "latent, cubic": jnp.asarray(cubic(np.arange(len(kept)) + 0.5), jnp.float32),
    }
    found = {
        "nearest": kept.astype(np.float32),
        "blend": (kept.astype(np.float32) + after) / 2,
        "optical flow": np.stack([halfway(*pair) for pair in zip(kept, after, strict=True)]),
        **{method: _grey_levels(model.render(path)[..., 0]) for method, path in paths.items()},
        "residual": _grey_levels(residual_frames(model, kept, ws, 2, closed=True)[1::2]),
    }
    found = {method: frames[: len(removed)] for method, frames in found.items()}
    scores = [
        {method: score(frames, removed[: len(frames)]) for method, frames in found.items()}
        for score in (ssim, psnr)
    ]
    return Recovery(subject, kept, removed, found, *scores)


def halfway(
    before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """Return the picture half the way between two by their optical flow, in grey levels.

    Flow is found by iterative Lucas-Kanade (Le Besnerais and Champagnat 2005). Each picture is
    moved half the way along it, and the two are averaged.
    """
    a, b = (picture.astype(np.float32) / 255 for picture in (before, after))
    rows, columns = optical_flow_ilk(a, b)  # b at (r + rows, c + columns) looks like a at (r, c)
    r, c = np.meshgrid(*map(np.arange, a.shape), indexing="ij")
    from_a = warp(a, np.array([r - rows / 2, c - columns / 2]), mode="edge")
    from_b = warp(b, np.array([r + rows / 2, c + columns / 2]), mode="edge")
    return 127.5 * (from_a + from_b)


def _grey_levels(images: Float[np.ndarray, "n h w"]) -> GreyLevels:
    return (np.clip(images, -1, 1) + 1) * 127.5


def summarize(recoveries: Sequence[Recovery]) -> list[Row]:
    """Return each method's means over the videos."""
    rows = []
    for method in METHODS:
        means, blend = (
            np.array([r.ssim[name][: r.interior].mean() for r in recoveries])
            for name in (method, "blend")
        )
        last = [r.ssim[method][r.interior :] for r in recoveries]
        gains, several = means - blend, len(recoveries) > 1
        rows.append(
            Row(
                method,
                ssim=float(means.mean()),
                psnr=float(np.mean([r.psnr[method][: r.interior].mean() for r in recoveries])),
                gain=float(gains.mean()),
                gain_error=float(gains.std(ddof=1) / len(gains) ** 0.5) if several else math.nan,
                ssim_last=float(np.concatenate(last).mean()) if any(map(len, last)) else math.nan,
            )
        )
    return rows


def best(rows: Sequence[Row], methods: Mapping[str, str]) -> Row:
    """Return the row of highest mean SSIM among some methods."""
    return max((row for row in rows if row.method in methods), key=lambda row: row.ssim)


def verdict(rows: Sequence[Row]) -> str:
    """Say in a sentence whether codes find frames better than a blend of their neighbours does."""
    latent, simple = best(rows, LATENT), best(rows, BASELINES)
    blend = next(row for row in rows if row.method == "blend")
    several = not math.isnan(latent.gain_error)
    error = f" ± {latent.gain_error:.5f}" if several else ", one video"
    if abs(latent.gain) <= max(2 * latent.gain_error if several else 0.0, _SHOWN):
        does = "cannot be told from"
    else:
        does = "beats" if latent.gain > 0 else "does not reach"
    said = (
        f"The best with codes, {latent.method} at {latent.ssim:.4f}, {does} a plain blend of "
        f"pixels at {blend.ssim:.4f} ({latent.gain:+.5f}{error})"
    )
    if simple.method != "blend":
        said += f"; {simple.method} without any model reaches {simple.ssim:.4f}"
    return said + "."


def strangest(recoveries: Sequence[Recovery]) -> tuple[Recovery, int]:
    """Return the video and frame that `latent, t` made least like a blend of its neighbours."""
    departures = [
        np.abs(r.found["latent, t"] - r.found["blend"])[: r.interior].mean((1, 2))
        for r in recoveries
    ]
    video = int(np.argmax([d.max() for d in departures]))
    return recoveries[video], int(departures[video].argmax())


def draw_strangest(path: pathlib.Path, recoveries: Sequence[Recovery]) -> None:
    """Draw the frame that is least like its neighbours, and where it differs from their blend."""
    from matplotlib.figure import Figure  # slow to import

    recovery, frame = strangest(recoveries)
    after = recovery.kept[(frame + 1) % len(recovery.kept)]
    blend = recovery.found["blend"][frame]
    pictures = {"before": recovery.kept[frame], "taken away": recovery.removed[frame]}
    pictures["after"] = after
    pictures |= {m: recovery.found[m][frame] for m in METHODS if m != "nearest"}
    figure = Figure(figsize=(1.45 * len(pictures), 3.4), dpi=110, layout="constrained")
    axes = figure.subplots(2, len(pictures))
    for column, (name, picture) in enumerate(pictures.items()):
        axes[0, column].imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes[0, column].set_title(name, fontsize=8)
        shown = axes[1, column].imshow(
            np.abs(picture - blend), cmap="inferno", vmin=0, vmax=64, interpolation="nearest"
        )
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    axes[1, 0].set_ylabel("from the blend", fontsize=8)
    figure.colorbar(shown, ax=axes[1, -1], label="grey levels")
    with atomic_write(path) as part:
        figure.savefig(part)


def write_rows(path: pathlib.Path, rows: Sequence[Row]) -> None:
    """Write the table as CSV; what is not known stays empty."""
    with atomic_write(path) as part:
        write_table(part, Row._fields, [(row.method, *map(rounded, row[1:])) for row in rows])
