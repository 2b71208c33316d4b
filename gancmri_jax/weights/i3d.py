"""I3D of Kinetics-400 out of a pickle of numpy arrays."""

import pathlib
from collections.abc import Sequence

import numpy as np

from gancmri_jax.weights.batch_norm import fold_batch_norm
from gancmri_jax.weights.pickles import read_arrays

_KERNEL = "/Conv_0/kernel"


def from_pickle(paths: Sequence[pathlib.Path]) -> dict[str, np.ndarray]:
    """Convert `params/<block>/<branch>/<layer>/Conv_0/kernel` and the batch normalisation there."""
    arrays = read_arrays(paths[0])
    params: dict[str, np.ndarray] = {}
    for name, kernel in arrays.items():
        if not name.endswith(_KERNEL):
            continue
        layer = name.removeprefix("params/").removesuffix(_KERNEL)
        block, _, rest = layer.partition("/")
        ours = f"{block}/{rest.replace('/', '_')}" if rest else block
        if block == "Logits":
            ours, bias = block, arrays[f"params/{layer}/Conv_0/bias"]
        else:
            kernel, bias = fold_batch_norm(
                kernel,
                arrays[f"params/{layer}/BatchNorm_0/bias"],
                *(
                    arrays[f"batch_stats/{layer}/BatchNorm_0/{of}"].ravel()
                    for of in ("mean", "var")
                ),
            )
        params |= {f"{ours}/kernel": kernel, f"{ours}/bias": bias}
    return params
