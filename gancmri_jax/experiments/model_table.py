"""Models beside one another and beside held-out phantoms, by judges that took no part in them."""

import dataclasses
import pathlib
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from gancmri_jax.atomic import atomic_write
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.origin import UNKNOWN_MM
from gancmri_jax.cine.preprocess import to_model_range
from gancmri_jax.disclaimer import PAGE_FOOTER
from gancmri_jax.experiments.held_out import HeldOut
from gancmri_jax.experiments.journal import Journal, Result
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.metrics.card import Card
from gancmri_jax.metrics.evaluate import Evaluation
from gancmri_jax.metrics.names import parse_metric
from gancmri_jax.metrics.protocol import OnStart, Protocol
from gancmri_jax.metrics.sets import CineSet, GeneratedSet
from gancmri_jax.metrics.similarity import psnr, ssim
from gancmri_jax.metrics.spectrum import high_frequency_power, liveliness
from gancmri_jax.model.file import SHIPPED_SEGMENTERS, load_segmenter_of
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import METHODS, Motion
from gancmri_jax.physiology.beat import Beat, measure_beat
from gancmri_jax.segmentation.beat import beat_pixels
from gancmri_jax.segmentation.segment import LV, MYOCARDIUM, segment
from gancmri_jax.video.render import render_uint8

PHANTOMS = "phantoms"  # their column

_CLIP = "16_equispaced"
_SEEDS = 3  # populations of generated hearts, for the distances of videos
_OTHERS = 100_000  # between the first hearts of two populations


