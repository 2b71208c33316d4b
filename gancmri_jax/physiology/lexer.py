"""Prompts cut into atoms: the longest known phrase at each place, numbers with their units.

What is not in `vocabulary` is refused here, with the nearest words.
"""

import difflib
import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from gancmri_jax.errors import InputError
from gancmri_jax.physiology import vocabulary as words
from gancmri_jax.physiology.quantities import QUANTITIES
from gancmri_jax.physiology.vocabulary import Comparison, State, Subject

_TOKEN = re.compile(r"\d+(?:\.\d+)?|(?:cm|mm)2(?!\d)|[a-z]+(?:'[a-z]+)?|\S")
_SPELLINGS = str.maketrans({"²": "2", "–": "-", "—": "-", "−": "-", "’": "'"})
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_IN_WORDS = {w: i for i, w in enumerate(_ONES)} | {w: 10 * (i + 2) for i, w in enumerate(_TENS)}
_MOST_NEAR = 3
_NEAR = 0.8  # from here on, a word is taken for misspelt

Symbol = str  # NOT, AND, OR, BREAK, COMMA, BY, TO: what joins or turns the others
NOT, AND, OR, BREAK, COMMA, BY, TO = "not", "and", "or", "break", ",", "by", "to"


class Number(NamedTuple):
    """A number, a range (`55 to 60 %`) or a bound, of which one end is infinite."""

    low: float
    high: float
    unit: str  # of `UNITS`, empty where there is none


class Degree(NamedTuple):
    """Where a degree begins and ends among a range's edges."""

    first: int
    last: int


class Atom(NamedTuple):
    """One meaning and the text that holds it."""

    text: str
    meaning: Subject | State | Degree | Comparison | Number | Symbol


class Token(NamedTuple):
    text: str
    first: int  # where it stands in the prompt
    last: int


def atoms(prompt: str) -> list[Atom]:
    """Cut a prompt into atoms.

    Raises:
        InputError: A word is unknown, or stands for what cannot be asked for.
    """
    text = prompt.lower().translate(_SPELLINGS).replace("^2", "2")
    text = text.replace("<=", "≤").replace(">=", "≥")
    return _Reader(text, list(_tokens(text))).read()


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.at = 0

    def read(self) -> list[Atom]:
        found: list[Atom] = []
        refused: list[str] = []
        while self.at < len(self.tokens):
            first = self.at
            if (number := self._number()) is not None:
                found.append(Atom(self._text(first), number))
                continue
            kind, value = self._phrase()
            if kind == "refused":
                refused.append(self._text(first))
            elif kind != "filler":
                found.append(Atom(self._text(first), value))
        if refused:
            raise InputError(
                f"prompt: {', '.join(refused)} cannot be asked for; what can is "
                + ", ".join(quantity.label for quantity in QUANTITIES.values())
            )
        return found

    def _text(self, first: int) -> str:
        return self.text[self.tokens[first].first : self.tokens[self.at - 1].last]

    def _match(self, table: dict, start: int | None = None) -> int:
        """Return how many tokens from here the longest phrase of a table has."""
        start = self.at if start is None else start
        texts = tuple(token.text for token in self.tokens[start : start + _longest()])
        return next((n for n in range(len(texts), 0, -1) if texts[:n] in table), 0)

    def _phrase(self):
        length = self._match(_lexicon())
        if not length:
            raise self._unknown()
        key = tuple(token.text for token in self.tokens[self.at : self.at + length])
        self.at += length
        return _lexicon()[key]

    def _number(self) -> Number | None:
        """Read `30`, `55-60 %`, `between 35 and 40`, `at least 15 mm`, or nothing."""
        at = self.at
        bounds = {**_table(words.BELOW, -1), **_table(words.ABOVE, 1)}
        length = self._match(bounds)
        bound = bounds[tuple(t.text for t in self.tokens[at : at + length])] if length else 0
        at += length
        between = not length and self._is(at, words.BETWEEN)
        at += between
        while self._is(at, "about", "approximately", "around", "roughly", "~"):
            at += 1
        if not self._is_number(at):
            return None
        low = high = float(self.tokens[at].text)
        at, unit = self._unit(at + 1)
        joins = ("-", "to", "and") if between else ("-", "to")
        if not bound and self._is(at, *joins) and self._is_number(at + 1):
            high = float(self.tokens[at + 1].text)
            at, second = self._unit(at + 2)
            if unit and second and unit != second:
                raise InputError(f"prompt: {low:g} {unit} to {high:g} {second} has two units")
            unit = second or unit
            if low >= high:
                raise InputError(
                    f"prompt: {low:g} to {high:g} is not a range; give the lower number first"
                )
        elif between:
            raise InputError(f"prompt: between {low:g} and what? Give two numbers")
        self.at = at
        if bound:
            return (
                Number(low, float("inf"), unit) if bound > 0 else Number(-float("inf"), low, unit)
            )
        return Number(low, high, unit)

    def _unit(self, at: int) -> tuple[int, str]:
        table = _units()
        length = self._match(table, at)
        key = tuple(token.text for token in self.tokens[at : at + length])
        return at + length, table[key] if length else ""

    def _is(self, at: int, *texts: str) -> bool:
        return at < len(self.tokens) and self.tokens[at].text in texts

    def _is_number(self, at: int) -> bool:
        return at < len(self.tokens) and bool(re.match(r"-?\d", self.tokens[at].text))

    def _unknown(self) -> InputError:
        """Name the word, and the phrases nearest to it and what follows it."""
        known = [" ".join(key) for key, (kind, _) in _lexicon().items() if kind == "atom"]
        best: tuple[float, int, list[str]] = (-1.0, 1, [])
        for length in (3, 2, 1):
            tokens = self.tokens[self.at : self.at + length]
            typed = " ".join(token.text for token in tokens)
            near = difflib.get_close_matches(typed, known, _MOST_NEAR, 0.0)
            ratio = difflib.SequenceMatcher(None, near[0], typed).ratio()
            if len(tokens) == length and (ratio > best[0] or length == 1 and best[0] < _NEAR):
                best = ratio, length, near
        ratio, length, near = best
        first, last = self.tokens[self.at], self.tokens[self.at + length - 1]
        hint = f"did you mean {near[0]}?" if ratio >= _NEAR else f"nearest: {', '.join(near)}"
        return InputError(f"prompt: {self.text[first.first : last.last]!r} is not known; {hint}")


