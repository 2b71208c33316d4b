"""Answers of a reader study: written so that none is lost or doubled, and read back unblinded."""

import dataclasses
import datetime
import json
import sqlite3

from gancmri_jax.apps.reader_study.store import Study, next_screens, read_study
from gancmri_jax.errors import InputError

MOST_MS = 1e9


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, unblinded.

    Attributes:
        reader: Who.
        item, repeat, position: What, whether for the second time, and where in the reader's order.
        places: The kind that stood at each place.
        subjects: Whose heart stood there.
        chosen: The kind that was taken for real.
        ranks: Rank of each kind, 1 the best; empty in a study of pairs.
        response_ms: Time the screen was in view before the answer.
        answered_at: UTC, ISO 8601.
    """

    reader: str
    item: int
    repeat: bool
    position: int
    places: tuple[str, ...]
    subjects: tuple[str, ...]
    chosen: str
    ranks: dict[str, int]
    response_ms: float
    answered_at: str


def record(
    connection: sqlite3.Connection,
    reader: int,
    screen: str,
    chosen: str,
    ranks: dict[str, int],
    response_ms: float,
) -> None:
    """Write an answer, by opaque names; when this returns it is on the disk.

    The same answer may be sent again, by who never heard that it arrived.

    Raises:
        InputError: It is not complete, not of this reader's next screen, or contradicts an earlier
            one, which stands.
    """
    row = connection.execute(
        "SELECT id FROM screen WHERE name = ? AND reader = ?", (screen, reader)
    ).fetchone()
    if row is None:
        raise InputError("this screen is not yours")
    shown = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM shown WHERE screen = ? ORDER BY place", row
        )
    ]
    _check(read_study(connection), shown, chosen, ranks, response_ms)
    ordered = json.dumps([ranks[name] for name in shown] if ranks else [])
    earlier = connection.execute(
        "SELECT chosen, ranks FROM answer WHERE screen = ?", row
    ).fetchone()
    if earlier is None:
        if next_screens(connection, reader, 1)[0].name != screen:
            raise InputError("answer the screens in the order in which they come")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        connection.execute(
            "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?)",
            (*row, chosen, ordered, response_ms, now),
        )
        earlier = connection.execute(
            "SELECT chosen, ranks FROM answer WHERE screen = ?", row
        ).fetchone()
    if earlier != (chosen, ordered):
        raise InputError("this screen has been answered already, and that answer stands")


def _check(
    study: Study, shown: list[str], chosen: str, ranks: dict[str, int], response_ms: float
) -> None:
    if chosen not in shown:
        raise InputError("choose the one that is real")
    if study.kind == "pairs" and ranks:
        raise InputError("pairs are not ranked")
    whole = sorted(ranks) == sorted(shown) and sorted(ranks.values()) == list(
        range(1, len(shown) + 1)
    )
    if study.kind == "videos" and not whole:
        raise InputError(f"give each video another rank, 1 to {len(shown)}")
    if not 0 <= response_ms < MOST_MS:
        raise InputError(f"a response takes no {response_ms:g} ms")


def read_answers(connection: sqlite3.Connection) -> list[Answer]:
    """Read all answers that can be read, unblinded, by reader and position."""
    return read_all(connection)[0]


def read_all(connection: sqlite3.Connection) -> tuple[list[Answer], list[str]]:
    """Read all answers, unblinded, by reader and position; say which rows are garbled.

    Raises:
        sqlite3.DatabaseError: What was shown to whom cannot be read.
    """
    study = read_study(connection)
    shown: dict[int, list[tuple[str, str, str]]] = {}
    for screen, name, kind, subject in connection.execute(
        "SELECT screen, name, kind, subject FROM shown "
        "JOIN stimulus ON stimulus.id = shown.stimulus ORDER BY screen, place"
    ):
        shown.setdefault(screen, []).append((name, kind, subject))
    screens = connection.execute(
        "SELECT screen.id, reader.name, item, repeat, position FROM screen "
        "JOIN reader ON reader.id = screen.reader ORDER BY reader.id, position"
    ).fetchall()
    answers, garbled = [], []
    for screen, *presented in screens:
        try:  # each by itself, so that a damaged page costs the rows on it alone
            row = connection.execute(
                "SELECT chosen, ranks, response_ms, answered_at FROM answer WHERE screen = ?",
                (screen,),
            ).fetchone()
            if row is not None:
                answers.append(_unblinded(study, presented, shown.get(screen, []), row))
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            reader, position = presented[0], presented[-1]
            garbled.append(f"{reader}, screen {position + 1}: {error}")
    try:
        (lost,) = connection.execute(
            "SELECT count(*) FROM answer WHERE screen NOT IN (SELECT id FROM screen)"
        ).fetchone()
    except sqlite3.DatabaseError:
        lost = 0  # the rows that cannot be read were named
    if lost:
        garbled.append(f"{lost} answers to screens that nobody was shown")
    return answers, garbled


def _unblinded(study: Study, presented: list, shown: list, row: tuple) -> Answer:
    """Return an answer.

    Raises:
        ValueError, TypeError: The row is none that `record` wrote.
    """
    reader, item, repeat, position = presented
    chosen, ranks, response_ms, answered_at = row
    names = [name for name, _, _ in shown]
    kinds = tuple(kind for _, kind, _ in shown)
    if len(shown) != study.num_shown or not set(kinds) <= set(study.kinds):
        raise ValueError("what was shown is not known")
    if chosen not in names:
        raise ValueError("chose what was not shown")
    ordered = json.loads(ranks)
    if ordered != [] and sorted(ordered) != list(range(1, len(shown) + 1)):
        raise ValueError("the ranks are none")
    if (ordered == []) != (study.kind == "pairs"):
        raise ValueError("ranks of another kind of study")
    if not isinstance(response_ms, float) or not 0 <= response_ms < MOST_MS:
        raise ValueError("the response time is none")
    datetime.datetime.fromisoformat(answered_at)
    return Answer(
        reader=reader,
        item=item,
        repeat=bool(repeat),
        position=position,
        places=kinds,
        subjects=tuple(subject for _, _, subject in shown),
        chosen=kinds[names.index(chosen)],
        ranks=dict(zip(kinds, ordered, strict=False)),
        response_ms=response_ms,
        answered_at=answered_at,
    )
