import hashlib
import stat

import numpy as np
import pytest

from gancmri_jax.apps.reader_study.create import create_study
from gancmri_jax.apps.reader_study.items import Plan
from gancmri_jax.apps.reader_study.readers import add_reader, renew_token
from gancmri_jax.apps.reader_study.store import (
    next_screens,
    open_study,
    pixels_of,
    progress,
    read_study,
    reader_of,
    transaction,
)
from gancmri_jax.cine.subject import hash_subject, subject_key
from gancmri_jax.errors import InputError
from tests.readers import make_study, write_gifs, write_niftis


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_niftis(folder / "real", 6)
    write_gifs(folder / "fake", 6)
    write_niftis(folder / "other", 6, seed=2, frames=20, height=64, width=64)
    return folder


def query(path, sql):
    with open_study(path) as connection:
        return connection.execute(sql).fetchall()


def test_videos_of_all_kinds_made_alike(hearts, tmp_path):
    path = tmp_path / "study.db"
    kinds = {"fake": hearts / "fake", "other": hearts / "other"}
    make_study(path, hearts / "real", kinds, items=6, repeats=2)
    with open_study(path) as connection:
        study = read_study(connection)
    assert study.kinds == ("real", "fake", "other") and study.num_shown == 3
    assert (study.size, study.num_frames) == (40, 10)  # the real ones' rows, the fakes' frames
    rows = query(path, "SELECT kind, length(pixels) FROM stimulus")
    assert len(rows) == 18 and {length for _, length in rows} == {10 * 40 * 40}
    items = query(
        path, "SELECT item, group_concat(kind) FROM item JOIN stimulus ON id = stimulus GROUP BY 1"
    )
    assert len(items) == 6 and all(sorted(k.split(",")) == sorted(study.kinds) for _, k in items)
    used = query(path, "SELECT count(DISTINCT stimulus), count(*) FROM item")
    assert used == [(18, 18)]


def test_pairs_share_out_the_kinds_and_never_show_a_frame_twice(hearts, tmp_path):
    path = tmp_path / "study.db"
    kinds = {"fake": hearts / "fake", "other": hearts / "other"}
    make_study(path, hearts / "real", kinds, kind="pairs", items=21, repeats=5)
    counts = dict(query(path, "SELECT kind, count(*) FROM stimulus GROUP BY kind"))
    assert counts == {"real": 21, "fake": 11, "other": 10}
    distinct = query(path, "SELECT count(DISTINCT kind || subject || frame) FROM stimulus")
    assert distinct == [(42,)]
    assert query(path, "SELECT DISTINCT length(pixels) FROM stimulus") == [(40 * 40,)]
    assert query(path, "SELECT count(*) FROM screen") == [(26,)]
    per_screen = query(
        path, "SELECT DISTINCT n FROM (SELECT count(*) n FROM shown GROUP BY screen)"
    )
    assert per_screen == [(2,)]


def test_names_are_hashed_unless_they_are_to_be_kept(hearts, tmp_path):
    names = {f"heart{i:03d}" for i in range(6)}
    for keep, expected in ((True, names), (False, {hash_subject(n, subject_key()) for n in names})):
        path = tmp_path / f"{keep}.db"
        make_study(path, hearts / "real", {"fake": hearts / "fake"}, items=6, keep_ids=keep)
        rows = query(path, "SELECT subject FROM stimulus WHERE kind = 'real'")
        assert {subject for (subject,) in rows} == expected
        if not keep:
            assert not any(name.encode() in path.read_bytes() for name in names)


def test_a_seed_draws_the_same_study_but_for_names(hearts, tmp_path):
    drawn = []
    for path in (tmp_path / "a.db", tmp_path / "b.db"):
        make_study(path, hearts / "real", {"fake": hearts / "fake"}, readers=2)
        drawn.append(
            (
                query(path, "SELECT kind, subject, pixels FROM stimulus ORDER BY id"),
                query(path, "SELECT reader, position, item, repeat FROM screen ORDER BY id"),
                query(path, "SELECT screen, place, stimulus FROM shown ORDER BY 1, 2"),
            )
        )
        drawn.append(query(path, "SELECT name FROM screen UNION SELECT name FROM shown"))
    assert drawn[0] == drawn[2]
    assert not set(drawn[1]) & set(drawn[3])


