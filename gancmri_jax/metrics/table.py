"""The table of metrics: for each name its kind, function, backbone and interval.

All that differs between metrics stands here: how names are read, what is measured, help, and the
list in `docs/metrics.md` follow from it. `gancmri evaluate --help` reads it too, so that functions
whose files import JAX or SciPy's statistics import them when they are called.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from gancmri_jax.metrics.estimate import Estimate, share
from gancmri_jax.metrics.frechet import frechet_distance_of
from gancmri_jax.metrics.kernel_distance import kernel_distance
from gancmri_jax.metrics.movement import movement
from gancmri_jax.metrics.neighbours import within_manifold
from gancmri_jax.metrics.protocol import Protocol
from gancmri_jax.metrics.similarity import psnr, ssim

Kind = Literal["frames", "clips", "pairs", "videos", "models", "tables"]
RealFeatures = Float[np.ndarray, "n d"]
FakeFeatures = Float[np.ndarray, "m d"]
Video = UInt8[np.ndarray, "t h w"]

BOOTSTRAP = "bootstrap"
SUBSAMPLES = "normal, by 100 subsamples"
BINOMIAL = "normal, binomial"
STANDARD_ERROR = "normal, standard error"
FISHER = "Fisher"


@dataclasses.dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        kind: What is measured. It decides how the name goes on and what the function takes:
            frames: `fid50k`, `fid50k_full`; the features of real frames, those of fake frames and
                the protocol; a number, or an `Estimate`.
            clips: `fvd16_consecutive`; the same of clips.
            pairs: `ssim`; a real video and its fake one; a number for each frame.
            videos: `closure`; a video; a number.
            models: `ppl_wend`; a model, how many samples, a seed, and what to call with the number
                of samples done; a number for each sample.
            tables: `pearson`; two columns of numbers; a `Correlation`.
        function: Measures.
        what: Noun phrase that says what the number is.
        interval: How the 95 % interval comes about. Under `BOOTSTRAP` the function returns a
            number and is called again for resamples; otherwise the error is its own.
        backbone: Whose features are compared, a key of `BACKBONES`; empty for none.
        least: The fewest samples that the function takes: frames or clips of each set, frames of a
            video, subjects that both tables have.
        covariances: Covariances are compared: the card says their degrees of freedom, and warns
            where there are fewer samples than features.
        details: What else the card says of the number.
    """

    kind: Kind
    function: Callable[..., Any]
    what: str
    interval: str
    backbone: str = ""
    least: int = 1
    covariances: bool = False
    details: str = ""


def _frechet(real: RealFeatures, fake: FakeFeatures, protocol: Protocol) -> float:
    return frechet_distance_of(real, fake, protocol.ddof)


def _kernel(real: RealFeatures, fake: FakeFeatures, protocol: Protocol) -> Estimate:
    return Estimate(*kernel_distance(real, fake, protocol.seed))


def _precision(real: RealFeatures, fake: FakeFeatures, protocol: Protocol) -> Estimate:
    return share(within_manifold(fake, real))


def _recall(real: RealFeatures, fake: FakeFeatures, protocol: Protocol) -> Estimate:
    return share(within_manifold(real, fake))


def _lpips(real: Video, fake: Video) -> Any:
    from gancmri_jax.metrics.lpips import lpips

    return lpips(real, fake)


def _path_length(along: bool) -> Callable[..., Any]:
    def measure(model: Any, samples: int, seed: int, on_done: Callable[[int], object]) -> Any:
        from gancmri_jax.metrics.path_length import path_length, without_extremes

        return without_extremes(path_length(model, samples, along, seed, on_done))

    return measure


def _pearson(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> Any:
    from gancmri_jax.metrics.correlation import pearson

    return pearson(x, y)


_OUTER = "mean of pairs, without the outer 1 %"

METRICS: dict[str, Metric] = {
    "fid": Metric(
        "frames",
        _frechet,
        "Fréchet distance (Heusel et al. 2017)",
        BOOTSTRAP,
        backbone="inception",
        least=4,
        covariances=True,
    ),
    "kid": Metric(
        "frames",
        _kernel,
        "kernel distance, unbiased (Bińkowski et al. 2018)",
        SUBSAMPLES,
        backbone="inception",
        least=8,
    ),
    "precision": Metric(
        "frames",
        _precision,
        "share of fake frames within the real ones' manifold (Kynkäänniemi et al. 2019)",
        BINOMIAL,
        backbone="inception",
        least=8,
    ),
    "recall": Metric(
        "frames",
        _recall,
        "share of real frames within the fake ones' manifold",
        BINOMIAL,
        backbone="inception",
        least=8,
    ),
    "cfid": Metric(
        "frames",
        _frechet,
        "Fréchet distance of GANcMRI, section 3.2",
        BOOTSTRAP,
        backbone="cardiac_fcn",
        least=4,
        covariances=True,
    ),
    "fcn_fd": Metric(
        "frames",
        _frechet,
        "the same distance through any other segmenter, so never called cFID",
        BOOTSTRAP,
        backbone="segmenter",
        least=4,
        covariances=True,
    ),
    "fvd": Metric(
        "clips",
        _frechet,
        "Fréchet video distance, a clip of each video",
        BOOTSTRAP,
        backbone="i3d",
        least=4,
        covariances=True,
    ),
    "ssim": Metric("pairs", ssim, "structural similarity, video by video", STANDARD_ERROR),
    "psnr": Metric("pairs", psnr, "peak signal-to-noise ratio in dB", STANDARD_ERROR),
    "lpips": Metric("pairs", _lpips, "LPIPS v0.1 on VGG16", STANDARD_ERROR),
    "roughness": Metric(
        "videos",
        lambda video: movement(video).roughness,
        "unevenness of motion: second over first differences of frames",
        STANDARD_ERROR,
        least=3,
    ),
    "closure": Metric(
        "videos",
        lambda video: movement(video).closure,
        "step from the last frame to the first, over the mean step",
        STANDARD_ERROR,
        least=3,
    ),
    "excursion": Metric(
        "videos",
        lambda video: movement(video).excursion,
        "largest difference from the first frame, in grey levels",
        STANDARD_ERROR,
        least=3,
    ),
    "ppl_wend": Metric(
        "models",
        _path_length(along=False),
        "perceptual path length of a model, at the ends of paths in W",
        STANDARD_ERROR,
        details=_OUTER,
    ),
    "ppl_wfull": Metric(
        "models",
        _path_length(along=True),
        "perceptual path length of a model, anywhere on paths in W",
        STANDARD_ERROR,
        details=_OUTER,
    ),
    "pearson": Metric(
        "tables",
        _pearson,
        "correlation of each column of two phenotypes.csv, subject by subject",
        FISHER,
        least=4,
    ),
}
