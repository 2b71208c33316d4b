"""Atoms of a prompt gathered into statements: what is spoken of, and what is said of it."""

import dataclasses
import math
from collections.abc import Iterable

from gancmri_jax.errors import InputError
from gancmri_jax.physiology.lexer import (
    AND,
    BREAK,
    BY,
    COMMA,
    NOT,
    OR,
    TO,
    Atom,
    Degree,
    Number,
)
from gancmri_jax.physiology.quantities import QUANTITIES
from gancmri_jax.physiology.vocabulary import HEART, LV, OF_THE_LV, Comparison, State, Subject


@dataclasses.dataclass
class Statement:
    """Something said of one or more quantities: a state, a number or a change.

    Attributes:
        link: What joins it with the one before: AND, OR, COMMA or BREAK.
        subject_first: "LV dilated", not "dilated LV".
    """

    link: str = BREAK
    subjects: tuple[str, ...] = ()
    state: State | None = None
    degree: tuple[int, int] | None = None
    negated: bool = False
    number: Number | None = None
    comparison: Comparison | None = None
    subject_first: bool = False
    flag: str = ""  # BY or TO, for the number that comes
    words: list[str] = dataclasses.field(default_factory=list)

    @property
    def predicated(self) -> bool:
        return any(said is not None for said in (self.state, self.number, self.comparison))

    @property
    def said(self) -> str:
        return " ".join(self.words)


def statements(atoms: Iterable[Atom]) -> list[Statement]:
    """Gather atoms into statements.

    Raises:
        InputError: A degree or a negation belongs to nothing, or nothing is said of a subject.
    """
    found: list[Statement] = []
    link, piece = BREAK, list[Atom]()
    for atom in [*atoms, Atom("", BREAK)]:
        if atom.meaning not in (AND, OR, COMMA, BREAK):
            piece.append(atom)
            continue
        if piece:
            found += _Piece(link).read(piece)
            link, piece = str(atom.meaning), []
        elif BREAK in (atom.meaning, link) or link == COMMA:  # ", and" is "and", ", but" is "but"
            link = BREAK if BREAK in (atom.meaning, link) else str(atom.meaning)
    _inherit_negations(found)
    return _borrowed(found)


class _Piece:
    """Reads what lies between two joints."""

    def __init__(self, link: str) -> None:
        self.done: list[Statement] = []
        self.current = Statement(link)
        self.degree: tuple[int, int] | None = None
        self.negated = False
        self.pending: list[str] = []

    def read(self, piece: list[Atom]) -> list[Statement]:
        for i, atom in enumerate(piece):
            meaning, last = atom.meaning, i + 1 == len(piece)
            if isinstance(meaning, Subject):
                self._subject(meaning.names, atom.text, last)
            elif isinstance(meaning, State):
                self._state(meaning, atom.text)
            elif isinstance(meaning, Degree):
                self._degree(meaning, atom.text)
            elif isinstance(meaning, Comparison):
                self._comparison(meaning, atom.text)
            elif isinstance(meaning, Number):
                self._number(meaning, atom.text)
            elif meaning == NOT:
                self.negated = True
                self.pending.append(atom.text)
            else:
                self.current.flag = meaning
        self._leftovers()
        self._next()
        return self.done

    def _next(self, subjects: tuple[str, ...] = ()) -> None:
        if self.current.predicated or self.current.subjects:
            self.done.append(self.current)
            self.current = Statement(AND, subjects)

    def _take(self, text: str) -> None:
        self.current.words += [*self.pending, text]
        self.pending = []

    def _subject(self, names: tuple[str, ...], text: str, last: bool) -> None:
        current = self.current
        stray = current.number is not None and not (current.comparison or current.subjects)
        if current.state is not None and current.state.term:
            self._next()
        elif stray and not _fits(current.number, names[0]):  # "90 bpm LV dilated"
            self._next()
        elif current.predicated and current.subjects:
            state = current.state
            if current.subjects == (LV,) and names[0] in OF_THE_LV and state is not None:
                general = LV not in state.fits or state.fits == tuple(QUANTITIES)
                if names[0] != LV and general and names[0] in state.fits:  # "normal LV function"
                    current.subjects = names
                    return self._take(text)
            if last and names == (LV,) and set(current.subjects) <= OF_THE_LV:
                return self._take(text)  # "14 mm of wall in the LV"
            self._next()
        elif current.subjects and not current.predicated:
            if current.subjects == (LV,) and names[0] in OF_THE_LV:
                current.subjects = names  # "LV wall"
            elif not (names == (LV,) and set(current.subjects) <= OF_THE_LV):
                current.subjects += names
            return self._take(text)
        self.current.subject_first = not self.current.predicated
        self.current.subjects = names
        self._take(text)

    def _state(self, state: State, text: str) -> None:
        self._insist_no_flag(text)  # "normal to mildly reduced"
        if self.current.predicated:
            kept = tuple(name for name in self.current.subjects if name in state.fits)
            self._next(kept)
        current = self.current
        if state.term and current.subjects:
            others = set(current.subjects) - {LV, HEART, *state.fits}
            if others:
                raise _nothing_said(current)
            current.subjects = ()
        current.state = state
        current.degree, self.degree = self.degree or state.degree, None
        current.negated, self.negated = self.negated, False
        self._take(text)

    def _degree(self, degree: Degree, text: str) -> None:
        first, last = degree
        if self.degree is not None:  # "mild to moderate"
            first, last = min(first, self.degree[0]), max(last, self.degree[1])
            self.current.flag = ""
        self.degree = first, last
        self.pending.append(text)

    def _comparison(self, comparison: Comparison, text: str) -> None:
        if self.degree is not None:
            raise InputError(f"prompt: {' '.join([*self.pending, text])!r}: by how much?")
        if self.current.comparison or self.current.state:
            self._next()
        self.current.comparison = comparison
        self._take(text)

    def _number(self, number: Number, text: str) -> None:
        current = self.current
        flag, current.flag = current.flag, ""
        if self.negated or self.degree:
            raise InputError(
                f"prompt: {' '.join([*current.words, *self.pending, text])!r} has no meaning"
            )
        if current.number is not None:
            self._next()
        elif flag == TO:  # "reduced to 30 %"
            current.state = current.comparison = None
        elif (flag == BY or number.unit == "points") and current.state and current.state.sign:
            current.comparison = Comparison(current.state.sign, current.state.fits)
            current.state = None
        elif current.state is not None:  # "dilated LV 45 cm²", "tachycardic 120 bpm"
            subjects = current.subjects or current.state.fits[:1]
            self._next(subjects if _fits(number, subjects[0]) else ())
        self.current.number = number
        self._take(text)

    def _insist_no_flag(self, text: str) -> None:
        if self.current.flag:
            said = " ".join([*self.current.words, self.current.flag, *self.pending, text]).strip()
            raise InputError(f"prompt: {said!r} has no meaning; say one state, or a number")

    def _leftovers(self) -> None:
        self._insist_no_flag("")
        if self.degree is not None:  # "LV dilated severely"
            if self.current.state is None or self.current.degree is not None:
                raise InputError(f"prompt: {' '.join(self.pending)!r} belongs to nothing")
            self.current.degree = self.degree
            self.current.words += self.pending
            self.pending = []
        if self.negated:
            if not self.current.subjects or self.current.predicated:
                raise InputError(f"prompt: {' '.join(self.pending)!r} denies nothing")
            self.current.negated = True


