"""The latest state of a training run, from its folder."""

import json
import pathlib

from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.training.state import TrainState, init_state


def load_run(run: pathlib.Path) -> tuple[ConfigDict, TrainState]:
    """Return a run's configuration and its latest checkpoint.

    Raises:
        InputError: The folder holds no run, or no checkpoint that can be read.
    """
    configured = run / "config.json"
    try:
        kept = json.loads(configured.read_text())
        kept.pop("records", None)  # the fingerprint of its training records
        config = ConfigDict(kept)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{configured}: cannot be read ({error}); give the folder of a training run"
        ) from error
    state = init_state(config)
    with Checkpoints(run / "checkpoints") as checkpoints:
        loaded = checkpoints.load_latest(state)
    if loaded is None:
        raise InputError(f"{run}: has no checkpoint yet")
    return config, loaded[0]
