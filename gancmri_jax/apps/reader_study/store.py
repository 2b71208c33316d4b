"""A reader study as one SQLite file: what is shown, and to whom.

With a write-ahead log and `synchronous=FULL`, what is committed is on the disk, whatever happens to
the process or the machine afterwards: see SQLite's pages on WAL and on `PRAGMA synchronous`.
Readers' tokens are kept as SHA-256 only.
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import sqlite3
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from gancmri_jax.errors import InputError

Kind = Literal["pairs", "videos"]
FORMAT = 1
REAL = "real"
_WAIT_S = 30.0  # for another process that writes

SCHEMA = """
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE stimulus (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, frame INTEGER,
    pixels BLOB NOT NULL
);
CREATE TABLE item (
    item INTEGER NOT NULL, number INTEGER NOT NULL, stimulus INTEGER NOT NULL REFERENCES stimulus,
    PRIMARY KEY (item, number)
);
CREATE TABLE reader (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, token_sha256 TEXT UNIQUE);
CREATE TABLE screen (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL,
    reader INTEGER NOT NULL REFERENCES reader, position INTEGER NOT NULL,
    item INTEGER NOT NULL, repeat INTEGER NOT NULL, UNIQUE (reader, position)
);
CREATE TABLE shown (
    screen INTEGER NOT NULL REFERENCES screen, place INTEGER NOT NULL, name TEXT UNIQUE NOT NULL,
    stimulus INTEGER NOT NULL REFERENCES stimulus, PRIMARY KEY (screen, place)
);
CREATE TABLE answer (
    screen INTEGER PRIMARY KEY REFERENCES screen, chosen TEXT NOT NULL, ranks TEXT NOT NULL,
    response_ms REAL NOT NULL, answered_at TEXT NOT NULL
);
"""


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study is.

    Attributes:
        kind: Pairs of frames, or videos to rank.
        synthetic: Names of the synthetic kinds.
        size: Rows and columns of every frame.
        num_frames: Of every stimulus.
        beat_ms: Time in which a video's frames are played.
        items: How many, without repeats.
        repeats: How many of them each reader sees again.
        seed: Everything was drawn from.
        page_token: What pages send back with their answers, over restarts of the server.
        sources: Where each kind came from.
        created: Date, time and version.
        blinding: What statistics say of real and synthetic clips (`blinding.as_json`), `before`
            and, with `--match`, `after`; and the `target` that clips were brought to.
    """

    kind: Kind
    synthetic: tuple[str, ...]
    size: int
    num_frames: int
    beat_ms: float
    items: int
    repeats: int
    seed: int
    page_token: str
    sources: dict[str, str]
    created: str
    blinding: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of all kinds, the real one first."""
        return (REAL, *self.synthetic)

    @property
    def num_shown(self) -> int:
        """How many stimuli stand on a screen."""
        return 2 if self.kind == "pairs" else len(self.kinds)


@dataclasses.dataclass(frozen=True)
class Screen:
    """What a reader is shown next.

    Attributes:
        name: Opaque name of the screen.
        stimuli: Opaque names of what stands at each place, left to right.
    """

    name: str
    stimuli: tuple[str, ...]


@contextlib.contextmanager
def open_study(path: pathlib.Path) -> Iterator[sqlite3.Connection]:
    """Open a study's file, for any thread of the caller's that waits its turn.

    Raises:
        InputError: It is not there, or is no study.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; `gancmri study create` makes a study")
    with contextlib.closing(
        sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    ) as connection:
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA journal_mode=WAL")
            found = connection.execute("SELECT value FROM study WHERE key = 'format'").fetchone()
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path}: cannot be used as a reader study ({error})") from error
        if found is None or found[0] != str(FORMAT):
            raise InputError(f"{path}: is a study of another version; make it anew")
        yield connection


