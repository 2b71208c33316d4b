"""The Fréchet video distance between each two of several sets (GANcMRI, Table 1)."""

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import BACKBONES
from gancmri_jax.metrics.features import clip_features
from gancmri_jax.metrics.frechet import Moments, frechet_distance
from gancmri_jax.metrics.names import MetricName
from gancmri_jax.metrics.protocol import OnStart, Protocol
from gancmri_jax.metrics.sets import ImageSet


def fvd_table(
    sets: dict[str, ImageSet],
    asked: MetricName,
    protocol: Protocol,
    on_start: OnStart = lambda what, total: lambda done: None,
) -> tuple[dict[tuple[str, str], float], int]:
    """Return the FVD of every pair of sets, and the clips behind each (GANcMRI, Table 1).

    Every distance is between as many clips: a set's distance to itself is that of its two halves,
    and other pairs take a half's number too.
    """
    counts = [asked.count] + [s.num_videos for s in sets.values() if s.num_videos is not None]
    half = min(counts) // 2
    if half < 2:
        raise InputError("the table needs four videos of each set at least")
    backbone = BACKBONES[asked.metric.backbone](protocol)
    taken = {
        name: clip_features(images, asked, 2 * half, backbone, protocol, on_start)
        for name, images in sets.items()
    }
    halves = {name: (Moments.of(f[::2]), Moments.of(f[1::2])) for name, f in taken.items()}
    table = {}
    for row, name in enumerate(sets):
        for other in list(sets)[row:]:
            pair = halves[name][0], halves[other][1]
            table[name, other] = frechet_distance(*pair, protocol.ddof)
    return table, half
