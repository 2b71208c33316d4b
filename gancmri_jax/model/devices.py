"""The devices that JAX computes on, each asked for a matrix product."""

from typing import Any

import jax
import jax.numpy as jnp

_SIDE = 256


def check_devices() -> list[dict[str, Any]]:
    """Return each local device's platform, id, kind and memory, and its error or None."""
    found = []
    for device in jax.local_devices():
        statistics = device.memory_stats() or {}
        limit = statistics.get("bytes_limit")
        found.append(
            {
                "platform": device.platform,
                "id": device.id,
                "kind": device.device_kind,
                "memory_gib": None if limit is None else limit / 2**30,
                "error": _error(device),
            }
        )
    return found


def _error(device: jax.Device) -> str | None:
    """Return what is wrong with a device: it fails, or multiplies wrongly."""
    try:
        ones = jax.device_put(jnp.ones((_SIDE, _SIDE), jnp.bfloat16), device)
        product = jnp.matmul(ones, ones, preferred_element_type=jnp.float32)
        wrong = int(jnp.sum(product != _SIDE))
    except Exception as error:  # drivers and libraries fail in many ways
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return f"{wrong} of {_SIDE**2} elements of a product of ones are wrong" if wrong else None