class ModelTable:
    """What is measured of models beside held-out phantoms, kept in a journal.

    Every number has a method of its own, which returns by name; `measure_all` calls those that the
    model can answer. A judge is a segmenter of `SHIPPED_SEGMENTERS`: no loss may use them.
    """

    def __init__(
        self,
        phantoms: Sequence[HeldOut],
        frames: int,
        hearts: int,
        seed: int,
        journal: Journal,
        on_start: OnStart,
    ) -> None:
        """Prepare to measure.

        Args:
            phantoms: Held-out hearts, all of the models' size, of whole beats.
            frames: Frames of each set behind the distances of frames.
            hearts: Normal phantoms at most whose beat is compared heart by heart.
            seed: Of what is drawn.
            journal: Where results are kept.
            on_start: Called as each long piece of work begins.
        """
        self._phantoms, self._hearts, self._seed = phantoms, hearts, seed
        self._journal, self._on_start = journal, on_start
        self._real = CineSet(PHANTOMS, [phantom.cine for phantom in phantoms])
        self._frames = min(frames, self._real.num_frames)

    def measure_phantoms(self) -> Result:
        """Measure the phantoms themselves: what a perfect model would get."""
        normal = self._normal()
        stages: dict[str, Callable[[], Result]] = {
            "detail": self._phantoms_detail,
            "rendered": self._fresh_noise,
            "beats": lambda: self._beats([p.cine for p in normal]),
        }
        return self._stages(PHANTOMS, stages)

    def measure(self, name: str, model: Model) -> Result:
        """Measure a model; what it cannot answer, or needs what cannot be had, is left out."""
        model.insist_grey()
        stages: dict[str, Callable[[], Result]] = {
            "judged": lambda: self._judged(name, model),
            "inception": lambda: self._inception(name, model),
            "detail": lambda: self._detail(model),
        }
        if model.encoder is not None:
            stages["rendered"] = lambda: self._rendered(model)
        if model.motion.names:
            stages["videos"] = lambda: self._videos(name, model)
            if model.encoder is not None:
                stages["beats"] = lambda: self._moved(model)
        return self._stages(name, stages)

    def _stages(self, name: str, stages: dict[str, Callable[[], Result]]) -> Result:
        found: Result = {}
        for stage, work in stages.items():
            key = f"{name}.{stage}"
            if self._journal.attempt(key, work, _said):
                found |= self._journal.results[key]
        found.pop("seconds", None)
        return found

    def _normal(self) -> list[HeldOut]:
        return [p for p in self._phantoms if p.population == "normal"][: self._hearts]

    def _judged(self, name: str, model: Model) -> Result:
        fake = GeneratedSet(name, model, Motion())
        found: Result = {}
        for judge in SHIPPED_SEGMENTERS:
            protocol = Protocol(self._seed, segmenter=(load_segmenter_of(judge), judge))
            metric = parse_metric(f"fcn_fd{self._frames}")
            card = Evaluation(self._real, fake, protocol, self._on_start).measure(metric)
            found |= _distance(f"fcn_fd_{judge[:4]}", card)
        return found

    def _inception(self, name: str, model: Model) -> Result:
        fake = GeneratedSet(name, model, Motion())
        evaluation = Evaluation(self._real, fake, Protocol(self._seed), self._on_start)
        found: Result = {}
        for base in ("fid", "precision", "recall"):
            found |= _distance(base, evaluation.measure(parse_metric(f"{base}{self._frames}")))
        return found

    def _videos(self, name: str, model: Model) -> Result:
        found: Result = {}
        for motion in METHODS:
            cards = []
            for population in range(_SEEDS):
                first = population * _OTHERS
                fake = GeneratedSet(name, model, Motion(motion), first_seed=first)
                evaluation = Evaluation(self._real, fake, Protocol(self._seed), self._on_start)
                cards.append(evaluation.measure(parse_metric(f"fvd{_CLIP}")))
            values = [card.value for card in cards]
            found |= {
                f"fvd_{motion}": statistics.mean(values),
                f"fvd_{motion}_of_seeds": values,
                f"fvd_{motion}_floor": cards[0].floor and cards[0].floor[0],
            }
        return found

    def _detail(self, model: Model) -> Result:
        """Compare fine detail: in frames, and in the blood and walls of beats."""
        frames = GeneratedSet("", model, Motion()).frames(self._frames, self._seed)
        found: Result = {"high_frequency_power": high_frequency_power(np.stack(list(frames)))}
        if not model.motion.names:
            return found
        videos = GeneratedSet("", model, Motion()).videos(len(self._normal()))
        judge = load_segmenter_of(SHIPPED_SEGMENTERS[0])

        def segmented(video: UInt8[np.ndarray, "t h w"]) -> tuple[np.ndarray, np.ndarray]:
            cine = Cine(video, model.spacing_mm or UNKNOWN_MM, model.frame_ms, "generated")
            return video, segment(judge, cine).masks

        return found | _lively(map(segmented, self._counted("detail", videos)))

    def _phantoms_detail(self) -> Result:
        normal = ((p.cine.pixels, p.masks) for p in self._normal())
        frames = np.stack(list(self._real.frames(self._frames, self._seed)))
        return {"high_frequency_power": high_frequency_power(frames)} | _lively(normal)

    def _rendered(self, model: Model) -> Result:
        """Encode held-out frames and render them again, without any search."""

        def again(phantom: HeldOut) -> UInt8[np.ndarray, "t h w"]:
            w = model.encode(to_model_range(phantom.cine.pixels)[..., None])
            return render_uint8(model, broadcast_w(w, model.num_ws))

        return self._fidelity(again)

    def _fresh_noise(self) -> Result:
        return self._fidelity(lambda phantom: phantom.other_noise)

    def _fidelity(self, again: Callable[[HeldOut], UInt8[np.ndarray, "t h w"]]) -> Result:
        """Return medians over phantoms: SSIM of frames, and what is inside the heart."""
        rows = []
        for phantom in self._counted("rendered", self._phantoms):
            made, heart = again(phantom), phantom.heart
            rows.append(
                (
                    np.mean(ssim(made, phantom.cine.pixels)),
                    np.nanmean(ssim(made, phantom.clean, heart)),
                    np.nanmean(psnr(made, phantom.clean, heart)),
                )
            )
        whole, inside, ratio = np.median(np.array(rows, np.float64), axis=0)
        return {"ssim": whole, "heart_ssim": inside, "heart_psnr_db": ratio}

    def _moved(self, model: Model) -> Result:
        """Move hearts that start from phantoms' encoded ED frames, and measure their beat."""

        def moved(phantom: HeldOut) -> Cine:
            ed = phantom.cine.pixels[phantom.cine.ed_frame or 0][None, ..., None]
            start = broadcast_w(model.encode(to_model_range(ed)), model.num_ws)[0]
            path = model.beat(jnp.asarray(start), motion)
            return dataclasses.replace(phantom.cine, pixels=beat_pixels(model, path))

        return self._beats([moved(p) for p in self._counted("beats", self._normal())])

    def _beats(self, cines: Sequence[Cine]) -> Result:
        judge = load_segmenter_of(SHIPPED_SEGMENTERS[0])
        beats = [measure_beat(judge, cine)[0] for cine in self._counted("measure beats", cines)]
        return {field: _median([getattr(beat, field) for beat in beats]) for field in Beat._fields}

    def _counted(self, what: str, items: Iterable[Any]) -> Iterator[Any]:
        done = self._on_start(what, len(items) if isinstance(items, Sequence) else self._hearts)
        for item in items:
            yield item
            done(1)


