"""A run's latest checkpoint as a model file that training can go on from elsewhere."""

import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.model.file import load_model
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.training.models import save_to_go_on
from gancmri_jax.training.state import init_state


def export_run(run: pathlib.Path, path: pathlib.Path) -> None:
    """Write the model file of a run of `gancmri train`; see `save_to_go_on`.

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
    card = load_model(run).card if (run / "model.safetensors").exists() else {}
    origin: dict[str, Any] = {key: card[key] for key in ("spacing_mm", "frame_ms") if key in card}
    save_to_go_on(jax.tree.map(jnp.asarray, loaded[0]), config, origin, path)
