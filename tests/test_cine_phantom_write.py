import nibabel
import numpy as np

from gancmri_jax.cine.phantom import phantom
from gancmri_jax.cine.phantom.write import write_phantoms
from gancmri_jax.cine.phenotypes import read_phenotypes


def test_a_subject_is_the_same_whatever_else_is_written(tmp_path):
    write_phantoms(tmp_path, [7, 3], 32, 8, seed=5)
    rendered = phantom(5, 7, 32, 8)
    image = nibabel.load(tmp_path / "phantom-0007" / "la_4ch.nii.gz")
    stored = np.asarray(image.dataobj)[:, :, 0].transpose(2, 1, 0)  # x first in files
    np.testing.assert_array_equal(stored, rendered.cine.pixels)
    table = read_phenotypes(tmp_path / "phenotypes.csv")
    assert list(table) == ["phantom-0007", "phantom-0003"]
    np.testing.assert_allclose(
        list(table["phantom-0007"].values()), list(rendered.phenotypes.values()), rtol=1e-5
    )
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"la_4ch.nii.gz", "la_4ch_mask.nii.gz", "phenotypes.csv"}
