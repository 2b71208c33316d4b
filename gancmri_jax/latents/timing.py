"""When things happen in a beat: a path is read faster or slower, so that ES falls where asked.

As the heart beats faster, systole shortens less than diastole (Weissler et al., Circulation 1968),
and within diastole the rest between early filling and the atrial kick goes first.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

_CONTRACTION_MS, _RELAXATION_MS, _FILLING_MS, _KICK_MS = 45.0, 70.0, 190.0, 140.0
_RELAXATION, _FILLING, _KICK = 0.15, 0.45, 0.32  # of diastole, at most
_EJECTION_MS, _EJECTION_MS_PER_BPM = 413.0, 1.7  # Weissler's regression, both sexes
_FASTEST_BPM = 130.0  # beyond, the regression has systole grow as a part of the beat no more


def es_part(heart_rate_bpm: Float[Array, ""] | float) -> Float[Array, ""]:
    """Return when in the beat ES usually is at a heart rate."""
    rate = jnp.asarray(heart_rate_bpm, jnp.float32)
    systole_ms = _CONTRACTION_MS + _EJECTION_MS - _EJECTION_MS_PER_BPM * rate
    return systole_ms * rate / 60_000


def rate_of(es: Float[Array, ""] | float) -> Float[Array, ""]:
    """Return the heart rate at which ES usually is at this part of the beat."""
    whole = _CONTRACTION_MS + _EJECTION_MS
    root = jnp.maximum(whole**2 - 4 * _EJECTION_MS_PER_BPM * 60_000 * jnp.asarray(es), 0.0) ** 0.5
    return jnp.clip((whole - root) / (2 * _EJECTION_MS_PER_BPM), 20.0, _FASTEST_BPM)


def events(
    heart_rate_bpm: Float[Array, ""] | float, es: Float[Array, ""] | float
) -> Float[Array, "5"]:
    """Return ED, ES, the end of early filling, the start of the atrial kick and the end, as parts.

    Between any two of them lies one movement; at each, the ventricle is all but at rest.
    """
    beat_ms = 60_000 / jnp.asarray(heart_rate_bpm, jnp.float32)
    es = jnp.asarray(es, jnp.float32)
    diastole = 1 - es
    relaxation = jnp.minimum(_RELAXATION_MS / beat_ms, _RELAXATION * diastole)
    filling = jnp.minimum(_FILLING_MS / beat_ms, _FILLING * diastole)
    kick = jnp.minimum(_KICK_MS / beat_ms, _KICK * diastole)
    zero = jnp.zeros_like(es)
    return jnp.stack([zero, es, es + relaxation + filling, 1 - kick, zero + 1])


def own_es(
    offsets: Float[Array, "t num_ws w_dim"], ed_to_es: Float[Array, "num_ws w_dim"]
) -> Float[Array, ""]:
    """Return when in the beat a path is farthest on its way from ED to ES."""
    along = jnp.tensordot(offsets, ed_to_es, axes=2, precision="highest")
    return jnp.argmax(along) / len(offsets)


def retimed(
    offsets: Float[Array, "t num_ws w_dim"],
    ed_to_es: Float[Array, "num_ws w_dim"],
    num_frames: int,
    heart_rate_bpm: float | None,
    es: float | None,
) -> Float[Array, "{num_frames} num_ws w_dim"]:
    """Read a closed path so that a beat has the timing of a heart rate, or its ES at a given part.

    Args:
        offsets: The path, from ED on, at many equal steps.
        ed_to_es: The direction by which its ES is found.
        num_frames: Frames of the beat, at equal parts of it.
        heart_rate_bpm: Or None, for the rate at which ES is usually where this path has it.
        es: When ES shall be, as a part of the beat; None for what is usual at the heart rate.
    """
    own = own_es(offsets, ed_to_es)
    own_rate = rate_of(own)
    rate = own_rate if heart_rate_bpm is None else jnp.asarray(heart_rate_bpm, jnp.float32)
    usual = own if heart_rate_bpm is None else es_part(rate)
    asked = events(rate, usual if es is None else es)
    at = jnp.interp(jnp.arange(num_frames) / num_frames, asked, events(own_rate, own))
    position = at * len(offsets)
    before = jnp.floor(position).astype(int) % len(offsets)
    part = (position - jnp.floor(position))[:, None, None]
    return (1 - part) * offsets[before] + part * offsets[(before + 1) % len(offsets)]
