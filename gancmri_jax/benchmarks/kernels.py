"""Which kernels a program spends its time in, by JAX's own profiler."""

import pathlib
import tempfile
from collections import Counter
from collections.abc import Callable

import jax


def heaviest(work: Callable[[], object], count: int = 10) -> list[tuple[str, float, float]]:
    """Run `work` once and return names, milliseconds and shares of the device's heaviest kernels.

    `work` waits for its results. On a CPU they are what XLA's threads run.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            work()
        traces = sorted(pathlib.Path(folder).rglob("*.xplane.pb"))
        if not traces:
            return []
        data = jax.profiler.ProfileData.from_file(str(traces[-1]))
        device = [plane for plane in data.planes if plane.name.startswith("/device:")]
        times: Counter[str] = Counter()
        for plane in device or list(data.planes):
            for line in plane.lines:
                # Lines of steps, modules and annotations hold what their kernels do once more.
                if device and not (line.name.startswith("Stream") or line.name == "XLA Ops"):
                    continue
                for event in line.events:
                    if device or _is_operation(event.name):
                        times[event.name] += event.duration_ns
    total = sum(times.values())
    return [(name, ns / 1e6, ns / total) for name, ns in times.most_common(count)]


def _is_operation(name: str) -> bool:
    """Tell XLA's operations, such as `fusion.3`, from functions of C++ and Python."""
    return not any(letter in name for letter in ":$ (")
