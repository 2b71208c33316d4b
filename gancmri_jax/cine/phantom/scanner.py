"""The scanner: coil sensitivity, finite k-space, Rician noise, whole numbers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.cine.phantom.anatomy import Imaging, Subject
from gancmri_jax.cine.phantom.shapes import Field, coverage

ACQUIRED_MM = 1.8  # resolution of the acquisition; a finer picture is interpolated
BLOOD = 420.0  # what blood at the picture's centre is written as
FRAME_EDGE = 256  # pixels of a frame whose edge two of them blur
NOISE = 0.016  # of blood's signal, in each of the two channels, at ACQUIRED_MM


def subject_mm(imaging: Imaging, x: Field, y: Field) -> tuple[Field, Field]:
    """Turn a picture's millimetres into those of its subject, who may lie turned or mirrored."""
    across, down = turned(imaging.rotation_degrees, imaging.mirrored, x, y)
    return across + imaging.centre_mm[0], down + imaging.centre_mm[1]


def turned(
    rotation_degrees: Float[Array, ""], mirrored: Array, x: Field, y: Field
) -> tuple[Field, Field]:
    """Mirror a position left to right, then turn it about the origin."""
    x = jnp.where(mirrored, -x, x)
    angle = jnp.deg2rad(rotation_degrees)
    return x * jnp.cos(angle) - y * jnp.sin(angle), x * jnp.sin(angle) + y * jnp.cos(angle)


def coil(subject: Subject, x: Field, y: Field, frame: tuple[Field, Field] | None = None) -> Field:
    """Return the sensitivity of surface coils before, beside and behind the chest.

    Args:
        subject: Whose chest.
        x, y: Where, in the subject's millimetres.
        frame: The same places in the picture's, where they are others.
    """
    x0, y0 = x, y
    x, y = x - subject.chest_mm[0], y - subject.chest_mm[1]
    front = subject.coil_anterior * jnp.exp(-(y + 110.0) / 60.0)
    tilt = 1 + 0.0012 * subject.coil_side * x
    left = 0.2 * jnp.exp((x - 120.0) / 40.0)
    back = 0.12 * jnp.exp((y - 150.0) / 50.0)
    sensitivity = (0.48 + 0.75 * front / (1 + 0.3 * front) + left + back) * tilt
    if subject.imaging is not None:
        near = (x0 - subject.imaging.coil_mm[0]) ** 2 + (y0 - subject.imaging.coil_mm[1]) ** 2
        sensitivity = jnp.maximum(sensitivity, 0.1) + subject.imaging.coil * jnp.exp(-near / 90**2)
    return sensitivity * _in_frame(subject, *(frame or (x0, y0)))


def _in_frame(subject: Subject, x: Field, y: Field) -> Field:
    # Distortion correction leaves the border dark.
    if subject.imaging is None:
        border = jnp.maximum(jnp.abs(x), jnp.abs(y)) - subject.fov_mm / 2
        return coverage(border + 3.0, 5.0)
    half = subject.imaging.aspect * subject.fov_mm / 2
    border = jnp.maximum(jnp.abs(x) - half[0], jnp.abs(y) - half[1])
    return coverage(border, 2 * subject.fov_mm / FRAME_EDGE)


def acquire(
    key: PRNGKeyArray, subject: Subject, signal: Float[Array, "n n"], size: int
) -> Float[Array, "h w"]:
    """Image a signal: k-space up to the acquired resolution, noise in it, then the magnitude.

    Args:
        key: Noise.
        subject: Whose field of view and noise level.
        signal: Transverse magnetisation times coil, on a grid at least `size` wide.
        size: Height and width of the image.
    """
    n = signal.shape[0]
    start = (n - size) // 2
    spectrum = jnp.fft.fftshift(jnp.fft.fft2(signal)) * (size / n) ** 2
    spectrum = jax.lax.dynamic_slice(spectrum, (start, start), (size, size))
    frequency = (jnp.arange(size) - size // 2) / subject.fov_mm  # [size], cycles per mm

    def window(acquired_mm: Float[Array, ""] | float) -> Float[Array, "size"]:
        limit = jnp.minimum(0.5 / acquired_mm, 0.5 * size / subject.fov_mm)
        # A mild apodisation, as scanners apply: level to half the limit, then down to nothing.
        edge = jnp.clip((jnp.abs(frequency) / limit - 0.5) / 0.5, 0, 1)
        return jnp.cos(jnp.pi / 2 * edge) ** 2

    if subject.imaging is None:
        across = down = window(ACQUIRED_MM)
    else:
        across, down = map(window, subject.imaging.resolution_mm)
    # Every acquired sample is equally noisy, so a coarser picture is a quieter one.
    acquired = subject.fov_mm / ACQUIRED_MM
    sd = NOISE * subject.noise * size**2 / acquired
    noise = sd * jax.random.normal(key, [2, size, size])
    spectrum = (spectrum + noise[0] + 1j * noise[1]) * jnp.outer(down, across)
    return jnp.abs(jnp.fft.ifft2(jnp.fft.ifftshift(spectrum)))
