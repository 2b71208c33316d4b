import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model.published import DIRECTIONS, ED_TO_ES, STEPS, read_published


def test_the_steps_names():
    assert (STEPS[0], STEPS[8], STEPS[9], STEPS[48], len(STEPS)) == ("01", "89", "910", "4849", 49)


def test_the_published_folder(shared):
    found = read_published(shared / "data" / "trajectories", 14, 512)
    assert found.steps.shape == (49, 14, 512) and found.ed_to_es.shape == (14, 512)
    assert found.rank == 16 and found.gap < 1e-4
    assert found.kept.peak == pytest.approx(0.46, abs=0.005) and found.kept.frame == 18
    norms = [
        float(np.linalg.norm(each[0])) for each in (found.ed_to_es, *found.directions.values())
    ]
    assert norms == pytest.approx([6.05, 7.89, 5.78], abs=0.005)


@pytest.fixture
def folder(tmp_path):
    """Steps along one direction out and back, 2 codes of 3 values."""
    folder = tmp_path / "trajectories"
    folder.mkdir()
    along = np.zeros((1, 2, 3), np.float32)
    along[0, 1, 2] = 1
    for index, name in enumerate(STEPS):
        np.save(folder / f"{name}.npy", along * (1 if index < 24 else -1 if index < 48 else 0))
    np.save(folder / f"{ED_TO_ES}.npy", along * 30)
    for name in DIRECTIONS:
        np.save(folder / f"{name}.npy", along)
    return folder


def test_motion_by_hand(folder):
    found = read_published(folder, 2, 3)
    assert (found.rank, found.gap) == (1, 0)
    assert found.kept.peak == pytest.approx(24 / 30) and found.kept.frame == 24


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("910", None, "910.npy is missing"),
        ("4950", np.zeros((1, 2, 3), "<f4"), "4950.npy is none of the 49 steps"),
        ("12", np.zeros((1, 14, 512), "<f4"), r"12.npy: is float32 \(1, 14, 512\), .* \(1, 2, 3\)"),
        ("time", np.zeros((1, 2, 3), int), "time.npy: is int64"),
        ("time", np.full((1, 2, 3), np.nan, "<f4"), "time.npy: holds values that are not finite"),
        ("4849", np.ones((1, 2, 3), "<f4"), "do not close the cycle: their sum is"),
        ("01", np.array([{}], object), "01.npy: cannot be read"),
    ],
    ids=["missing", "unknown", "shape", "integers", "nan", "open", "pickle"],
)
def test_a_folder_of_something_else_is_refused(folder, name, array, said):
    path = folder / f"{name}.npy"
    path.unlink(missing_ok=True)
    if array is not None:
        np.save(path, array, allow_pickle=True)
    with pytest.raises(InputError, match=said):
        read_published(folder, 2, 3)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_published(tmp_path / "none", 2, 3)