def test_readers_have_orders_and_names_of_their_own(hearts, tmp_path):
    path = tmp_path / "study.db"
    make_study(path, hearts / "real", {"fake": hearts / "fake"}, items=6, readers=2)
    orders = [
        query(path, f"SELECT item FROM screen WHERE reader = {reader} ORDER BY position")
        for reader in (1, 2)
    ]
    assert orders[0] != orders[1]
    names = query(path, "SELECT name FROM shown")
    assert len({len(name) for (name,) in names}) == 1 and len(set(names)) == len(names)


def test_a_super_resolved_heart_does_not_stand_beside_its_source(hearts, tmp_path):
    key = subject_key()
    again = tmp_path / "superres"
    write_niftis(again, 6)
    for i in range(6):
        name = hash_subject(f"heart{i:03d}", key)
        (again / f"heart{i:03d}.nii.gz").rename(again / f"{name}-{i:04d}-x2.nii.gz")
    for seed in range(4):
        path = tmp_path / f"{seed}.db"
        make_study(
            path, hearts / "real", {"sr": again}, items=6, keep_ids=True, seed=seed, repeats=0
        )
        rows = query(
            path, "SELECT item, subject FROM item JOIN stimulus ON id = stimulus ORDER BY 1, number"
        )
        pairs = [(rows[i][1], rows[i + 1][1]) for i in range(0, 12, 2)]
        assert len(pairs) == 6
        assert not any(sr.startswith(hash_subject(real, key)) for real, sr in pairs)


def test_in_pairs_a_super_resolved_heart_does_not_stand_beside_its_source_either(hearts, tmp_path):
    key = subject_key()
    again = write_niftis(tmp_path / "superres", 6)
    for i in range(6):
        name = hash_subject(f"heart{i:03d}", key)
        (again / f"heart{i:03d}.nii.gz").rename(again / f"{name}-{i:04d}-x2.nii.gz")
    kinds = {"fake": hearts / "fake", "sr": again}
    for seed in range(4):
        said: list[str] = []
        path = tmp_path / f"{seed}.db"
        plan = Plan("pairs", hearts / "real", kinds, items=12, repeats=0, seed=seed, keep_ids=True)
        create_study(path, plan, 1, say=said.append, progress=lambda steps, _: steps)
        rows = query(
            path, "SELECT item, subject FROM item JOIN stimulus ON id = stimulus ORDER BY 1, number"
        )
        pairs = [(rows[i][1], rows[i + 1][1]) for i in range(0, 24, 2)]
        assert sum("-x2" in synthetic for _, synthetic in pairs) == 6
        assert not any(theirs.startswith(hash_subject(ours, key)) for ours, theirs in pairs)
        (note,) = [line for line in said if not line.startswith("warning: image statistics")]
        assert note.startswith("note: sr has hearts that are among the real ones")
        assert "--all-generated" in note


def test_a_name_that_only_begins_alike_is_another_hearts(hearts, tmp_path):
    """Of "heart0" are "heart0" and "heart0-0000-x2", but not "heart000"."""
    real = write_niftis(tmp_path / "real", 1)
    (real / "heart000.nii.gz").rename(real / "heart0.nii.gz")
    asked = {"items": 1, "repeats": 0}
    make_study(tmp_path / "study.db", real, {"x": hearts / "real"}, **asked)
    sr = write_niftis(tmp_path / "sr", 1, name="heart0-")
    with pytest.raises(InputError, match="sr: has no cine left but of the very heart"):
        make_study(tmp_path / "other.db", real, {"sr": sr}, **asked)


