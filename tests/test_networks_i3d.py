import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.networks.i3d import I3D


def test_its_size_is_the_published_one():
    """27.8 billion multiply-adds for 16 frames; 58 convolutions, each a kernel and a bias."""
    clip = jax.ShapeDtypeStruct((1, 16, 224, 224, 3), jnp.float32)
    params = jax.eval_shape(I3D().init, jax.random.key(0), clip)
    assert len(jax.tree.leaves(params)) == 2 * 58
    assert multiply_adds(I3D().apply, params, clip) == pytest.approx(27.8e9, rel=1e-3)


def test_it_takes_nine_frames_or_more():
    def shape(frames):
        clip = jax.ShapeDtypeStruct((2, frames, 224, 224, 1), jnp.float32)
        return jax.eval_shape(I3D().init_with_output, jax.random.key(0), clip)[0].shape

    assert shape(9) == shape(50) == (2, 400)
    with pytest.raises(ValueError, match="9 frames or more, got 8"):
        shape(8)


@pytest.mark.slow
def test_logits_are_those_of_the_reference(shared, backbone):
    network, params = backbone("load_i3d")
    expected = np.load(shared / "reference" / "backbones.npz")
    t, h, w, c = np.meshgrid(*map(np.arange, (16, 224, 224, 3)), indexing="ij")
    clip = np.sin((h + 2 * w + 12 * t + 30 * c) / 17) * np.cos((w - h + 5 * t) / 29)
    clips = jnp.asarray(np.stack([clip, -np.ones_like(clip), np.ones_like(clip)]), jnp.float32)
    logits = jax.jit(lambda clips: network.apply({"params": params}, clips))(clips)
    for ours, name in zip(logits, ("logits", "black16", "white16"), strict=True):
        theirs = expected[f"i3d/{name}"]
        assert np.linalg.norm(ours - theirs) <= 1e-4 * np.linalg.norm(theirs)
    assert np.sum((logits[1] - logits[2]) ** 2) == pytest.approx(152.90, rel=1e-3)


@pytest.mark.slow
def test_black_is_as_far_from_white_as_published_for_ten_grey_frames(backbone):
    network, params = backbone("load_i3d")
    black = -jnp.ones((1, 10, 224, 224, 1))
    clips = jnp.concatenate([black, -black])
    logits = jax.jit(lambda clips: network.apply({"params": params}, clips))(clips)
    assert np.sum((logits[0] - logits[1]) ** 2) == pytest.approx(570.07, rel=0.01)
