"""Cines that show no 4-chamber view, of several kinds, as many of each as are asked for."""

import os
import pathlib
import warnings
from collections.abc import Callable

import jax
import nibabel
import numpy as np
import pydicom
import scipy.ndimage

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.population import POPULATIONS, draw
from gancmri_jax.cine.phantom.render import render_frames
from tests.other_views import short_axis, two_chamber

FRAMES, SIZE = 10, 128
SLICES = ("example4d.nii.gz", "scaled+tlrc.HEAD", "anatomical.nii")  # nibabel's brains
PICTURES = ("CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm")  # pydicom's


def noise(index: int) -> Cine:
    """Noise, coarse or fine, that moves or stays."""
    random = np.random.default_rng([1, index])
    frames = random.normal(size=(FRAMES, SIZE, SIZE))
    if index % 2:
        frames = np.broadcast_to(frames[:1], frames.shape) + 0.1 * frames
    return _cine(scipy.ndimage.gaussian_filter(frames, [0, index % 7, index % 7]), "noise")


def brain(index: int) -> Cine:
    """A slice of one of nibabel's brains, turned, stretched and shifted, that hardly moves."""
    folder = pathlib.Path(os.fspath(nibabel.__path__[0])) / "tests" / "data"
    volume = np.squeeze(nibabel.load(folder / SLICES[index % len(SLICES)]).get_fdata())
    volume = volume[..., 0] if volume.ndim == 4 else volume
    random = np.random.default_rng([2, index])
    depth = volume.shape[2]
    return _moved(volume[:, :, random.integers(depth // 4, depth - depth // 4)], random, "brain")


def picture(index: int) -> Cine:
    """One of pydicom's pictures (CT, MR), turned, stretched and shifted, that hardly moves."""
    folder = pathlib.Path(os.fspath(pydicom.__path__[0])) / "data" / "test_files"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = pydicom.dcmread(folder / PICTURES[index % len(PICTURES)]).pixel_array
    return _moved(pixels, np.random.default_rng([3, index]), "picture")


def short_axis_view(index: int) -> Cine:
    """A phantom's short axis: a ring with a crescent beside it."""
    return _phantom(index, short_axis)


def two_chamber_view(index: int) -> Cine:
    """A phantom's left ventricle with its atrium alone."""
    return _phantom(index, two_chamber)


KINDS: tuple[Callable[[int], Cine], ...] = (
    noise,
    brain,
    picture,
    short_axis_view,
    two_chamber_view,
)


def _phantom(index: int, view: Callable) -> Cine:
    anatomy, grain = jax.random.split(jax.random.fold_in(jax.random.key(9200), index))
    subject = draw(anatomy, POPULATIONS[index % len(POPULATIONS)])
    pixels, _ = render_frames(grain, subject, SIZE, FRAMES, view)
    spacing_mm = float(subject.fov_mm) / SIZE
    return Cine(np.asarray(pixels), (spacing_mm, spacing_mm), 80.0, view.__name__, ed_frame=0)


def _moved(pixels: np.ndarray, random: np.random.Generator, name: str) -> Cine:
    """Turn, stretch and shift a picture, and let it pulse a little, as what has a pulse does."""
    scale = np.array(pixels.shape) / SIZE * random.uniform(0.6, 1.4)
    angle, shift = random.uniform(0, 2 * np.pi), random.uniform(-0.15, 0.15, 2) * pixels.shape
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array(pixels.shape) - 1) / 2 + shift
    frames = []
    for phase in np.arange(FRAMES) / FRAMES:
        matrix = turn * scale * (1 + 0.03 * np.sin(2 * np.pi * phase))
        offset = middle - matrix @ np.full(2, (SIZE - 1) / 2)
        frames.append(
            scipy.ndimage.affine_transform(
                pixels.astype(float), matrix, offset, (SIZE,) * 2, order=1
            )
        )
    frames = np.stack(frames)
    return _cine(frames + 0.02 * np.ptp(frames) * random.normal(size=frames.shape), name)


def _cine(frames: np.ndarray, name: str) -> Cine:
    frames = 1000 * (frames - frames.min()) / np.ptp(frames)
    return Cine(frames.astype(np.int16), (2.5, 2.5), 80.0, name, ed_frame=0)