def _fits(number: Number | None, name: str) -> bool:
    return number is not None and name in QUANTITIES and number.unit in QUANTITIES[name].units


def _inherit_negations(found: list[Statement]) -> None:
    """Let "no dilation or hypertrophy" deny both."""
    for before, statement in zip(found, found[1:], strict=False):
        if statement.link == OR and before.negated and not statement.negated:
            statement.negated = True
            statement.words.insert(0, "not")


def _borrowed(found: list[Statement]) -> list[Statement]:
    """Give what has no predicate its neighbour's: "dilated LV and LA", "LV and LA dilated"."""
    for i, statement in enumerate(found):
        if statement.predicated or statement.subjects == (HEART,):
            continue
        after = _next_predicated(found, i)
        joined = after is not None and after.link in (AND, OR) and after.subject_first
        before = found[i - 1] if i and statement.link != BREAK else None
        choices = [after, before] if joined else [before, after]
        lender = next((other for other in choices if _lends(other, statement)), None)
        if lender is None:
            raise _nothing_said(statement)
        statement.state, statement.degree = lender.state, lender.degree
        statement.negated = statement.negated or lender.negated
        statement.words = [f"{statement.said}, as in {lender.said!r}"]
        if lender.comparison is not None:
            statement.comparison, statement.number = lender.comparison, lender.number
    return found


def _next_predicated(found: list[Statement], i: int) -> Statement | None:
    for statement in found[i + 1 :]:
        if statement.link == BREAK:
            return None
        if statement.predicated:
            return statement
    return None


def _lends(other: Statement | None, statement: Statement) -> bool:
    if other is None:
        return False
    said = other.state or other.comparison
    if said is None or (isinstance(said, State) and said.term):
        return False
    return all(name in said.fits for name in statement.subjects)


def _nothing_said(statement: Statement) -> InputError:
    label = statement.said or "a quantity"
    return InputError(
        f"prompt: nothing is said of {label!r}; name a state (dilated, normal) or a value"
    )


def is_change(statement: Statement) -> bool:
    """Tell whether a number is a change; a change without a number has no meaning.

    Raises:
        InputError: Larger by how much?
    """
    if statement.comparison is None:
        return False
    number = statement.number
    if number is None or not math.isfinite(number.low) or number.low != number.high:
        raise InputError(
            f"prompt: {statement.said!r}: by how much? Give a number, as in 'LV 20 % larger'"
        )
    return True