def _tokens(text: str) -> Iterator[Token]:
    """Split a text; numbers in words become digits, hyphens between words vanish."""
    raw = [Token(m[0], *m.span()) for m in _TOKEN.finditer(text)]
    i = 0
    while i < len(raw):
        token = raw[i]
        if token.text == "-":
            before = i > 0 and (raw[i - 1].text[0].isdigit() or raw[i - 1].text == "%")
            after = i + 1 < len(raw) and raw[i + 1].text[0].isdigit()
            if after and not before and (i == 0 or raw[i - 1].last < token.first):
                yield Token(f"-{raw[i + 1].text}", token.first, raw[i + 1].last)
                i += 1
            elif after and before:
                yield token
        elif token.text in _IN_WORDS:
            value, last = _number_in_words(raw, i)
            yield Token(f"{value:g}", token.first, raw[last].last)
            i = last
        else:
            yield token
        i += 1


def _number_in_words(raw: list[Token], i: int) -> tuple[float, int]:
    """Read `thirty-five`, `one hundred and twenty`, `zero point six`; return it and its end."""

    def word(at: int) -> str:
        return raw[at].text if at < len(raw) else ""

    def below_hundred(at: int) -> tuple[int, int]:
        value, last = _IN_WORDS[word(at)], at
        after = at + 1 + (word(at + 1) == "-")
        if value >= 20 and 0 < _IN_WORDS.get(word(after), 0) < 10:
            value, last = value + _IN_WORDS[word(after)], after
        return value, last

    value, last = below_hundred(i)
    if value < 10 and word(last + 1) == "hundred":
        value, last = 100 * value, last + 1
        after = last + 1 + (word(last + 1) == "and")
        if word(after) in _IN_WORDS:
            rest, last = below_hundred(after)
            value += rest
    if word(last + 1) == "point" and word(last + 2) in _ONES[:10]:
        digits = ""
        last += 1
        while word(last + 1) in _ONES[:10]:
            digits, last = digits + str(_IN_WORDS[word(last + 1)]), last + 1
        return float(f"{value}.{digits}"), last
    return float(value), last


def phrases(listed: str) -> list[str]:
    """Split a row of a table into its phrases."""
    return [phrase.strip() for phrase in listed.split(", ")]


def _key(phrase: str) -> tuple[str, ...]:
    return tuple(token.text for token in _tokens(phrase.lower()))


def _table(listed: str, value) -> dict:
    return {_key(phrase): value for phrase in phrases(listed)}


@functools.cache
def _units() -> dict:
    return {key: unit for row, unit in words.UNITS.items() for key in _table(row, unit)}


@functools.cache
def _lexicon() -> dict:
    """Return every phrase with its kind and meaning; no phrase may have two."""
    rows: list[tuple[str, str, Any]] = []
    rows += [(row, "atom", Subject(names)) for row, names in words.SUBJECTS.items()]
    rows += [(row, "atom", state) for row, state in {**words.STATES, **words.TERMS}.items()]
    rows += [
        (preset.words, "atom", State(0, (words.HEART,), term=True, diagnosis=name))
        for name, preset in words.PRESETS.items()
    ]
    rows += [(row, "atom", Degree(*edges)) for row, edges in words.DEGREES.items()]
    rows += [(row, "atom", comparison) for row, comparison in words.COMPARISONS.items()]
    rows += [
        (words.NOT, "atom", NOT),
        (words.AND, "atom", AND),
        (words.OR, "atom", OR),
        (words.BY, "atom", BY),
        (words.TO, "atom", TO),
        (words.FILLERS, "filler", None),
        (words.NOT_TARGETS, "refused", None),
    ]
    rows += [(mark, "atom", COMMA if mark == "," else BREAK) for mark in words.BREAK.split()]
    found: dict = {}
    for row, kind, meaning in rows:
        for phrase in [row] if row == "," else phrases(row):
            key = _key(phrase)
            assert key not in found, f"{phrase!r} has two meanings"
            found[key] = (kind, meaning)
    return found


@functools.cache
def _longest() -> int:
    return max(map(len, [*_lexicon(), *_units()]))
