"""A model as graphs that other programs run: StableHLO and ONNX.

Either is a folder: `mapping` (z → ws) and `synthesis` (ws → images, with the constant noise), each
for a batch of any size; `latents.safetensors` with w_avg, trajectories and directions; `card.json`.
"""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array
from safetensors.numpy import save

from gancmri_jax.atomic import atomic_write
from gancmri_jax.disclaimer import marked_card
from gancmri_jax.errors import InputError
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import to_tensors

PLATFORMS = ("cpu", "cuda", "tpu")


def export_stablehlo(model: Model, folder: pathlib.Path) -> None:
    """Write `mapping.stablehlo` and `synthesis.stablehlo`, for `jax.export.deserialize`."""
    network = model.generator

    def of(half: str) -> dict[str, Any]:  # what is not of that half would be written too
        return {"params": {half: model.params[half]}}

    def mapping(z: Array) -> Array:
        w: Any = network.apply(of("mapping"), z, method="map")
        return broadcast_w(w, network.num_ws)

    def synthesis(ws: Array) -> Any:
        return network.apply(of("synthesis"), ws, model.noise, method="synthesize")

    _write_beside(model, folder)
    _write(folder / "mapping.stablehlo", _lowered(mapping, (model.z_dim,)))
    _write(folder / "synthesis.stablehlo", _lowered(synthesis, (model.num_ws, model.w_dim)))


def export_onnx(model: Model, folder: pathlib.Path) -> None:
    """Write `mapping.onnx` and `synthesis.onnx`, which hold the card too.

    Raises:
        InputError: The package onnx is missing.
    """
    try:
        from gancmri_jax.export.onnx_graph import mapping_graph, synthesis_graph
    except ImportError as error:
        raise InputError(
            "ONNX needs the package onnx; install it by `pip install 'gancmri_jax[onnx]'`"
        ) from error
    params = jax.tree.map(np.asarray, model.params)
    noise = [np.asarray(each) for each in model.noise]
    told = {"card": json.dumps(marked_card(model.card))}
    _write_beside(model, folder)
    mapping = mapping_graph(model.generator, params, told)
    synthesis = synthesis_graph(model.generator, params, noise, told)
    _write(folder / "mapping.onnx", mapping.SerializeToString(deterministic=True))
    _write(folder / "synthesis.onnx", synthesis.SerializeToString(deterministic=True))


def _lowered(function: Callable[[Array], Array], shape: tuple[int, ...]) -> bytes:
    (batch,) = export.symbolic_shape("batch")
    entry = jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
    return bytes(export.export(jax.jit(function), platforms=PLATFORMS)(entry).serialize())


def _write_beside(model: Model, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    latents = {
        "w_avg": model.w_avg,
        **{f"trajectories/{name}": array for name, array in to_tensors(model.motion).items()},
        **{f"directions/{name}": array for name, array in model.directions.items()},
    }
    arrays = {name: np.array(array, order="C") for name, array in latents.items()}
    _write(folder / "latents.safetensors", save(arrays))
    _write(folder / "card.json", (json.dumps(marked_card(model.card), indent=2) + "\n").encode())


def _write(path: pathlib.Path, content: bytes) -> None:
    with atomic_write(path) as part:
        part.write_bytes(content)
