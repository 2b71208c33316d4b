"""The scanner: coil sensitivity, finite k-space, Rician noise, whole numbers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.cine.phantom.anatomy import Subject
from gancmri_jax.cine.phantom.shapes import Field, coverage

ACQUIRED_MM = 1.8  # resolution of the acquisition; a finer picture is interpolated
BLOOD = 420.0  # what blood at the picture's centre is written as
NOISE = 0.016  # of blood's signal, in each of the two channels, at ACQUIRED_MM


def coil(subject: Subject, x: Field, y: Field) -> Field:
    """Return the sensitivity of surface coils before, beside and behind the chest."""
    x0, y0 = x, y
    x, y = x - subject.chest_mm[0], y - subject.chest_mm[1]
    front = subject.coil_anterior * jnp.exp(-(y + 110.0) / 60.0)
    tilt = 1 + 0.0012 * subject.coil_side * x
    left = 0.2 * jnp.exp((x - 120.0) / 40.0)
    back = 0.12 * jnp.exp((y - 150.0) / 50.0)
    sensitivity = (0.48 + 0.75 * front / (1 + 0.3 * front) + left + back) * tilt
    # Distortion correction leaves the border dark.
    border = jnp.maximum(jnp.abs(x0), jnp.abs(y0)) - subject.fov_mm / 2
    return sensitivity * coverage(border + 3.0, 5.0)


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
    limit = jnp.minimum(0.5 / ACQUIRED_MM, 0.5 * size / subject.fov_mm)
    # A mild apodisation, as scanners apply: level to half the limit, then down to nothing.
    edge = jnp.clip((jnp.abs(frequency) / limit - 0.5) / 0.5, 0, 1)
    window = jnp.cos(jnp.pi / 2 * edge) ** 2
    # Every acquired sample is equally noisy, so a coarser picture is a quieter one.
    acquired = subject.fov_mm / ACQUIRED_MM
    sd = NOISE * subject.noise * size**2 / acquired
    noise = sd * jax.random.normal(key, [2, size, size])
    spectrum = (spectrum + noise[0] + 1j * noise[1]) * jnp.outer(window, window)
    return jnp.abs(jnp.fft.ifft2(jnp.fft.ifftshift(spectrum)))
