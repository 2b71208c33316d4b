"""Distances in frozen networks' features: whose they may be, and what they teach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.model.file import SHIPPED_SEGMENTERS, load_model, load_segmenter_of
from gancmri_jax.model.mesh import data_mesh, replicated
from gancmri_jax.model.segmenter import Segmenter, save_segmenter
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.training import perceptual
from gancmri_jax.training.config import check_config
from gancmri_jax.training.perceptual import looks_of, with_fingerprint
from tests.tiny import tiny_config


def segmenter(seed=0):
    network = CardiacFCN((2, 2, 2, 2, 2), 2, 2)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 16, 16, 1)))
    rng = np.random.default_rng(seed)
    variables = jax.tree.map(
        lambda leaf: jnp.asarray(rng.uniform(0.1, 1, leaf.shape), jnp.float32), shapes
    )
    return Segmenter(network, variables, pixel_mm=1.5, side=16)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("frozen") / "edges.safetensors"  # by any name
    save_segmenter(segmenter(), path)
    return path


def config_with(path, **changes):
    own = {"perceptual_segmenter": str(path), "perceptual_weight": 0.5}
    return tiny_config(**{"inversion_learning_rate": 0.01, **own, **changes})


def test_nothing_is_loaded_by_default():
    assert looks_of(tiny_config(), replicated(data_mesh())) == ()
    config = tiny_config()
    assert with_fingerprint(config) is config


def test_a_distance_is_0_of_what_is_the_same_and_teaches_what_was_made(file, monkeypatch):
    monkeypatch.setattr(perceptual, "_LEAST_SIDE", 16)
    (look,) = looks_of(config_with(file), replicated(data_mesh()))
    assert (look.name, look.weight) == ("perceptual", 0.5)
    made, reals = jax.random.uniform(jax.random.key(0), (2, 3, 8, 8, 1), minval=-1)

    @jax.jit
    def found(look, made, reals):
        pull = jax.grad(lambda a, b: jnp.sum(look.distances(a, b)), argnums=(0, 1))
        return look.distances(made, reals), pull(made, reals)

    same, _ = found(look, reals, reals)
    apart, (by_made, by_reals) = found(look, made, reals)
    assert jnp.all(same < 1e-12) and jnp.all(apart > 1e-4)
    assert jnp.any(by_made) and not jnp.any(by_reals)


def test_the_run_keeps_the_fingerprint(file):
    config = config_with(file)
    assert with_fingerprint(config).perceptual_fingerprint == segmenter().fingerprint
    with pytest.raises(InputError, match="is the segmenter .*the configuration names abc; give"):
        with_fingerprint(config_with(file, perceptual_fingerprint="abc"))


def test_judges_are_refused_by_what_they_are_and_not_by_their_names(tmp_path):
    copy = tmp_path / "mine" / "segmenter.safetensors"
    copy.parent.mkdir()
    save_segmenter(load_segmenter_of(SHIPPED_SEGMENTERS[0]), copy)
    embedded = tmp_path / "embedded" / "segmenter.safetensors"
    embedded.parent.mkdir()
    save_segmenter(load_model("demo").segmenter, embedded)
    for name in ("demo", *SHIPPED_SEGMENTERS, copy.parent, embedded):
        with pytest.raises(InputError, match="ships with the package and measures models") as said:
            with_fingerprint(config_with(name))
        assert "\n" not in str(said.value)
    with pytest.raises(InputError, match="no such model"):
        with_fingerprint(config_with(tmp_path / "none"))


def test_weight_and_segmenter_belong_together():
    check_config(config_with("x"))
    for half in ({"perceptual_weight": 0.0}, {"perceptual_segmenter": None}):
        with pytest.raises(InputError, match="belong together: give both, or neither"):
            check_config(config_with("x", **half))
    with pytest.raises(InputError, match="lpips_weight needs an inversion_learning_rate"):
        check_config(tiny_config(lpips_weight=1.0))
    with pytest.raises(InputError, match="LPIPS sees images from 16² on, resolution is 8"):
        looks_of(tiny_config(lpips_weight=1.0), replicated(data_mesh()))
