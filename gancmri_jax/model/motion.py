"""How a heart moves: what a model has learned of it, and the path of one beat (GANcMRI, 3.3)."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gancmri_jax.errors import InputError
from gancmri_jax.latents.linear import Linear
from gancmri_jax.latents.motions import (
    ED_TO_ES,
    FRAME_TO_FRAME,
    MOTIONS,
    Aligned,
    Conditioned,
    EdToEs,
    MeanSteps,
    Own,
)
from gancmri_jax.latents.paths import start_at_ed
from gancmri_jax.latents.pca import PAPER_COMPONENTS
from gancmri_jax.latents.timing import retimed

METHODS = (FRAME_TO_FRAME, ED_TO_ES)
MOST_DEPTH = 2.0  # times the median heart's; the least is its reciprocal

_SPANS = {"depth": (0.0, 3.0), "heart_rate_bpm": (25.0, 220.0), "es_percent": (15.0, 70.0)}
_FINER = 8  # frames of the path that a beat with another timing is read from, a frame of it

# Names that tensors have had in model files since version 1. What other motions keep is named
# after the motion: see `tensor_names`.
_NAMES: dict[type, tuple[str, ...]] = {
    EdToEs: ("ed_to_es",),
    MeanSteps: ("frame_to_frame",),
    Aligned: ("aligned",),
    Conditioned: ("conditioned", "conditioned_axes", "aligned"),
}
_LINEAR = ("contraction", "log_depth")  # fields of LearnedMotion, named as they are

Kept = TypeVar("Kept")


@dataclasses.dataclass(frozen=True)
class Motion:
    """How a heart is to move.

    Attributes:
        method: One of MOTIONS; or `ed-to-es`, which is `published` (section 3.3.1), or
            `frame-to-frame` (section 3.3.2), the best of its kind that the model has learned.
        num_frames: Frames of a beat.
        components: Principal components that `pca_residual` takes away.
        depth: What the motion is multiplied by; below 1 the ventricle empties less.
        heart_rate_bpm: Times the events of the beat as at this rate; None for the learned timing.
        es_percent: When ES is, of the beat; None for what is usual at the rate, or as learned.

    Raises:
        InputError: There is no such method, or a number is out of range.
    """

    method: str = FRAME_TO_FRAME
    num_frames: int = 50
    components: int = PAPER_COMPONENTS
    depth: float = 1.0
    heart_rate_bpm: float | None = None
    es_percent: float | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _SPANS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f"motion: {name} is from {low:g} to {high:g}, got {value:g}")
        known = (*METHODS, *MOTIONS)
        if self.method not in known:
            near = difflib.get_close_matches(self.method, known, 1)
            guess = f"; did you mean {near[0]}?" if near else "."
            raise InputError(f"unknown motion {self.method}{guess} Motions are {', '.join(known)}")

    @property
    def timed(self) -> bool:
        """Whether the beat has another timing than what was learned."""
        return self.heart_rate_bpm is not None or self.es_percent is not None

    @property
    def frame_ms(self) -> float | None:
        """The time of a frame, where the heart rate is known."""
        rate = self.heart_rate_bpm
        return None if rate is None else 60_000 / rate / self.num_frames


@dataclasses.dataclass(frozen=True)
class LearnedMotion:
    """What a model has learned of how hearts move; nothing until `gancmri fit`.

    Attributes:
        kept: What rows of MOTIONS keep, one of each type at most.
        contraction: Of a frame, how far from ED it is on its way to ES; None for the paper's 0.7.
        log_depth: Of a start at ED, the logarithm of what its motion is multiplied by; None for 0.
        unknown: Tensors of a model file that are of no motion of this installation.
    """

    kept: tuple[Any, ...] = ()
    contraction: Linear | None = None
    log_depth: Linear | None = None
    unknown: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    _cache: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def of(self, kind: type[Kept]) -> Kept | None:
        """Return what is kept of a type, in float32; None where it was not learned."""
        kept = next((each for each in self.kept if isinstance(each, kind)), None)
        return None if kept is None else self._cached(kind, lambda: _full(kept))

    @property
    def ed_to_es(self) -> Float[Array, "num_ws w_dim"]:
        """k_ED→ES.

        Raises:
            InputError: The model has learned no motion.
        """
        if (kept := self.of(EdToEs)) is None:
            raise InputError("the model has learned no motion; see `gancmri fit`")
        return kept.k

    @property
    def own_start(self) -> Float[Array, "num_ws w_dim"]:
        """The heart that the model was tuned to, at ED.

        Raises:
            InputError: It was tuned to none.
        """
        if (kept := self.of(Own)) is None:
            raise InputError(
                "the model was tuned to no heart of its own; see `gancmri personalise`"
            )
        return kept.points[0]

    def with_own(self, own: Own | None) -> "LearnedMotion":
        """Return the motion with the beat of one heart, in place of any before."""
        others = tuple(each for each in self.kept if not isinstance(each, Own))
        return dataclasses.replace(self, kept=others if own is None else (*others, own))

    @property
    def names(self) -> list[str]:
        """Those of MOTIONS that the model can follow."""
        if self.of(EdToEs) is None:  # by which hearts are taken to ED
            return []
        have = {type(each): each for each in self.kept}
        return [
            name for name, row in MOTIONS.items() if row.kept in have and row.usable(have[row.kept])
        ]

    @property
    def methods(self) -> list[str]:
        """Those of METHODS that the model can follow, the best first."""
        names = self.names
        return [method for method in METHODS if self.resolve(method) in names]

    def resolve(self, method: str) -> str:
        """Return which of MOTIONS a method is: of those learned the last one in the table."""
        if method not in METHODS:
            return method
        rows = [name for name, row in MOTIONS.items() if row.method == method]
        have = {type(each) for each in self.kept}
        return next((name for name in reversed(rows) if MOTIONS[name].kept in have), rows[0])

    def scaled(self, ed_to_es: float, beats: float) -> "LearnedMotion":
        """Multiply k_ED→ES by one gain, and what the other motions keep by another."""
        kept = tuple(
            _full(each).scaled(ed_to_es if isinstance(each, EdToEs) else beats)
            for each in self.kept
        )
        return dataclasses.replace(self, kept=kept)

    def at_ed(self, ws: Float[Array, "num_ws w_dim"]) -> Float[Array, "num_ws w_dim"]:
        """Take a frame of any moment of the beat back to end-diastole, where a beat starts.

        Raises:
            InputError: The model has learned no motion.
        """
        return start_at_ed(ws, self.ed_to_es, _full(self.contraction))

    def path(
        self, start: Float[Array, "num_ws w_dim"], motion: Motion
    ) -> Float[Array, "t num_ws w_dim"]:
        """Return the path of a beat.

        Args:
            start: The heart at end-diastole.
            motion: How it is to move.

        Raises:
            InputError: The motion was not learned, or of too few steps.
        """
        if motion.timed:
            finer = dataclasses.replace(motion, num_frames=_FINER * motion.num_frames)
            es = motion.es_percent
            offsets = retimed(
                self.offsets(start, finer),
                self.ed_to_es,
                motion.num_frames,
                motion.heart_rate_bpm,
                es if es is None else es / 100,
            )
        else:
            offsets = self.offsets(start, motion)
        row = MOTIONS[self.resolve(motion.method)]
        # A motion that no study taught, of one heart, is as deep as that heart's.
        if self.log_depth is not None and row.fit is not None and not row.by_start:
            depth = jnp.exp(_full(self.log_depth).of(start))
            offsets = offsets * jnp.clip(depth, 1 / MOST_DEPTH, MOST_DEPTH)
        return start[None] + motion.depth * offsets

    def offsets(
        self, start: Float[Array, "num_ws w_dim"], motion: Motion
    ) -> Float[Array, "t num_ws w_dim"]:
        """Return the path of a beat less its start, as learned: without depth and other timing.

        Raises:
            InputError: The motion was not learned, or of too few steps.
        """
        name = self.resolve(motion.method)
        row = MOTIONS[name]
        if (kept := self.of(row.kept)) is None:
            has = ", ".join(self.names) or "none"
            raise InputError(
                f"the model has not learned the motion {name} (it has {has}); see `gancmri fit`"
            )
        options = {option: getattr(motion, option) for option in row.options}

        def compute() -> Float[Array, "t num_ws w_dim"]:
            return row.path(kept, start, motion.num_frames, **options)

        try:
            if row.by_start:
                return compute()
            return self._cached((row.path, motion.num_frames, *options.values()), compute)
        except ValueError as error:
            raise InputError(f"{name} motion: {error}") from error

    def _cached(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Compute what is the same for all hearts once; while JAX traces, each time."""
        if key not in self._cache:
            value = compute()
            if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
                return value
            self._cache[key] = value
        return self._cache[key]


