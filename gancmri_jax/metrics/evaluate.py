"""Metrics of two sets by name, each with its protocol card."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import (
    Backbone,
    fcn_conv4,
    i3d_logits,
    inception_pool3,
    published_fcn,
)
from gancmri_jax.metrics.card import Card
from gancmri_jax.metrics.features import (
    Features,
    Progress,
    Protocol,
    clip_features,
    features_of,
)
from gancmri_jax.metrics.frechet import frechet_distance_of
from gancmri_jax.metrics.kernel_distance import kernel_distance
from gancmri_jax.metrics.movement import movement
from gancmri_jax.metrics.names import DEFAULT_CLIPS, Metric, least, short
from gancmri_jax.metrics.neighbours import precision_and_recall
from gancmri_jax.metrics.path_length import path_length
from gancmri_jax.metrics.similarity import WINDOW, lpips, psnr, ssim
from gancmri_jax.metrics.sources import Generated, Source

_QUANTILE = 1.96  # of the normal distribution, for 95 %
_PAIRED: dict[str, Callable] = {"ssim": ssim, "psnr": psnr, "lpips": lpips}


class Evaluation:
    """Two sets and a protocol; features are taken once for all metrics that need them."""

    def __init__(
        self,
        real: Source,
        fake: Source,
        protocol: Protocol,
        on_start: Progress = lambda what, total: lambda done: None,
    ) -> None:
        """Put two sets beside each other.

        Args:
            real, fake: What is compared.
            protocol: How.
            on_start: Told of each long piece of work and how many items it has; what it returns is
                told how many are done.

        Raises:
            InputError: Their frames are of different sizes.
        """
        if real.size != fake.size:
            raise InputError(
                f"{real.name} has frames of {real.size}, {fake.name} of {fake.size}; prepare both "
                "at one size"
            )
        self._real, self._fake, self._protocol, self._on_start = real, fake, protocol, on_start
        self._backbones: dict[str, Backbone] = {}
        self._features: dict[tuple[str, ...], Features] = {}

    def measure(self, metric: Metric) -> Card:
        """Return a metric's card.

        Raises:
            InputError: A set has too few samples, or what the metric needs cannot be had.
        """
        return {
            "distribution": self._of_frames,
            "clips": self._of_clips,
            "pairs": self._of_pairs,
            "videos": self._of_videos,
            "model": self._of_model,
        }[metric.kind](metric)

    def _of_frames(self, metric: Metric) -> Card:
        n_fake = _enough(self._fake, metric, metric.count)
        available = self._real.num_frames
        if metric.full and available is None:
            raise InputError(f"{metric.name}: {self._real.name} is a model, and has no full set")
        n_real = available if metric.full and available else _enough(self._real, metric, n_fake)
        if n_real < least(metric.base):
            raise InputError(f"{metric.name}: {self._real.name} has {n_real} frames, too few")
        backbone = self._backbone(metric.base)
        seed = self._protocol.seed
        real = self._taken(
            backbone, self._real, f"{n_real} frames {seed}", n_real, self._real.frames(n_real, seed)
        )
        fake = self._taken(
            backbone, self._fake, f"{n_fake} frames {seed}", n_fake, self._fake.frames(n_fake, seed)
        )
        return self._distance(metric, backbone, real, fake)

    def _of_clips(self, metric: Metric) -> Card:
        counts = [s.num_videos for s in (self._real, self._fake) if s.num_videos is not None]
        count = min([metric.count, *counts])
        if count < least(metric.base):
            raise InputError(
                f"{metric.name} takes {least(metric.base)} videos of each set at least, there are "
                f"{count}"
            )
        backbone = self._backbone(metric.base)
        taken = [
            clip_features(source, metric, count, backbone, self._protocol, self._on_start)
            for source in (self._real, self._fake)
        ]
        return self._distance(metric, backbone, *taken)

    def _distance(self, metric: Metric, backbone: Backbone, real: Features, fake: Features) -> Card:
        warnings = []
        frechet = metric.base not in ("kid", "precision", "recall")
        if frechet and min(len(real), len(fake)) < real.shape[1]:
            warnings.append(
                f"{min(len(real), len(fake))} samples are fewer than the {real.shape[1]} features: "
                "the distance is far from its limit, and only like numbers of samples compare"
            )
        rng = np.random.default_rng(self._protocol.seed)
        value, interval, how = self._value(metric, real, fake, rng)
        halves = np.array_split(real[rng.permutation(len(real))], 2)
        half = len(halves[1])
        floor, _, _ = self._value(metric, halves[0][:half], halves[1], rng, interval=False)
        return self._card(
            metric,
            value,
            len(real),
            len(fake),
            interval=interval,
            interval_by=how,
            frames=f"{metric.clip_frames} {metric.clip_how}" if metric.clip_how else "",
            backbone=backbone.name,
            backbone_sha256=backbone.digest,
            preprocessing=backbone.preprocessing,
            ddof=self._protocol.ddof if frechet else None,
            floor=(floor, half),
            warnings=tuple(warnings),
        )

    def _value(
        self,
        metric: Metric,
        real: Features,
        fake: Features,
        rng: np.random.Generator,
        interval: bool = True,
    ) -> tuple[float, tuple[float, float] | None, str]:
        """Return the value, its interval and how that was found."""
        if metric.base == "kid":
            value, error = kernel_distance(real, fake, self._protocol.seed)
            return value, _around(value, error), "normal, by 100 subsamples"
        if metric.base in ("precision", "recall"):
            both = precision_and_recall(real, fake)
            value = both[metric.base == "recall"]
            error = (value * (1 - value) / len(fake if metric.base == "precision" else real)) ** 0.5
            return value, _around(value, error), "normal, binomial"
        ddof, resamples = self._protocol.ddof, self._protocol.bootstrap if interval else 0
        value = frechet_distance_of(real, fake, ddof)
        if not resamples:
            return value, None, ""
        # Resampling repeats samples, which moves the distance up: only its spread is used.
        told = self._on_start(f"{metric.name} bootstrap", resamples)
        values = []
        for _ in range(resamples):
            a, b = (s[rng.integers(len(s), size=len(s))] for s in (real, fake))
            values.append(frechet_distance_of(a, b, ddof))
            told(1)
        how = f"normal, spread of {resamples} bootstrap resamples"
        return value, _around(value, float(np.std(values, ddof=1))), how

    def _of_pairs(self, metric: Metric) -> Card:
        numbers = self._real.num_videos, self._fake.num_videos
        if None in numbers or numbers[0] != numbers[1]:
            raise InputError(
                f"{metric.name} compares video by video, and {self._real.name} has "
                f"{numbers[0]} videos, {self._fake.name} {numbers[1] or 'no given number'}"
            )
        count = numbers[0] or 0
        if metric.base == "ssim" and min(self._real.size) < WINDOW:
            raise InputError(
                f"ssim takes frames of {WINDOW}² at least, these are {self._real.size}"
            )
        told, values = self._on_start(metric.name, count), []
        pairs = zip(self._real.videos(count), self._fake.videos(count), strict=True)
        for index, (real, fake) in enumerate(pairs):
            if real.shape != fake.shape:
                raise InputError(
                    f"{metric.name}: video {index} is {real.shape} in {self._real.name} and "
                    f"{fake.shape} in {self._fake.name}"
                )
            values.append(float(_PAIRED[metric.base](real, fake).mean()))
            told(1)
        return self._mean(metric, values, count, "", "of videos")

    def _of_videos(self, metric: Metric) -> Card:
        found = []
        for source, other in ((self._fake, self._real), (self._real, self._fake)):
            count = source.num_videos or other.num_videos or DEFAULT_CLIPS
            told, values = self._on_start(f"{metric.name} of {source.name}", count), []
            for video in source.videos(count):
                if len(video) < 3:
                    raise InputError(f"{source.name}: a video has {len(video)} frames, needs three")
                values.append(getattr(movement(video), metric.base))
                told(1)
            found.append(values)
        fake, real = found
        like = f"; {np.mean(real):.4g} in the {len(real)} real ones"
        return self._mean(metric, fake, 0, like, "of videos")

    def _of_model(self, metric: Metric) -> Card:
        if not isinstance(self._fake, Generated):
            raise InputError(f"{metric.name} is of a model, and {self._fake.name} is none")
        samples = 2000
        told = self._on_start(metric.name, samples)
        values = path_length(
            self._fake.model, samples, metric.base == "ppl_wfull", self._protocol.seed, told
        )
        low, high = np.percentile(values, [1, 99])
        kept = values[(values >= low) & (values <= high)]
        return self._mean(metric, kept.tolist(), 0, "", "of pairs, without the outer 1 %")

    def _mean(
        self, metric: Metric, values: Sequence[float], n_real: int, like: str, what: str
    ) -> Card:
        mean = float(np.mean(values))
        error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
        return self._card(
            metric,
            mean,
            n_real,
            len(values),
            interval=_around(mean, error) if len(values) > 1 and np.isfinite(mean) else None,
            interval_by="normal, standard error",
            details=f"mean {what}{like}",
        )

    def _card(self, metric: Metric, value: float, n_real: int, n_fake: int, **rest) -> Card:
        return Card(
            metric=metric.name,
            value=value,
            n_real=n_real,
            n_fake=n_fake,
            size=self._real.size,
            real=self._real.name,
            real_digest=self._real.digest,
            fake=self._fake.name,
            fake_digest=self._fake.digest,
            seed=self._protocol.seed,
            **rest,
        )

    def _backbone(self, base: str) -> Backbone:
        if base not in self._backbones:
            if base == "fvd":
                made = i3d_logits()
            elif base == "cfid":
                made = fcn_conv4(published_fcn(), "FCN_la_4ch_seg4")
            elif base == "fcn_fd":
                if self._protocol.segmenter is None:
                    raise InputError("fcn_fd needs a model with a segmenter; give --segmenter")
                segmenter, owner = self._protocol.segmenter
                made = fcn_conv4(segmenter, f"segmenter of {owner}")
            else:
                made = inception_pool3()
            self._backbones[base] = made
        return self._backbones[base]

    def _taken(
        self, backbone: Backbone, source: Source, how: str, count: int, items: Iterator[np.ndarray]
    ) -> Features:
        key = (backbone.name, source.digest, how)
        if key not in self._features:
            keep = self._protocol.keep_features and source is self._real
            self._features[key] = features_of(
                backbone, source, how, count, items, keep, self._on_start
            )
        return self._features[key]


def _around(value: float, error: float) -> tuple[float, float]:
    return value - _QUANTILE * error, value + _QUANTILE * error


def _enough(source: Source, metric: Metric, count: int) -> int:
    if source.num_frames is not None and source.num_frames < count:
        raise InputError(
            f"{source.name} has {source.num_frames} frames and {metric.name} takes {count}; ask "
            f"for {metric.base}{source.num_frames}, or, if it is the real set, for "
            f"{metric.base}{short(count)}_full"
        )
    return count
