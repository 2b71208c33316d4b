"""Render a subject: a cine as a scanner would give it, its masks and its phenotypes."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int16, PRNGKeyArray, UInt8

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.anatomy import Subject
from gancmri_jax.cine.phantom.artefacts import banding, wire_voids
from gancmri_jax.cine.phantom.heart import Heart, heart
from gancmri_jax.cine.phantom.measure import measure
from gancmri_jax.cine.phantom.motion import Pose, pose
from gancmri_jax.cine.phantom.picture import label, picture
from gancmri_jax.cine.phantom.population import Population, draw, traits
from gancmri_jax.cine.phantom.scanner import BLOOD, acquire, coil, subject_mm
from gancmri_jax.cine.phantom.shapes import Field
from gancmri_jax.cine.phantom.thorax import chest_coordinates, thorax

FINE_GRID = 192  # a smaller picture is painted on a finer grid first, and so averages its pixels


class Phantom(NamedTuple):
    """A rendered subject; every array in display orientation."""

    cine: Cine  # pixels int16
    masks: UInt8[np.ndarray, "t h w"]
    phenotypes: dict[str, float]
    traits: dict[str, float | str]  # what the subject is, and how it was seen; none of the normal


def phantom(
    seed: int, index: int, size: int, frames: int, population: Population = "normal"
) -> Phantom:
    """Draw and render subject `index` of a seed's population, whatever else is rendered."""
    key = jax.random.fold_in(jax.random.key(seed), index)
    anatomy_key, noise_key = jax.random.split(key)
    subject = draw(anatomy_key, population)
    return render(noise_key, subject, size, frames, f"phantom-{index:04d}", population)


def render(
    key: PRNGKeyArray,
    subject: Subject,
    size: int,
    frames: int,
    name: str,
    population: Population = "normal",
) -> Phantom:
    """Render a subject's beat as `frames` square pictures of `size` pixels."""
    phenotypes = measure(subject, frames)
    pixels, masks = render_frames(key, subject, size, frames)
    spacing_mm = float(subject.fov_mm) / size
    cine = Cine(
        pixels=np.asarray(pixels),
        spacing_mm=(spacing_mm, spacing_mm),
        frame_ms=60_000 / phenotypes["heart_rate_bpm"] / frames,
        subject=name,
        ed_frame=0,
        es_frame=int(phenotypes["es_frame"]),
    )
    return Phantom(cine, np.asarray(masks), phenotypes, traits(subject, population))


@partial(jax.jit, static_argnames=("size", "frames", "view"))
def render_frames(
    key: PRNGKeyArray,
    subject: Subject,
    size: int,
    frames: int,
    view: Callable[[Subject, Pose, Field, Field], Heart] = heart,
) -> tuple[Int16[Array, "t h w"], UInt8[Array, "t h w"]]:
    """Render pictures and masks; one program serves every subject of a view."""
    finer = 2 if size < FINE_GRID else 1
    x, y = _grid_mm(subject, size, finer)
    edge_mm = subject.fov_mm / (size * finer)
    level: float | Array = BLOOD
    if subject.imaging is None:
        chest = thorax(subject, x, y, edge_mm)
        sensitivity = coil(subject, x, y)
    else:
        frame_x, frame_y = x, y
        x, y = subject_mm(subject.imaging, frame_x, frame_y)
        chest = thorax(subject, x, y, edge_mm)
        sensitivity = coil(subject, x, y, (frame_x, frame_y))
        sensitivity *= banding(subject, subject.imaging, x, y)
        sensitivity *= wire_voids(subject.imaging, *chest_coordinates(subject, x, y))
        level *= subject.imaging.level

    def frame(i: Array) -> tuple[Array, Array]:
        posed = pose(subject, i / frames)
        shapes = view(subject, posed, x, y)
        signal = sensitivity * picture(subject, posed, shapes, chest, x, y, edge_mm)
        image = acquire(jax.random.fold_in(key, i), subject, signal, size)
        pixels = jnp.clip(jnp.round(level * image), 0, 32767).astype(jnp.int16)
        return pixels, label(shapes)[::finer, ::finer]

    # Frame by frame: the arrays of one frame stay in the cache, those of fifty would not.
    return jax.lax.map(frame, jnp.arange(frames))


def _grid_mm(subject: Subject, size: int, finer: int) -> tuple[Field, Field]:
    """Return x and y of a grid `finer` times as dense, its first points on the pixels' centres."""
    pixel_mm = subject.fov_mm / size
    at = (jnp.arange(size * finer) / finer + 0.5 - size / 2) * pixel_mm
    x, y = jnp.meshgrid(at, at)
    return x, y