def tensor_names(kind: type[Any]) -> tuple[str, ...]:
    """Return what a model file calls the fields of a type that a motion keeps.

    The first of them is also what the type is called on a model's card.
    """
    if kind in _NAMES:
        return _NAMES[kind]
    name = next(name for name, row in MOTIONS.items() if row.kept is kind)
    first, *others = kind._fields
    return (name, *(f"{name}.{field}" for field in others))


def to_tensors(motion: LearnedMotion) -> dict[str, Array]:
    """Return what was learned by the names of a model file."""
    tensors: dict[str, Array] = {}
    for kept in motion.kept:
        for name, array in zip(tensor_names(type(kept)), kept, strict=True):
            assert np.array_equal(tensors.get(name, array), array), name  # shared, so the same
            tensors[name] = array
    for name in _LINEAR:
        if (linear := getattr(motion, name)) is not None:
            tensors[name] = jnp.stack(linear)
    return tensors | dict(motion.unknown)


def from_tensors(tensors: Mapping[str, Array]) -> LearnedMotion:
    """Return what was learned from a model file's tensors, of whatever precision.

    Raises:
        ValueError: A tensor has not the shape that its name asks for.
    """
    kept: list[Any] = []
    used: set[str] = set()
    for kind in dict.fromkeys(row.kept for row in MOTIONS.values()):
        names = tensor_names(kind)
        if all(name in tensors for name in names):
            kept.append(kind(*(tensors[name] for name in names)))
            used.update(names)
    linear = {}
    for name in _LINEAR:
        if name in tensors:
            if len(tensors[name]) != 2:
                raise ValueError(f"{name} has {len(tensors[name])} codes, and needs 2")
            linear[name] = Linear(*tensors[name])
            used.add(name)
    rest = {name: array for name, array in tensors.items() if name not in used}
    return LearnedMotion(tuple(kept), **linear, unknown=rest)


def _full(kept: Any) -> Any:
    return jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), kept)
