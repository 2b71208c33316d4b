"""Hearts asked for in a clinician's words: a prompt becomes targets.

    read_prompt("hypertrophic, small cavity, EF 70, tachycardic").targets

No network, no model: `vocabulary` has the words, `quantities` the ranges and their sources.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping

from gancmri_jax.errors import InputError
from gancmri_jax.physiology import vocabulary as words
from gancmri_jax.physiology.consistency import follows, without_contradictions
from gancmri_jax.physiology.lexer import atoms
from gancmri_jax.physiology.quantities import QUANTITIES, Quantity, Range, Target, described
from gancmri_jax.physiology.statements import Statement, is_change, statements
from gancmri_jax.physiology.vocabulary import HEART, LV, OF_THE_LV, PRESETS, State

CHANGE_PERCENT = (-60.0, 150.0)  # beyond, no heart would be left, or none that is known
_ALONE = {"bpm": words.RATE, "mm": words.WALL, "cm": words.WALL}  # units that one quantity has
_EXAMPLE = "'dilated LV, EF 30 %, 90 bpm'"


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A prompt, and the targets that it was understood as, one a quantity."""

    text: str
    targets: tuple[Target, ...]

    def ranges(self) -> dict[str, Range]:
        """Return what is asked for, by name; changes are of the heart that they are made to."""
        return {t.name: (t.low, t.high) for t in self.targets if not t.change}

    def follows(self) -> str:
        """Say what follows for independent quantities from EF, the ES area and volumes."""
        if any(target.change for target in self.targets):
            return ""
        found = follows(self.ranges())
        return "; ".join(
            f"{QUANTITIES[name].label} about {low:.3g}"
            + (f" to {high:.3g}" if f"{low:.3g}" != f"{high:.3g}" else "")
            + f" {QUANTITIES[name].unit}"
            for name, (low, high) in found.items()
        )

    def __str__(self) -> str:
        return "; ".join(
            str(target) if target.says_itself else f"{target} ({target.said})"
            for target in self.targets
        )


def read_prompt(text: str) -> Prompt:
    """Read a prompt.

    Raises:
        InputError: It is empty, not understood, impossible or contradicts itself.
    """
    if not text.strip():
        raise InputError(f"prompt: it is empty; say for example {_EXAMPLE}")
    wishes = [target for statement in statements(atoms(text)) for target in _targets(statement)]
    targets = merged(wishes)
    if not targets:
        raise InputError(f"prompt: {text.strip()!r} names no target; say for example {_EXAMPLE}")
    return Prompt(text, targets)


def preset(name: str) -> Prompt:
    """Return a heart that has a name in PRESETS.

    Raises:
        InputError: None has.
    """
    if name not in PRESETS:
        raise InputError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return read_prompt(PRESETS[name].words.split(", ")[0])


def _targets(statement: Statement) -> list[Target]:
    """Say what a statement asks for."""
    if not statement.predicated:
        return []  # "the heart"
    if statement.comparison is not None and is_change(statement):
        return [
            _change(statement, name) for name in _subjects(statement, statement.comparison.fits)
        ]
    if statement.number is not None:
        return [_value(statement, name) for name in _subjects(statement, ())]
    state = statement.state
    assert state is not None
    if state.diagnosis:
        return _diagnosis(statement, state.diagnosis)
    whole = statement.subjects in ((), (HEART,)) and not state.term
    if whole and state.sign == 0 and state.fixed is None and not statement.negated:
        return _diagnosis(statement, "normal")
    return [_state(statement, state, name) for name in _subjects(statement, state.fits)]


