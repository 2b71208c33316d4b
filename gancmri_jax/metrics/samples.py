"""How many samples of two sets a metric takes, and whether there are enough of them."""

from collections.abc import Iterator

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.names import MetricName, short
from gancmri_jax.metrics.sets import ImageSet, Video


def frame_counts(asked: MetricName, real: ImageSet, fake: ImageSet) -> tuple[int, int]:
    """Return how many real and how many fake frames are drawn.

    Raises:
        InputError: A set has too few.
    """
    n_fake = _enough(fake, asked, asked.count)
    if not asked.full:
        return _enough(real, asked, n_fake), n_fake
    if real.num_frames is None:
        raise InputError(f"{asked.name}: {real.name} is a model, and has no full set")
    if real.num_frames < asked.metric.least:
        raise InputError(
            f"{asked.name} takes at least {asked.metric.least} frames of each set; {real.name} has "
            f"{real.num_frames}"
        )
    return real.num_frames, n_fake


def _enough(images: ImageSet, asked: MetricName, count: int) -> int:
    if images.num_frames is not None and images.num_frames < count:
        raise InputError(
            f"{images.name} has {images.num_frames} frames and {asked.name} takes {count}; ask "
            f"for {asked.base}{images.num_frames}, or, if it is the real set, for "
            f"{asked.base}{short(count)}_full"
        )
    return count


def clip_count(asked: MetricName, *sets: ImageSet) -> int:
    """Return how many videos are taken of each set, a clip of each.

    Raises:
        InputError: A set has too few.
    """
    count = min([asked.count, *(s.num_videos for s in sets if s.num_videos is not None)])
    if count < asked.metric.least:
        raise InputError(
            f"{asked.name} takes at least {asked.metric.least} videos of each set, there "
            f"are {count}"
        )
    return count


def video_pairs(asked: MetricName, real: ImageSet, fake: ImageSet) -> Iterator[tuple[Video, Video]]:
    """Yield each real video with the fake one of the same number.

    Raises:
        InputError: The sets have other numbers of videos, or the two of a pair differ in shape.
    """
    if real.num_videos is None or real.num_videos != fake.num_videos:
        raise InputError(
            f"{asked.name} compares video by video; {_videos_of(real)}, {_videos_of(fake)}"
        )
    pairs = zip(real.videos(real.num_videos), fake.videos(real.num_videos), strict=True)
    for index, (one, other) in enumerate(pairs):
        if one.shape != other.shape:
            raise InputError(
                f"{asked.name}: video {index} is {one.shape} in {real.name} and {other.shape} in "
                f"{fake.name}"
            )
        yield one, other


def _videos_of(images: ImageSet) -> str:
    number = "any number of" if images.num_videos is None else images.num_videos
    return f"{images.name} has {number} videos"


def whole_videos(asked: MetricName, images: ImageSet, count: int) -> Iterator[Video]:
    """Yield the first `count` videos.

    Raises:
        InputError: One has too few frames.
    """
    for video in images.videos(count):
        if len(video) < asked.metric.least:
            raise InputError(
                f"{images.name}: a video has {len(video)} frames, and {asked.name} takes "
                f"{asked.metric.least} or more"
            )
        yield video
