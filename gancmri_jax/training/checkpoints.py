"""A run's latest checkpoint as a model file that training can go on from elsewhere."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from gancmri_jax.model.file import load_model
from gancmri_jax.training.models import save_to_go_on
from gancmri_jax.training.run_state import load_run


def export_run(run: pathlib.Path, path: pathlib.Path) -> None:
    """Write the model file of a run of `gancmri train`; see `save_to_go_on`.

    Raises:
        InputError: The folder holds no run, or no checkpoint that can be read.
    """
    config, state = load_run(run)
    card = load_model(run).card if (run / "model.safetensors").exists() else {}
    origin: dict[str, Any] = {key: card[key] for key in ("spacing_mm", "frame_ms") if key in card}
    save_to_go_on(jax.tree.map(jnp.asarray, state), config, origin, path)
