"""Metrics of two sets by name, each with its protocol card.

Samples are taken by the metric's kind, their features through its backbone, its function measures
them, and the card says how: which of each stands in the metric's row of `METRICS`.
"""

from collections.abc import Iterator

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import BACKBONES, Backbone
from gancmri_jax.metrics.card import Card
from gancmri_jax.metrics.estimate import Estimate, bootstrap_error, mean
from gancmri_jax.metrics.features import Features, clip_features, features_of
from gancmri_jax.metrics.names import MetricName
from gancmri_jax.metrics.protocol import OnStart, Protocol
from gancmri_jax.metrics.samples import clip_count, frame_counts, video_pairs, whole_videos
from gancmri_jax.metrics.sets import GeneratedSet, ImageSet
from gancmri_jax.metrics.table import BOOTSTRAP, FakeFeatures, RealFeatures


class Evaluation:
    """Two sets and a protocol; features are taken once for all metrics that need them."""

    def __init__(
        self,
        real: ImageSet,
        fake: ImageSet,
        protocol: Protocol,
        on_start: OnStart = lambda what, total: lambda done: None,
    ) -> None:
        """Put two sets beside each other.

        Args:
            real, fake: What is compared.
            protocol: How.
            on_start: Called as each long piece of work begins.

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

    def measure(self, asked: MetricName) -> Card:
        """Return a metric's card.

        Raises:
            InputError: A set has too few samples, or what the metric needs cannot be had.
        """
        by_kind = {
            "frames": self._of_frames,
            "clips": self._of_clips,
            "pairs": self._of_pairs,
            "videos": self._of_videos,
            "models": self._of_model,
        }
        if asked.metric.kind not in by_kind:
            raise InputError(f"{asked.name} compares {asked.metric.kind}, not frames or videos")
        return by_kind[asked.metric.kind](asked)

    def _of_frames(self, asked: MetricName) -> Card:
        counts = frame_counts(asked, self._real, self._fake)
        backbone, seed = self._backbone(asked), self._protocol.seed
        real, fake = (
            self._once(
                backbone, images, f"{count} frames {seed}", count, images.frames(count, seed)
            )
            for images, count in zip((self._real, self._fake), counts, strict=True)
        )
        return self._distance(asked, backbone, real, fake)

    def _of_clips(self, asked: MetricName) -> Card:
        count = clip_count(asked, self._real, self._fake)
        backbone = self._backbone(asked)
        real, fake = (
            clip_features(images, asked, count, backbone, self._protocol, self._on_start)
            for images in (self._real, self._fake)
        )
        return self._distance(asked, backbone, real, fake)

    def _distance(
        self, asked: MetricName, backbone: Backbone, real: RealFeatures, fake: FakeFeatures
    ) -> Card:
        metric, rng = asked.metric, np.random.default_rng(self._protocol.seed)
        estimate, by = self._estimate(asked, real, fake, rng)
        halves = np.array_split(real[rng.permutation(len(real))], 2)
        half = len(halves[1])
        floor = _estimate(metric.function(halves[0][:half], halves[1], self._protocol))
        warnings = []
        if metric.covariances and min(len(real), len(fake)) < real.shape[1]:
            warnings.append(
                f"{min(len(real), len(fake))} samples are fewer than the {real.shape[1]} features: "
                "the distance is far from its limit, and only like numbers of samples compare"
            )
        return self._card(
            asked,
            estimate,
            len(real),
            len(fake),
            interval_by=by,
            frames=f"{asked.clip_frames} {asked.clip_how}" if asked.clip_how else "",
            details=metric.details,
            backbone=backbone.name,
            backbone_sha256=backbone.digest,
            preprocessing=backbone.preprocessing,
            ddof=self._protocol.ddof if metric.covariances else None,
            floor=(floor.value, half),
            warnings=tuple(warnings),
        )

    def _estimate(
        self, asked: MetricName, real: RealFeatures, fake: FakeFeatures, rng: np.random.Generator
    ) -> tuple[Estimate, str]:
        """Return the value with its error, and how the interval comes about."""
        metric = asked.metric

        def measure(a: RealFeatures, b: FakeFeatures) -> Estimate:
            return _estimate(metric.function(a, b, self._protocol))

        estimate = measure(real, fake)
        if metric.interval != BOOTSTRAP:
            return estimate, metric.interval
        resamples = self._protocol.bootstrap
        if not resamples:
            return estimate, ""
        done = self._on_start(f"{asked.name} bootstrap", resamples)
        error = bootstrap_error(lambda a, b: measure(a, b).value, real, fake, resamples, rng, done)
        how = f"normal, spread of {resamples} bootstrap resamples"
        return Estimate(estimate.value, error), how

    def _of_pairs(self, asked: MetricName) -> Card:
        done, values = self._on_start(asked.name, self._real.num_videos or 0), []
        for real, fake in video_pairs(asked, self._real, self._fake):
            values.append(float(np.mean(asked.metric.function(real, fake))))
            done(1)
        return self._mean(asked, values, len(values), "mean of videos")

    def _of_videos(self, asked: MetricName) -> Card:
        fake, real = (
            self._each_video(asked, images, images.num_videos or other.num_videos or asked.count)
            for images, other in ((self._fake, self._real), (self._real, self._fake))
        )
        like = f"{np.mean(real):.4g} in the {len(real)} real ones"
        return self._mean(asked, fake, 0, f"mean of videos; {like}")

    def _each_video(self, asked: MetricName, images: ImageSet, count: int) -> list[float]:
        done, values = self._on_start(f"{asked.name} of {images.name}", count), []
        for video in whole_videos(asked, images, count):
            values.append(float(asked.metric.function(video)))
            done(1)
        return values

    def _of_model(self, asked: MetricName) -> Card:
        if not isinstance(self._fake, GeneratedSet):
            raise InputError(f"{asked.name} measures a model, and {self._fake.name} is not one")
        done = self._on_start(asked.name, asked.count)
        model, seed = self._fake.model, self._protocol.seed
        values = asked.metric.function(model, asked.count, seed, done)
        return self._mean(asked, np.asarray(values).tolist(), 0, "")

    def _mean(self, asked: MetricName, values: list[float], n_real: int, details: str) -> Card:
        return self._card(
            asked,
            mean(values),
            n_real,
            len(values),
            interval_by=asked.metric.interval,
            details="; ".join(filter(None, (details, asked.metric.details))),
        )

    def _card(
        self, asked: MetricName, estimate: Estimate, n_real: int, n_fake: int, **rest
    ) -> Card:
        return Card(
            metric=asked.name,
            value=estimate.value,
            interval=estimate.interval,
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

    def _backbone(self, asked: MetricName) -> Backbone:
        name = asked.metric.backbone
        if name not in self._backbones:
            self._backbones[name] = BACKBONES[name](self._protocol)
        return self._backbones[name]

    def _once(
        self,
        backbone: Backbone,
        images: ImageSet,
        how: str,
        count: int,
        items: Iterator[np.ndarray],
    ) -> Features:
        key = (backbone.name, images.digest, how)
        if key not in self._features:
            keep = self._protocol.keep_features and images is self._real
            self._features[key] = features_of(
                backbone, images, how, count, items, keep, self._on_start
            )
        return self._features[key]


def _estimate(measured: float | Estimate) -> Estimate:
    return measured if isinstance(measured, Estimate) else Estimate(float(measured))
