import subprocess
import sys

import pytest

import gancmri_jax


def test_every_public_name_is_there():
    for name in gancmri_jax.__all__:
        assert getattr(gancmri_jax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'heart'"):
        gancmri_jax.heart  # noqa: B018


def test_help_waits_for_no_jax():
    program = "import sys, gancmri_jax.cli.main; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