def _distance(name: str, card: Card) -> Result:
    return {name: card.value, f"{name}_floor": card.floor and card.floor[0]}


def _lively(beats: Iterable[tuple[np.ndarray, np.ndarray]]) -> Result:
    """Return medians, in grey levels, over beats [t h w] with their masks."""
    found: dict[str, list[float]] = {"blood_liveliness": [], "wall_liveliness": []}
    for pixels, masks in beats:
        for name, tissue in zip(found, (LV, MYOCARDIUM), strict=True):
            found[name].append(liveliness(pixels, (masks == tissue).all(axis=0)))
    return {name: _median(values) for name, values in found.items()}


def _median(values: Sequence[float]) -> float | None:
    """Return the median of what was found, or None."""
    found = [value for value in values if not np.isnan(value)]
    return float(np.median(found)) if found else None


def _said(result: Result) -> str:
    shown = {k: v for k, v in result.items() if isinstance(v, float) and not k.endswith("_floor")}
    return ", ".join(f"{name} {value:.4g}" for name, value in shown.items())


def random_frames(
    phantoms: Sequence[HeldOut], models: Mapping[str, Model], seed: int, count: int = 10
) -> dict[str, UInt8[np.ndarray, "n h w"]]:
    """Return random frames of phantoms and of each model, to be looked at."""
    real = CineSet(PHANTOMS, [phantom.cine for phantom in phantoms])
    rows = {PHANTOMS: real} | {
        name: GeneratedSet(name, model, Motion()) for name, model in models.items()
    }
    return {name: np.stack(list(images.frames(count, seed))) for name, images in rows.items()}


class _Row:
    """A line of the table: its name, its unit, and how a number is written."""

    def __init__(self, field: str, title: str, form: str = ".3g") -> None:
        self.field, self.title, self.form = field, title, form


_ROWS = (
    *(_Row(f"fcn_fd_{j[:4]}", f"Fréchet distance, segmenter {j[:4]}") for j in SHIPPED_SEGMENTERS),
    _Row("fid", "FID"),
    _Row("precision", "precision", ".2f"),
    _Row("recall", "recall", ".2f"),
    *(_Row(f"fvd_{motion}", f"FVD, {motion}, mean of {_SEEDS} populations") for motion in METHODS),
    _Row("high_frequency_power", "power at high frequencies", ".3g"),
    _Row("ssim", "frames encoded and rendered: SSIM with the noisy frame", ".3f"),
    _Row("heart_ssim", "… inside the heart, with the frame without noise", ".3f"),
    _Row("heart_psnr_db", "… PSNR there, dB", ".1f"),
    _Row("blood_liveliness", "LV pool above the 6th harmonic, grey levels", ".2f"),
    _Row("wall_liveliness", "walls above the 6th harmonic, grey levels", ".2f"),
    _Row("lv_fac_percent", "hearts moved from encoded ED frames: FAC, %", ".1f"),
    _Row("es_percent", "… ES, % of the beat", ".0f"),
    _Row("wall_thickening_percent", "… walls thicken by, %", ".0f"),
    _Row("mitral_descent_mm", "… mitral plane, mm", ".1f"),
    _Row("la_filling_percent", "… LA grows by, %", ".0f"),
    _Row("ra_filling_percent", "… RA grows by, %", ".0f"),
)


def write_table(path: pathlib.Path, columns: dict[str, Result], told: Sequence[str]) -> None:
    """Write a Markdown table with a column for the phantoms and for each model.

    Distances between two halves of the phantoms stand in the phantoms' column.
    """
    floors = {
        name: value
        for column in columns.values()
        for name, value in column.items()
        if name.endswith("_floor") and value is not None
    }
    lines = [*told, "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in _ROWS:
        values = [column.get(row.field) for column in columns.values()]
        if all(value is None for value in values):
            continue
        cells = ["" if value is None else format(value, row.form) for value in values]
        if PHANTOMS in columns and (floor := floors.get(f"{row.field}_floor")) is not None:
            cells[list(columns).index(PHANTOMS)] = format(floor, row.form)
        lines.append(f"| {row.title} | {' | '.join(cells)} |")
    with atomic_write(path) as part:
        part.write_text("\n".join([*lines, "", f"*{PAGE_FOOTER}*"]).strip() + "\n")
