"""Readers of a study: the screens planned for each, and the token that opens them."""

import secrets
import sqlite3

import numpy as np

from gancmri_jax.apps.reader_study.design import schedule
from gancmri_jax.apps.reader_study.store import hash_token, read_study
from gancmri_jax.errors import InputError


def add_reader(connection: sqlite3.Connection, name: str, *, with_token: bool = True) -> str:
    """Plan a further reader's screens, and return the token, which is kept nowhere.

    Raises:
        InputError: There is a reader of that name.
    """
    study = read_study(connection)
    token = secrets.token_urlsafe(16) if with_token else ""
    try:
        reader = connection.execute(
            "INSERT INTO reader (name, token_sha256) VALUES (?, ?)", (name, hash_token(token))
        ).lastrowid
    except sqlite3.IntegrityError as error:
        raise InputError(f"{name}: is a reader already") from error
    assert reader is not None
    items: dict[int, list[int]] = {}
    for item, stimulus in connection.execute(
        "SELECT item, stimulus FROM item ORDER BY item, number"
    ):
        items.setdefault(item, []).append(stimulus)
    rng = np.random.default_rng((study.seed, reader))
    screens = schedule(study.items, study.repeats, study.num_shown, rng)
    for position, screen in enumerate(screens):
        # Names are not drawn from the seed: who knows it must not be able to work them out.
        number = connection.execute(
            "INSERT INTO screen (name, reader, position, item, repeat) VALUES (?, ?, ?, ?, ?)",
            (secrets.token_urlsafe(12), reader, position, screen.item, screen.repeat),
        ).lastrowid
        connection.executemany(
            "INSERT INTO shown VALUES (?, ?, ?, ?)",
            [
                (number, place, secrets.token_urlsafe(12), items[screen.item][which])
                for place, which in enumerate(screen.order)
            ],
        )
    return token


def renew_token(connection: sqlite3.Connection, name: str) -> str:
    """Give a reader another token, which is returned; the old one opens nothing any more.

    Raises:
        InputError: There is no such reader.
    """
    token = secrets.token_urlsafe(16)
    changed = connection.execute(
        "UPDATE reader SET token_sha256 = ? WHERE name = ?", (hash_token(token), name)
    ).rowcount
    if not changed:
        names = [known for (known,) in connection.execute("SELECT name FROM reader ORDER BY id")]
        raise InputError(f"{name}: no such reader; there are {', '.join(names)}")
    return token
