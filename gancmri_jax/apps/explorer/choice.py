"""What a pane of the explorer shows: a heart and how it moves, and the command that writes it."""

import dataclasses
import shlex

from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import MOTIONS
from gancmri_jax.model.model import Model
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import best_start

FACTORS = {"x2": 2, "x4": 4}  # of frame rate
OWN = {
    "original": "as it was loaded",
    "projected": "its own beat, as the model draws it",
    **{name: f"super-resolved, {factor} × the frame rate" for name, factor in FACTORS.items()},
}
PROJECTION_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Choice:
    """A heart and how it moves.

    Attributes:
        motion: A name among `motions`, or for a loaded cine among `OWN` as well.
        seed: Which heart, where no cine is chosen.
        truncation: Its truncation psi.
        amounts: Phenotype directions and how far to go along them.
        cine: A loaded cine, instead of a seed.
    """

    motion: str
    seed: int = 0
    truncation: float = 1.0
    amounts: tuple[tuple[str, float], ...] = ()
    cine: str = ""


def motions(model: Model) -> list[str]:
    """Return the motions that a model can follow, by the names that `--motion` takes.

    Raises:
        InputError: There are none.
    """
    names, papers = model.motion.names, model.motion.methods
    if not names:
        raise InputError("the model has learned no motion; see `gancmri fit`")
    same = {model.motion.resolve(name) for name in papers}
    return [*papers, *(name for name in names if name not in same)]


def explain(motion: str, model: Model) -> str:
    """Say what a motion is."""
    return MOTIONS[model.motion.resolve(motion)].about


def projection(model: Model) -> Settings:
    """Return how loaded cines are projected."""
    return Settings(PROJECTION_STEPS, start=best_start(model))


def command_line(choice: Choice, model_name: str, model: Model, frame_ms: float) -> str:
    """Return the shell command that writes what is shown, a cine's with FILE in its file's place.

    Raises:
        InputError: No command does.
    """
    if choice.cine:
        return _cine_command(choice, model_name, model)
    words = ["gancmri", "synthesize", "--model", model_name, "--motion", choice.motion]
    words += ["--videos", "1", "--seed", str(choice.seed), "--truncation", str(choice.truncation)]
    for name, amount in choice.amounts:
        words += ["--adjust", f"{name}={amount:+}"]
    words += ["--frame-ms", str(frame_ms)]
    if model.spacing_mm is not None:
        words += ["--spacing-mm", *map(str, model.spacing_mm), "--format", "nifti"]
    return shlex.join([*words, "--format", "mp4"])


def _cine_command(choice: Choice, model_name: str, model: Model) -> str:
    if choice.motion not in FACTORS or choice.amounts:
        raise InputError("no command of `gancmri` makes this of a cine; download it instead")
    words = ["gancmri", "superres", "--model", model_name, "--input", "FILE", "--residual"]
    words += ["--closed", "--factor", str(FACTORS[choice.motion])]
    search = projection(model)
    words += ["--steps", str(search.num_steps), "--distance", search.distance]
    words += ["--start", search.start]
    return shlex.join([*words, "--out", "faster"])
