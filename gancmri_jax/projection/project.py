"""Projection of single images and of whole beats: the clips, and where their searches begin."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from gancmri_jax.errors import InputError
from gancmri_jax.latents.closed_path import wave_basis, waves_of
from gancmri_jax.latents.truncation import broadcast_w
from gancmri_jax.model.model import Model
from gancmri_jax.networks.generator import Noise, draw_noise
from gancmri_jax.projection.distance import image_features
from gancmri_jax.projection.projector import Clip, Found, Problem, Variables, search
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import WStatistics, start_w


class Projection(NamedTuple):
    """The projections of n images.

    Attributes:
        ws: Latent codes [n num_ws w_dim]; all rows alike where W is searched.
        noise: Noise maps [n h w] each; with them, `ws` renders what the optimiser saw.
        distances: Distance of that rendering to the target [n].
        steps: Steps taken [n].
        curve: Distance at every look (`Settings.chunk`); NaN after the image stopped.
    """

    ws: Float[Array, "n num_ws w_dim"]
    noise: Noise
    distances: Float[Array, "n"]
    steps: Int[np.ndarray, "n"]
    curve: Float[np.ndarray, "n look"]


def project(
    model: Model,
    targets: Float[Array, "..."],
    keys: Key[Array, "n"],
    settings: Settings,
    statistics: WStatistics,
    on_steps: Callable[[int], object] = lambda _: None,
    neighbours: Projection | None = None,
) -> Projection:
    """Find the w of each target.

    Args:
        model: The generator.
        targets: Images in [−1, 1] [n h w c].
        keys: One key an image [n].
        settings: How to search.
        statistics: Of the model's w: `w_statistics(model)`.
        on_steps: Called with the number of steps done since its last call.
        neighbours: Begin at these codes and noise maps, whatever `settings.start` says.

    Raises:
        InputError: The model lacks what the distance or the start needs, or the targets are not
            images as the model makes them.
    """
    targets = _checked(model, targets)
    rows = _rows(model, settings)
    if neighbours is None:
        identity = broadcast_w(start_w(model, targets, settings, statistics), rows)
        noise = _draw(keys, model.resolution)
    else:
        identity = jnp.asarray(neighbours.ws)[:, :rows]
        noise = jax.tree.map(jnp.array, neighbours.noise)  # copies, for their buffers are taken
    clips, variables = single_frames(targets, keys, jnp.array(identity), noise)
    found = search(problem_of(model, settings, statistics), clips, variables, on_steps)
    ws, noise, distances = jax.tree.map(jnp.asarray, found[:3])
    return Projection(ws[:, 0], noise, distances[:, 0], found.steps, found.curve)


def project_beats(
    model: Model,
    targets: Float[Array, "v t h w c"],
    num_frames: Int[np.ndarray, "v"],
    keys: Key[Array, "v"],
    settings: Settings,
    statistics: WStatistics,
    on_steps: Callable[[int], object] = lambda _: None,
    num_harmonics: int = 8,
    at_once: int | None = None,
) -> Found:
    """Find for each beat one identity, a smooth closed path about it, and one set of noise maps.

    The path is a Fourier series (`latents.closed_path`); distances, stops and curves are of the
    mean over a beat's frames.

    Args:
        model: The generator.
        targets: Videos in [−1, 1], padded to the longest; each is one whole beat.
        num_frames: Frames of each.
        keys: One key a video.
        settings: How to search.
        statistics: Of the model's w.
        on_steps: Called with the number of steps done since its last call.
        num_harmonics: Order of the Fourier series.
        at_once: Frames of each video that are rendered together; all, if not given.

    Raises:
        InputError: As `project` does.
    """
    num_videos, longest = targets.shape[:2]
    flat = _checked(model, targets.reshape(-1, *targets.shape[2:]))
    basis = np.zeros((num_videos, longest, 2 * num_harmonics))
    weights = np.zeros((num_videos, longest))
    for video, frames in enumerate(num_frames.tolist()):
        basis[video, :frames] = wave_basis(frames, num_harmonics)
        weights[video, :frames] = 1 / frames
    if settings.start == "encoder":
        w = start_w(model, flat, settings, statistics).reshape(num_videos, longest, 1, -1)
        by_frame = jnp.asarray(weights, w.dtype)
        mean = jnp.einsum("vt,vtrd->vrd", by_frame, w, precision="highest")
        waves = jax.vmap(waves_of)(w, jnp.asarray(basis, w.dtype))
    else:
        mean = jnp.repeat(statistics.mean[None, None], num_videos, axis=0)
        waves = jnp.zeros((num_videos, 2 * num_harmonics, *mean.shape[1:]), mean.dtype)
    rows = _rows(model, settings)
    variables = Variables(
        jnp.repeat(mean, rows, axis=1),
        jnp.repeat(waves, rows, axis=2),
        _draw(keys, model.resolution),
    )
    grouped = functools.partial(_in_groups, at_once=at_once or longest)
    clips = Clip(
        grouped(jnp.asarray(targets)),
        grouped(jnp.asarray(basis, mean.dtype)),
        grouped(jnp.asarray(weights, mean.dtype)),
        keys,
    )
    found = search(problem_of(model, settings, statistics), clips, variables, on_steps)
    return found._replace(ws=found.ws[:, :longest], distances=found.distances[:, :longest])


def problem_of(model: Model, settings: Settings, statistics: WStatistics) -> Problem:
    """Return what all searches with a model share.

    Raises:
        InputError: The model lacks what the distance needs.
    """
    features = image_features(settings.distance, model)
    return Problem(model.generator, settings, model.params, features, statistics.deviation)


def single_frames(
    targets: Float[Array, "n h w c"],
    keys: Key[Array, "n"],
    identity: Float[Array, "n rows w_dim"],
    noise: Noise,
) -> tuple[Clip, Variables]:
    """Return a clip for each image, and where its search begins; it has no waves."""
    alone = (len(targets), 1, 1)
    clips = Clip(
        targets[:, None, None],
        basis=jnp.zeros((*alone, 0), targets.dtype),
        weights=jnp.ones(alone, targets.dtype),
        key=keys,
    )
    waves = jnp.zeros((len(identity), 0, *identity.shape[1:]), identity.dtype)
    return clips, Variables(identity, waves, noise)


def _checked(model: Model, targets: Float[Array, "..."]) -> Float[Array, "n h w c"]:
    expected = (model.resolution, model.resolution, model.generator.img_channels)
    if targets.ndim != 4 or not len(targets) or targets.shape[1:] != expected:
        raise InputError(
            f"targets of shape {targets.shape} cannot be projected: the model makes images of "
            f"{' × '.join(map(str, expected))}; resize them, or take another model"
        )
    if broken := np.flatnonzero(~np.isfinite(np.asarray(targets)).all(axis=(1, 2, 3))).tolist():
        raise InputError(f"targets {broken} hold values that are no numbers; leave them out")
    return jnp.asarray(targets)


def _rows(model: Model, settings: Settings) -> int:
    return {"w": 1, "w+": model.num_ws}[settings.space]


@functools.partial(jax.jit, static_argnums=1)
def _draw(keys: Key[Array, "n"], resolution: int) -> Noise:
    noise = jax.vmap(lambda key: draw_noise(jax.random.fold_in(key, 0), resolution))(keys)
    return tuple(level[:, 0] for level in noise)


def _in_groups(x: Float[Array, "v t *rest"], at_once: int) -> Float[Array, "v group at_once *rest"]:
    missing = -x.shape[1] % at_once
    x = jnp.pad(x, [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2))
    return x.reshape(x.shape[0], -1, at_once, *x.shape[2:])
