import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

import gancmri_jax
from gancmri_jax.cine.cine import Cine
from gancmri_jax.latents.steps import mean_ed_to_es
from gancmri_jax.ops.conv import conv
from gancmri_jax.ops.resize import resize_bilinear_tf1
from tests.annotations import DECORATOR, ROOMS


def test_every_public_name_is_there():
    for name in gancmri_jax.__all__:
        assert getattr(gancmri_jax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'heart'"):
        gancmri_jax.heart  # noqa: B018


def test_public_names_complete_before_anything_is_imported():
    program = (
        "import sys, gancmri_jax as gj; "
        "sys.exit(not set(gj.__all__) <= set(dir(gj)) or 'jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
    assert set(gancmri_jax.__all__) == {"__version__", *gancmri_jax._HOMES}


def test_help_waits_for_no_jax():
    program = "import sys, gancmri_jax.cli.main; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_annotations_are_checked_while_tests_run():
    ws = jnp.zeros((2, 3, 4))
    with pytest.raises(TypeCheckError, match="'ws_es'"):
        mean_ed_to_es(ws, jnp.zeros((2, 3, 5)))  # one w_dim for both
    with pytest.raises(TypeCheckError, match="'ws'"):
        gancmri_jax.latents.steps.mean_steps(ws)  # an axis too few
    with pytest.raises(TypeCheckError, match="'images'"):
        resize_bilinear_tf1(np.zeros((1, 4, 4, 1), np.uint8), 2, 2)  # integers
    with pytest.raises(TypeCheckError, match="'kernel'"):
        conv(jnp.zeros((1, 8, 8, 3)), jnp.zeros((3, 3, 2, 4)))  # beneath another decorator
    with pytest.raises(TypeCheckError, match="'pixels'"):
        Cine(np.zeros((8, 8), np.uint8), (1.0, 1.0), None, "s")  # a dataclass


def test_annotations_are_checked_in_every_module_of_these_rooms():
    unchecked = [
        name
        for name, module in sys.modules.items()
        if name.split(".")[0] == "gancmri_jax"
        and set(name.split(".")[1:2]) & ROOMS
        and not hasattr(module, DECORATOR)
    ]
    assert not unchecked, "imported before `check_annotations`"