def test_tokens_are_kept_as_hashes_alone_and_the_file_is_the_owners(hearts, tmp_path):
    path = tmp_path / "study.db"
    tokens = make_study(path, hearts / "real", {"fake": hearts / "fake"}, readers=2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open_study(path) as connection:
        readers = [reader_of(connection, token) for token in tokens.values()]
        assert readers == [1, 2] and reader_of(connection, "") is None
        assert reader_of(connection, "guessed") is None
    kept = query(path, "SELECT token_sha256 FROM reader")
    assert set(kept) == {(hashlib.sha256(token.encode()).hexdigest(),) for token in tokens.values()}
    assert not any(token.encode() in path.read_bytes() for token in tokens.values())


def test_a_further_reader_and_a_lost_link(hearts, tmp_path):
    path = tmp_path / "study.db"
    (lost,) = make_study(path, hearts / "real", {"fake": hearts / "fake"}).values()
    with open_study(path) as connection:
        added = add_reader(connection, "dr-x")
        renewed = renew_token(connection, "reader-1")
        assert reader_of(connection, lost) is None
        assert (reader_of(connection, renewed), reader_of(connection, added)) == (1, 2)
        assert progress(connection) == {"reader-1": (0, 5), "dr-x": (0, 5)}
        with pytest.raises(InputError, match="dr-x: is a reader already"):
            add_reader(connection, "dr-x")
        with pytest.raises(InputError, match="dr-y: no such reader; there are reader-1, dr-x"):
            renew_token(connection, "dr-y")


def test_a_reader_is_planned_whole_or_not_at_all(hearts, tmp_path):
    path = tmp_path / "study.db"
    make_study(path, hearts / "real", {"fake": hearts / "fake"})
    with open_study(path) as connection:
        with pytest.raises(InputError), transaction(connection):
            add_reader(connection, "dr-x")
            add_reader(connection, "dr-x")
        assert list(progress(connection)) == ["reader-1"]


def test_a_reader_on_this_machine_needs_no_token(hearts, tmp_path):
    path = tmp_path / "study.db"
    assert make_study(path, hearts / "real", {"fake": hearts / "fake"}, readers=0) == {"local": ""}
    with open_study(path) as connection:
        assert reader_of(connection, "") == 1


def test_what_is_shown_is_what_was_read(hearts, tmp_path):
    path = tmp_path / "study.db"
    make_study(path, hearts / "real", {"fake": hearts / "fake"}, size=20, num_frames=5)
    with open_study(path) as connection:
        (screen,) = next_screens(connection, 1, 1)
        for name in screen.stimuli:
            frames = np.frombuffer(pixels_of(connection, 1, name), np.uint8).reshape(5, 20, 20)
            # The disc is in the middle, and brighter than what is around it.
            assert frames[:, 8:12, 8:12].mean() > 2 * frames[:, :2].mean()
            assert len(np.unique(frames, axis=0)) == 5
        assert pixels_of(connection, 2, screen.stimuli[0]) is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"items": 7}, "real: holds 6 cines that can be shown, and 7 are needed"),
        ({"kind": "pairs", "items": 61}, "fake: holds 60 frames, and 61 different ones"),
        ({"kind": "pairs", "num_frames": 5}, "--frames is of videos"),
        ({"items": 2, "repeats": 3}, "--repeats 3 is more than --items 2"),
        ({"synthetic": {}}, "give --synthetic"),
        ({"synthetic": {"real": "x"}}, "a name that is taken"),
        ({"synthetic": {"x": "nowhere"}}, "nowhere: no such file or folder"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(hearts, tmp_path, asked, said):
    folders = {
        name: hearts / where for name, where in asked.pop("synthetic", {"x": "fake"}).items()
    }
    with pytest.raises(InputError, match=said):
        make_study(tmp_path / "study.db", hearts / "real", folders, **asked)
    assert list(tmp_path.iterdir()) == []


def test_answers_are_never_written_over(hearts, tmp_path):
    path = tmp_path / "study.db"
    path.write_text("answers")
    with pytest.raises(InputError, match="is there already"):
        make_study(path, hearts / "real", {"fake": hearts / "fake"})
    assert path.read_text() == "answers"
    with pytest.raises(InputError, match="cannot be used as a reader study"), open_study(path):
        pass
    with pytest.raises(InputError, match="no such file"), open_study(tmp_path / "no.db"):
        pass
