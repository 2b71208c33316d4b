"""How much of everything a rerun of the paper takes: as the paper, or what two cores can do."""

import dataclasses

from gancmri_jax.projection.distance import Distance


@dataclasses.dataclass(frozen=True)
class Scale:
    """Numbers of samples.

    Attributes:
        subjects: Phantom hearts, split 80-10-10.
        beats: Videos projected whole, behind the frame-to-frame steps.
        pairs: Videos whose ED and ES frames are projected, behind k_ED→ES and the directions.
        halved: Test videos whose every second frame is found again.
        projection_steps: Of each frame's projection.
        distance: What the projection lowers; `auto` is the paper's LPIPS where its weights are.
        frames: Frames of each set behind the distances of frames.
        clips: Videos of each set behind the distances of videos.
        moving: Videos of each kind whose movement is measured.
        hearts: Generated hearts that are guided.
        trials: Videos that are timed.
    """

    subjects: int
    beats: int
    pairs: int
    halved: int
    projection_steps: int
    distance: Distance
    frames: int
    clips: int
    moving: int
    hearts: int
    trials: int


# Table 2 and sections 3.3.5 and 4; the paper does not say how many clips are behind its FVD.
PAPER = Scale(
    subjects=1000,
    beats=151,
    pairs=547,
    halved=100,
    projection_steps=1000,
    distance="auto",
    frames=50_000,
    clips=1000,
    moving=100,
    hearts=32,
    trials=100,
)

QUICK = Scale(
    subjects=80,
    beats=10,
    pairs=40,
    halved=6,
    projection_steps=50,
    distance="multiscale_pixel",
    frames=160,
    clips=24,
    moving=10,
    hearts=8,
    trials=5,
)
