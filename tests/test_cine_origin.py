import numpy as np

from gancmri_jax.cine.origin import describe


def test_a_line_says_what_is_synthetic_and_fits_a_nifti_header():
    generated = np.arange(1000) % 2 == 1
    assert describe(generated).startswith("derived from a real cine; 500 of 1000 frames synthetic")
    assert describe(None).startswith("synthetic,") and "not of a patient" in describe(None)
    for said in (describe(generated), describe(None)):
        assert "not for diagnosis" in said and len(said.encode("ascii")) < 80
