"""What a personal model depends on besides the cine and the model that it is made from."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a heart is searched for, and a generator tuned to it.

    Attributes:
        search_steps: Steps of the search for the heart's codes.
        steps: Steps of tuning the generator about them.
        frames: Frames of the beat that a step looks at.
        harmonics: Order of the Fourier series that the beat is in latent space.
        search_rate: Learning rate of the search.
        rate: Learning rate of the generator's tuning, which rises over the first steps.
        path_rate: Learning rate of the path while the generator is tuned; each layer has its own.
        noise_rate: Learning rate of what noise maps add outside of the heart; 0 leaves them.
        average: Time constant of the moving average that is kept, in steps.
        others: Weight of the locality term, that other hearts look as before; every second step.
        away: How far from the heart the locality term begins, in deviations of w.
        seed: Of all that is drawn by chance.
    """

    search_steps: int = 150
    steps: int = 300
    frames: int = 8
    harmonics: int = 8
    search_rate: float = 0.02
    rate: float = 3e-3
    path_rate: float = 5e-3
    noise_rate: float = 1e-2
    average: float = 20.0
    others: float = 0.5
    away: float = 0.5
    seed: int = 0