def damage(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite's `quick_check` finds wrong with a study's file, a line each."""
    try:
        said = [line for (line,) in connection.execute("PRAGMA quick_check(20)")]
    except sqlite3.DatabaseError as error:
        said = [str(error)]
    return [] if said == ["ok"] else [" ".join(str(line).split()) for line in said]


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all that is inside, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def write_study(connection: sqlite3.Connection, study: Study) -> None:
    """Lay out a new file."""
    connection.executescript(SCHEMA)
    rows = {"format": str(FORMAT), "study": json.dumps(dataclasses.asdict(study))}
    connection.executemany("INSERT INTO study VALUES (?, ?)", rows.items())


def update_study(connection: sqlite3.Connection, study: Study) -> None:
    """Write again what a study is, before anybody is shown it."""
    text = json.dumps(dataclasses.asdict(study))
    connection.execute("UPDATE study SET value = ? WHERE key = 'study'", (text,))


def read_study(connection: sqlite3.Connection) -> Study:
    """Read what a study is.

    Raises:
        InputError: It is garbled.
    """
    row = connection.execute("SELECT value FROM study WHERE key = 'study'").fetchone()
    try:
        fields = json.loads(row[0])
        return Study(**fields | {"synthetic": tuple(fields["synthetic"])})
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            "the study's description is garbled, so its file is damaged; restore a copy"
        ) from error


def add_stimulus(
    connection: sqlite3.Connection,
    kind: str,
    subject: str,
    frame: int | None,
    pixels: UInt8[np.ndarray, "t h w"],
) -> int:
    """Write what is shown, raw, so that its length tells nothing; return its number."""
    cursor = connection.execute(
        "INSERT INTO stimulus (kind, subject, frame, pixels) VALUES (?, ?, ?, ?)",
        (kind, subject, frame, pixels.tobytes()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def reader_of(connection: sqlite3.Connection, token: str) -> int | None:
    """Return the number of the reader whose token this is; the empty one is a local reader's."""
    row = connection.execute(
        "SELECT id FROM reader WHERE token_sha256 IS ?", (hash_token(token),)
    ).fetchone()
    return row and row[0]


def hash_token(token: str) -> str | None:
    """Return what is kept of a token; nothing of the empty one."""
    return hashlib.sha256(token.encode()).hexdigest() if token else None


def progress_of(connection: sqlite3.Connection, reader: int) -> tuple[int, int]:
    """Return how many screens a reader has answered, and of how many."""
    done, total = connection.execute(
        "SELECT count(answer.screen), count(*) FROM screen "
        "LEFT JOIN answer ON answer.screen = screen.id WHERE reader = ?",
        (reader,),
    ).fetchone()
    return done, total


def progress(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return how many screens each reader has answered, and of how many."""
    readers = connection.execute("SELECT name, id FROM reader ORDER BY id").fetchall()
    return {name: progress_of(connection, reader) for name, reader in readers}


def next_screens(connection: sqlite3.Connection, reader: int, count: int) -> list[Screen]:
    """Return a reader's next screens that are not answered, in order."""
    rows = connection.execute(
        "SELECT id, name FROM screen LEFT JOIN answer ON answer.screen = screen.id "
        "WHERE reader = ? AND answer.screen IS NULL ORDER BY position LIMIT ?",
        (reader, count),
    ).fetchall()
    screens = []
    for number, name in rows:
        shown = connection.execute(
            "SELECT name FROM shown WHERE screen = ? ORDER BY place", (number,)
        ).fetchall()
        screens.append(Screen(name, tuple(name for (name,) in shown)))
    return screens


def pixels_of(connection: sqlite3.Connection, reader: int, name: str) -> bytes | None:
    """Return a stimulus of a reader's by its opaque name."""
    row = connection.execute(
        "SELECT pixels FROM shown JOIN screen ON screen.id = shown.screen "
        "JOIN stimulus ON stimulus.id = shown.stimulus WHERE shown.name = ? AND reader = ?",
        (name, reader),
    ).fetchone()
    return row and row[0]
