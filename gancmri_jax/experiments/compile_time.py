"""How long XLA compiled while something ran, so that it can be left out of what that took."""

import functools

import jax

_EVENTS = (
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
_counting: list["CompileTime"] = []


class CompileTime:
    """Counts the seconds of lowering and compilation; a context manager.

    Attributes:
        seconds: So far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> "CompileTime":
        _listen()
        _counting.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _counting.remove(self)


@functools.cache
def _listen() -> None:
    # JAX offers no way to take one listener back: there is one, which serves all.
    def on_event(event: str, duration_secs: float, **_: str | int) -> None:
        if event in _EVENTS:
            for counter in _counting:
                counter.seconds += duration_secs

    jax.monitoring.register_event_duration_secs_listener(on_event)
