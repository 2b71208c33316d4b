import errno
import functools
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.training.state import TrainState, optimizers
from tests.tiny import tiny_config


def make_state(step):
    params = {"a": jnp.full((2, 3), float(step)), "b": {"c": jnp.asarray(0.1 * step)}}
    g_optimizer, d_optimizer = optimizers(tiny_config())
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        g_params=params,
        d_params=params,
        g_ema=params,
        g_opt=g_optimizer.init(params),
        d_opt=d_optimizer.init(params),
        w_avg=jnp.full(8, 0.5 * step),
        pl_mean=jnp.asarray(2.0 * step),
        ada_p=jnp.asarray(0.01 * step),
        ada_signs=jnp.asarray(0.3 * step),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    with Checkpoints(folder) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(make_state(step), {"next_index": 10 * step})
    return folder


def test_the_newest_comes_back_whole(saved):
    with Checkpoints(saved) as checkpoints:
        state, data = checkpoints.load_latest(make_state(0))
    assert data == {"next_index": 30}
    jax.tree.map(
        functools.partial(np.testing.assert_array_equal, strict=True), state, make_state(3)
    )


def test_older_ones_go(saved):
    assert sorted(p.name for p in saved.iterdir() if p.is_dir()) == ["2", "3"]


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "checkpoints")


def largest(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=_size)


def load(folder):
    with Checkpoints(folder) as checkpoints:
        return checkpoints.load_latest(make_state(0))


def test_one_cut_short_is_passed_over_with_a_warning(folder, capsys):
    cut = largest(folder / "3")
    cut.write_bytes(cut.read_bytes()[: _size(cut) // 2])
    state, data = load(folder)
    assert state.step == 2 and data == {"next_index": 20}
    said = capsys.readouterr().err
    assert "3: cannot be read (" in said and f"{cut.name}: is damaged" in said


def test_one_flipped_bit_is_known(folder, capsys):
    path = largest(folder / "3")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert load(folder)[0].step == 2 and "another SHA-256" in capsys.readouterr().err


def test_one_without_checksums_is_loaded_and_named(folder, capsys):
    (folder / "3" / "checksums.json").unlink()
    assert load(folder)[0].step == 3
    assert "3: has no checksums, so damage would go unnoticed" in capsys.readouterr().err


def test_when_all_are_cut_short_one_line_says_so(folder):
    for step in ("2", "3"):
        for path in (folder / step).rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[: _size(path) // 2])
    with pytest.raises(InputError, match="checkpoints: none of its checkpoints can be read; rest"):
        load(folder)


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capfd):
    """Whatever Orbax makes of it: the disk is full when it writes, in the background."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    said = (
        r"^[^\n]*checkpoints: a checkpoint cannot be written \(No space left on device\); [^\n]*$"
    )
    with pytest.raises(InputError, match=said), Checkpoints(tmp_path / "checkpoints") as saving:
        saving.save(make_state(1), {"next_index": 10})
        assert saving.latest == 1
        monkeypatch.setattr("gancmri_jax.runs.checkpoint.write_checksums", full)
        saving.save(make_state(2), {"next_index": 20})
    monkeypatch.undo()
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.load_latest(make_state(0)) is not None
    assert "Traceback" not in capfd.readouterr().err


def test_an_error_of_the_run_is_not_hidden_by_one_of_the_disk(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gancmri_jax.runs.checkpoint.write_checksums", full)
    with pytest.raises(KeyError), Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(make_state(1), {"next_index": 10})
        raise KeyError


def _size(path):
    return path.stat().st_size


def test_an_empty_folder_has_none(tmp_path):
    with Checkpoints(tmp_path / "none") as checkpoints:
        assert checkpoints.load_latest(make_state(0)) is None
