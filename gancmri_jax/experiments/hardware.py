"""What an experiment ran on, as its report tells it."""

import os
import platform

import jax


def hardware() -> str:
    """Say what this runs on."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"{cores} CPU cores ({platform.machine()})"
    return f"{jax.device_count()} × {device.device_kind}"
