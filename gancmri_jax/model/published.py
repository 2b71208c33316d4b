"""The trajectories that GANcMRI's authors published, as arrays in a folder.

`01.npy`, `12.npy` … `4849.npy` are the steps from each frame to the next, cleaned by principal
components; `time.npy` is k_ED→ES, `lv_area.npy` and `sphericity_index.npy` are directions. Each is
[1 num_ws w_dim].
"""

import hashlib
import pathlib
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.steps import RetainedMotion, retained_motion

STEPS = tuple(f"{frame}{frame + 1}" for frame in range(49))  # 01, 12, … 4849
ED_TO_ES = "time"
DIRECTIONS = ("lv_area", "sphericity_index")
_CLOSED = 1e-3  # of the longest step, how far the sum of all may be from zero
_TOLERANCE = 1e-4  # of the largest singular value: what lies below counts for no rank


class Published(NamedTuple):
    """What a folder holds, and what is seen of it.

    Attributes:
        steps, ed_to_es, directions: As a model file keeps them.
        rank: Of the steps; cleaning leaves as many as it takes away too few.
        gap: ‖sum of the steps‖, which closing the cycle makes zero.
        kept: How far the steps go along k_ED→ES.
        sha256: Of names and values.
    """

    steps: Float[Array, "49 num_ws w_dim"]
    ed_to_es: Float[Array, "num_ws w_dim"]
    directions: dict[str, Float[Array, "num_ws w_dim"]]
    rank: int
    gap: float
    kept: RetainedMotion
    sha256: str


def read_published(folder: pathlib.Path, num_ws: int, w_dim: int) -> Published:
    """Read a folder of published trajectories for a model of these sizes.

    Raises:
        InputError: A step is missing, there is one too many, an array is not [1 num_ws w_dim], or
            the steps do not close the cycle.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one with 01.npy, 12.npy … 4849.npy")
    wanted = (*STEPS, ED_TO_ES, *DIRECTIONS)
    found = {path.stem for path in folder.glob("*.npy")}
    if missing := [name for name in wanted if name not in found]:
        raise InputError(
            f"{folder}: {missing[0]}.npy is missing ({len(missing)} in all); the steps are 01.npy, "
            "12.npy … 4849.npy"
        )
    if unknown := sorted(found - set(wanted)):
        raise InputError(f"{folder}: {unknown[0]}.npy is none of the 49 steps; take it out")
    arrays = {name: _read(folder / f"{name}.npy", num_ws, w_dim) for name in wanted}

    steps = np.stack([arrays[name] for name in STEPS])
    vectors = steps.reshape(len(steps), -1).astype(np.float64)
    values = np.linalg.svd(vectors, compute_uv=False)
    gap = float(np.linalg.norm(vectors.sum(axis=0)))
    if gap > _CLOSED * np.linalg.norm(vectors, axis=1).max():
        raise InputError(f"{folder}: the 49 steps do not close the cycle: their sum is {gap:.2g}")
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    ed_to_es = jnp.asarray(arrays[ED_TO_ES])
    return Published(
        steps=jnp.asarray(steps),
        ed_to_es=ed_to_es,
        directions={name: jnp.asarray(arrays[name]) for name in DIRECTIONS},
        rank=int((values > _TOLERANCE * values[0]).sum()),
        gap=gap,
        kept=retained_motion(jnp.asarray(steps), ed_to_es),
        sha256=digest.hexdigest(),
    )


def _read(path: pathlib.Path, num_ws: int, w_dim: int) -> Float[np.ndarray, "num_ws w_dim"]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape == (1, num_ws, w_dim) and array.dtype.kind == "f":
            array = np.array(array[0], np.float32)
            if np.isfinite(array).all():
                return array
            raise InputError(f"{path}: holds values that are not finite")
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as an array of numbers: {error}") from error
    raise InputError(
        f"{path}: is {array.dtype} {array.shape}, and this model needs float (1, {num_ws}, {w_dim})"
    )
