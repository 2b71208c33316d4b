import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.personal.saved import load_tree, save_tree

TREE = {"a": jnp.arange(3, dtype=jnp.int32), "b": (jnp.asarray(0.1), jnp.ones((2, 1)))}


def test_a_tree_comes_back_to_its_own_run_only(tmp_path):
    path = tmp_path / "run"
    assert load_tree(path, TREE, {"seed": 1}) is None
    save_tree(path, TREE, {"seed": 1, "model": "x"})
    like = {"a": jnp.zeros(3, jnp.int32), "b": (jnp.zeros(()), jnp.zeros((2, 1)))}
    again = load_tree(path, like, {"model": "x", "seed": 1})
    np.testing.assert_array_equal(again["a"], TREE["a"])
    assert again["b"][0] == TREE["b"][0] and again["b"][1].shape == (2, 1)
    assert load_tree(path, like, {"model": "x", "seed": 2}) is None
    assert load_tree(path, like | {"a": jnp.zeros(4, jnp.int32)}, {"seed": 1, "model": "x"}) is None


def test_what_is_cut_short_is_none(tmp_path):
    path = tmp_path / "run"
    save_tree(path, TREE, {})
    path.write_bytes(path.read_bytes()[:-4])
    assert load_tree(path, TREE, {}) is None


def test_a_folder_that_is_missing_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(OSError) as error:
        save_tree(tmp_path / "none" / "run", TREE, {})
    assert error.value.filename == str(tmp_path / "none" / "run")
