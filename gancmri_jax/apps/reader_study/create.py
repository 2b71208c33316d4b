"""Make a reader study: what is shown, and what each reader will see of it, in one file."""

import contextlib
import dataclasses
import datetime
import math
import pathlib
import secrets
import sqlite3
from collections.abc import Callable

import numpy as np

from gancmri_jax.apps.reader_study.blinding import EVENED, as_json, check
from gancmri_jax.apps.reader_study.items import Plan, Track, draw_pairs, draw_videos, open_kinds
from gancmri_jax.apps.reader_study.matching import match
from gancmri_jax.apps.reader_study.readers import add_reader
from gancmri_jax.apps.reader_study.stimuli import is_lossy
from gancmri_jax.apps.reader_study.store import REAL, Study, update_study, write_study
from gancmri_jax.atomic import atomic_write
from gancmri_jax.errors import InputError
from gancmri_jax.lock import one_run
from gancmri_jax.version import __version__

LOCAL_READER = "local"


def create_study(
    out: pathlib.Path,
    plan: Plan,
    num_readers: int,
    *,
    say: Callable[[str], object],
    progress: Track,
) -> tuple[Study, dict[str, str]]:
    """Write a study's file, whole or not at all; return it with the token of each reader.

    Args:
        out: Must not be there yet.
        plan: What is asked for.
        num_readers: With a token each; 0 for one reader on this machine, without.
        say: Is told of files that are skipped, and of what may give answers away.
        progress: Wraps what is gone through, under a name.

    Raises:
        InputError: The file is there already, or a folder holds too little.
    """
    _check(out, plan)
    cine_rng, item_rng = np.random.default_rng(plan.seed).spawn(2)
    with (
        one_run(out, "study create", beside=True),
        atomic_write(out, durable=True) as part,
        contextlib.closing(_new_file(part)) as connection,
    ):
        _check(out, plan)  # another run may just have made it
        opened = open_kinds(plan, cine_rng, lambda refusal: say(str(refusal)))
        first = [cine for cine, _ in opened.values()]
        study = Study(
            kind=plan.kind,
            synthetic=tuple(plan.synthetic),
            size=plan.size or min(min(cine.pixels.shape[1:]) for cine in first),
            num_frames=1
            if plan.kind == "pairs"
            else plan.num_frames or min(len(cine.pixels) for cine in first),
            beat_ms=plan.beat_ms,
            items=plan.items,
            repeats=plan.repeats,
            seed=plan.seed,
            page_token=secrets.token_urlsafe(),
            sources={kind: str(path) for kind, path in plan.paths.items()},
            created=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M UTC}, {__version__}",
        )
        write_study(connection, study)
        if plan.kind == "pairs":
            items = draw_pairs(connection, study, plan, opened, item_rng, say, progress)
        else:
            items = draw_videos(connection, study, plan, opened, item_rng, say, progress)
        connection.executemany(
            "INSERT INTO item VALUES (?, ?, ?)",
            [
                (item, number, stimulus)
                for item, stimuli in enumerate(items)
                for number, stimulus in enumerate(stimuli)
            ],
        )
        study = _check_blinding(connection, study, plan, say, progress)
        names = [f"reader-{i + 1}" for i in range(num_readers)] or [LOCAL_READER]
        tokens = {name: add_reader(connection, name, with_token=num_readers > 0) for name in names}
        connection.commit()
    _tell_of_compression(plan, say)
    return study, tokens


def _check(out: pathlib.Path, plan: Plan) -> None:
    if out.exists():
        raise InputError(f"{out}: is there already, and may hold answers; choose another --out")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder")
    if not plan.synthetic:
        raise InputError("a study needs something synthetic; give --synthetic NAME=FOLDER")
    if REAL in plan.synthetic:
        raise InputError(f"--synthetic {REAL}=… is a name that is taken; choose another")
    if plan.kind == "pairs" and plan.num_frames is not None:
        raise InputError(
            "--frames is of videos, and --kind pairs shows single frames; leave it out"
        )
    if plan.repeats > plan.items:
        raise InputError(f"--repeats {plan.repeats} is more than --items {plan.items}")


def _check_blinding(
    connection: sqlite3.Connection,
    study: Study,
    plan: Plan,
    say: Callable[[str], object],
    progress: Track,
) -> Study:
    """Say where image statistics alone distinguish kinds, even them out if asked, keep both."""
    before = check(connection, study)
    kept = {"before": as_json(before)}
    after = before
    if plan.match:
        study, target = match(connection, study, progress)
        after = check(connection, study)
        kept |= {"after": as_json(after), "target": target.described()}
    for kind, verdict in after.items():
        if plan.match:
            say(f"{kind}: {before[kind]} before --match, {verdict} after")
        if verdict.is_telling:
            way = "no option evens out the rest" if plan.match else f"`--match` evens out {EVENED}"
            say(
                f"warning: image statistics alone distinguish real hearts from {kind}: {verdict}; "
                f"{way}"
            )
        elif math.isnan(verdict.auc):
            say(f"note: {kind} has too few subjects to check what image statistics give away")
    study = dataclasses.replace(study, blinding=kept)
    update_study(connection, study)
    return study


def _new_file(part: pathlib.Path) -> sqlite3.Connection:
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)  # it holds hearts, and which of them are real
    connection = sqlite3.connect(part)
    connection.execute("PRAGMA journal_mode=MEMORY")
    return connection


def _tell_of_compression(plan: Plan, say: Callable[[str], object]) -> None:
    lossy = [kind for kind, path in plan.paths.items() if is_lossy(path)]
    if lossy and len(lossy) < len(plan.paths):
        say(
            f"note: {', '.join(lossy)} come from compressed videos and the others do not, which "
            "may tell them apart; write them as NIfTI, or give all as videos"
        )