def _subjects(statement: Statement, fits: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is meant: what is named, or what the words are said of where nothing is."""
    subjects = tuple(name for name in statement.subjects if name != HEART)
    if not subjects:
        unit = statement.number.unit if statement.number else ""
        if unit in _ALONE and (not fits or _ALONE[unit] in fits):
            return (_ALONE[unit],)
        if unit == "ml" and LV in fits:  # "30 ml larger"
            return (words.EDV,)
        if fits and fits != tuple(QUANTITIES):
            return fits[:1]
        said = _amount(statement) if statement.number else statement.said
        raise InputError(f"prompt: {said!r} of what? Name the quantity, as in {_EXAMPLE}")
    if fits:
        if subjects == (LV,) and LV not in fits and fits[0] in OF_THE_LV:
            return fits[:1]  # a hypertrophied LV has thick walls
        if misfits := [name for name in subjects if name not in fits]:
            label = QUANTITIES[misfits[0]].label
            raise InputError(f"prompt: {statement.said!r} cannot be said of {label}")
    number = statement.number
    if number is not None and subjects == (LV,) and number.unit in ("ml", "l"):
        return (words.EDV,)
    return subjects


def _state(statement: Statement, state: State, name: str) -> Target:
    quantity = QUANTITIES[name]
    said = statement.said
    if quantity.normal is None or quantity.high is None or quantity.low is None:
        raise InputError(f"prompt: {said!r}: {quantity.label} takes numbers only")
    if statement.negated:
        if statement.degree is not None or state.sign == 0:
            raise InputError(f"prompt: {said!r} leaves open what it is; say what it is")
        low, high = quantity.normal
        return Target(name, float(low), float(high), said=said)
    if state.fixed is not None and (state.term or name == words.EF):
        low, high = state.fixed
    elif state.sign == 0:
        if statement.degree is not None:
            raise InputError(f"prompt: {said!r} has no meaning; leave out the degree")
        low, high = quantity.normal
        low, high = (round(low + part * (high - low), 3) for part in state.part)
    else:
        edges = quantity.high if state.sign > 0 else quantity.low
        first, last = statement.degree or (0, 3)
        low, high = sorted((edges[first], edges[last]))
    return Target(name, float(low), float(high), said=said)


def _value(statement: Statement, name: str) -> Target:
    number, quantity = statement.number, QUANTITIES[name]
    assert number is not None
    factor = _factor(statement, quantity, quantity.units)
    low, high = number.low * factor, number.high * factor
    if number.unit == "" and quantity.unit == "%" and 0 < high <= 1:
        low, high = 100 * low, 100 * high  # an EF of 0.35
    low, high = round(low, 6), round(high, 6)
    finite = [end for end in (low, high) if math.isfinite(end)]
    if not all(quantity.possible[0] <= end <= quantity.possible[1] for end in finite):
        raise InputError(
            f"prompt: {described(name, min(finite), max(finite))} is impossible; {quantity.what} "
            f"is {_of(quantity.possible)} {quantity.unit}".rstrip()
        )
    if not math.isfinite(high):
        high = next(x for x in (quantity.span[1], quantity.possible[1]) if x >= low)
    if not math.isfinite(low):
        low = next(x for x in (quantity.span[0], quantity.possible[0]) if x <= high)
    return Target(name, float(low), float(high), said=statement.said)


def _change(statement: Statement, name: str) -> Target:
    number, comparison, quantity = statement.number, statement.comparison, QUANTITIES[name]
    assert number is not None and comparison is not None
    amount = comparison.sign * number.low
    in_points = quantity.unit.startswith("%")
    if number.unit == "%" and not in_points:
        if not CHANGE_PERCENT[0] <= amount <= CHANGE_PERCENT[1]:
            raise InputError(
                f"prompt: {statement.said!r} is impossible; a change is {_of(CHANGE_PERCENT)} %"
            )
        return Target(name, float(amount), float(amount), "percent", statement.said)
    if number.unit == "" and not in_points and name != words.RATE:
        raise InputError(f"prompt: {statement.said!r}: {number.low:g} what? Give a unit or %")
    units = {**quantity.units, "points": 1.0} if in_points else quantity.units
    amount *= _factor(statement, quantity, units)
    widest = quantity.span[1] - quantity.span[0]
    if abs(amount) > widest:
        raise InputError(
            f"prompt: {statement.said!r} is impossible; {quantity.label} changes by at most "
            f"{widest:g} {quantity.unit}".rstrip()
        )
    return Target(name, float(amount), float(amount), "added", statement.said)


def _factor(statement: Statement, quantity: Quantity, units: Mapping[str, float]) -> float:
    assert statement.number is not None
    unit = statement.number.unit
    if unit not in units:
        known = " or ".join(known for known in units if known) or "no unit"
        raise InputError(f"prompt: {statement.said!r}: {quantity.label} has {known}, not {unit}")
    return units[unit]


def _diagnosis(statement: Statement, name: str) -> list[Target]:
    if statement.negated or statement.degree is not None:
        raise InputError(f"prompt: {statement.said!r} leaves open what it is; say what it is")
    wishes = []
    for text, typical in ((PRESETS[name].defines, False), (PRESETS[name].typical, True)):
        for part in statements(atoms(text)):
            wishes += [
                target._replace(said=statement.said, typical=typical) for target in _targets(part)
            ]
    return wishes


def merged(wishes: Iterable[Target]) -> tuple[Target, ...]:
    """Make one target of each quantity's, in the order of `QUANTITIES`.

    Raises:
        InputError: Two contradict each other.
    """
    wishes = list(wishes)
    found: dict[str, Target] = {}
    for target in [*(w for w in wishes if not w.typical), *(w for w in wishes if w.typical)]:
        other = found.get(target.name)
        if other is None:
            found[target.name] = target
            continue
        both = _both(other, target)
        if both is not None:
            found[target.name] = both
        elif not target.typical:
            raise InputError(f"prompt: {other.quoted} contradicts {target.quoted}")
    found = without_contradictions(found)
    return tuple(found[name] for name in QUANTITIES if name in found)


def _both(one: Target, other: Target) -> Target | None:
    """Return what meets two targets, or None."""
    if one.change or other.change:
        return one if one[1:4] == other[1:4] else None
    low, high = max(one.low, other.low), min(one.high, other.high)
    touching = low == high and one.low < one.high and other.low < other.high
    if low > high or touching:
        return None
    said = one.said if (low, high) == (one.low, one.high) else other.said
    if (low, high) not in ((one.low, one.high), (other.low, other.high)):
        said = f"{one.said}, {other.said}" if one.said != other.said else one.said
    return one._replace(low=low, high=high, said=said)


def _amount(statement: Statement) -> str:
    number = statement.number
    assert number is not None
    ends = [f"{x:g}" for x in dict.fromkeys((number.low, number.high)) if math.isfinite(x)]
    return f"{' to '.join(ends)} {number.unit}".strip()


def _of(ends: Range) -> str:
    return f"{ends[0]:g} to {ends[1]:g}"
