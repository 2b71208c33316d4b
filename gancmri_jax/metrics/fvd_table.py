"""The Fréchet video distance between each two of several sets (GANcMRI, Table 1)."""

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import i3d_logits
from gancmri_jax.metrics.features import Progress, Protocol, clip_features
from gancmri_jax.metrics.frechet import Moments, frechet_distance
from gancmri_jax.metrics.names import Metric
from gancmri_jax.metrics.sources import Source


def fvd_table(
    sets: dict[str, Source],
    metric: Metric,
    protocol: Protocol,
    on_start: Progress = lambda what, total: lambda done: None,
) -> tuple[dict[tuple[str, str], float], int]:
    """Return the FVD of every pair of sets, and the clips behind each (GANcMRI, Table 1).

    Every distance is between as many clips: a set's distance to itself is that of its two halves,
    and other pairs take a half's number too.
    """
    counts = [metric.count] + [s.num_videos for s in sets.values() if s.num_videos is not None]
    half = min(counts) // 2
    if half < 2:
        raise InputError("the table needs four videos of each set at least")
    backbone = i3d_logits()
    taken = {
        name: clip_features(source, metric, 2 * half, backbone, protocol, on_start)
        for name, source in sets.items()
    }
    halves = {name: (Moments.of(f[::2]), Moments.of(f[1::2])) for name, f in taken.items()}
    table = {}
    for row, name in enumerate(sets):
        for other in list(sets)[row:]:
            pair = halves[name][0], halves[other][1]
            table[name, other] = frechet_distance(*pair, protocol.ddof)
    return table, half
