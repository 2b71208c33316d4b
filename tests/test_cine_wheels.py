"""Every test file inside pydicom's and nibabel's packages: heads, phantoms and broken files."""

import pathlib

import nibabel
import pydicom
import pytest
from click.testing import CliRunner

from gancmri_jax.cine.read import read_cines
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError

PACKAGES = [pathlib.Path(package.__file__).parent for package in (pydicom, nibabel)]
CODE = {".py", ".pyc", ".pyi", ".typed"}


@pytest.fixture(scope="module")
def files():
    found = [p for root in PACKAGES for p in sorted(root.rglob("*")) if p.is_file()]
    found = [path for path in found if path.suffix not in CODE]
    assert len(found) > 200
    return found


def test_none_is_a_heart_and_each_says_why(files):
    for path in files:
        refusals = []
        with pytest.raises(InputError, match="nothing in it can be read"):
            read_cines(path, refusals.append)
        assert refusals and not any("\n" in refusal.reason for refusal in refusals), path


@pytest.mark.parametrize("verb", ["prepare", "segment"])
@pytest.mark.parametrize("root", PACKAGES, ids=lambda root: root.name)
def test_verbs_refuse_whole_packages_and_leave_nothing(verb, root, tmp_path, monkeypatch):
    monkeypatch.setattr("gancmri_jax.model.file.load_segmenter_of", lambda name: None)
    arguments = [verb, "--input", str(root), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(gancmri, arguments)
    assert isinstance(result.exception, InputError), result.exception
    assert "nothing in it can be read" in str(result.exception)
    assert not list(tmp_path.iterdir())
