"""The networks agree with NVIDIA's on random weights, outputs and gradients alike."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.latents.truncation import broadcast_w, mix_styles, truncate
from gancmri_jax.networks.discriminator import Discriminator
from gancmri_jax.networks.generator import Generator
from gancmri_jax.training.losses import (
    discriminator_loss,
    generator_loss,
    path_lengths,
    r1_squared_norms,
)
from gancmri_jax.weights.stylegan2_torch import generator_noise, network_params

G = Generator(resolution=32, z_dim=32, w_dim=48, channel_base=512, channel_max=32)
D = Discriminator(resolution=32, channel_base=512, channel_max=32)


class Reference:
    """The vectors, with the two networks' parameters and images in our layout."""

    def __init__(self, path):
        arrays = dict(np.load(path))
        take = lambda prefix: {  # noqa: E731
            name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)
        }
        self.g_state, self.d_state = take("G/"), take("D/")
        self.out = {name: jnp.asarray(array) for name, array in take("out/").items()}
        self.g = network_params(self.g_state)
        self.d = network_params(self.d_state)
        self.noise = tuple(map(jnp.asarray, generator_noise(self.g_state)))
        self.grad_r1, self.grad_g = take("grad_r1/"), take("grad_g/")
        self.grad_pl = take("grad_pl_sq_0.3/")

    def images(self, name):
        return self.out[name].transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def ref(shared):
    return Reference(shared / "reference" / "stylegan2_res32.npz")


@functools.partial(jax.jit, static_argnames="with_noise")
def synthesize(params, ws, noise, with_noise=True):
    return G.apply({"params": params}, ws, noise if with_noise else None, method="synthesize")


@jax.jit
def discriminate(params, images):
    return D.apply({"params": params}, images)


def map_ws(params, z):
    return broadcast_w(G.apply({"params": params}, z, method="map"), G.num_ws)


def assert_close(ours, theirs):
    """Relative difference, ‖a − b‖ / ‖b‖, at most 1e-5."""
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape
    assert np.linalg.norm(ours - theirs) <= 1e-5 * np.linalg.norm(theirs)


def assert_gradients_close(gradients, theirs):
    """Compare each named gradient, converted to our layout, with the same leaf of ours."""
    checked = 0
    ours = {jax.tree_util.keystr(p): a for p, a in jax.tree_util.tree_leaves_with_path(gradients)}
    for path, array in jax.tree_util.tree_leaves_with_path(network_params(theirs)):
        assert_close(ours[jax.tree_util.keystr(path)], array)
        checked += 1
    assert checked == len(theirs)


def test_mapping_and_truncation(ref):
    ws = map_ws(ref.g, ref.out["z"])
    w_avg = jnp.asarray(ref.g_state["mapping.w_avg"])
    assert_close(ws, ref.out["ws"])
    assert_close(truncate(ws, w_avg, 0.7), ref.out["ws_trunc07"])
    assert_close(truncate(ws, w_avg, 0.5, cutoff=4), ref.out["ws_trunc05_cutoff4"])
    assert_close(mix_styles(ws, ws[::-1], 3), ref.out["ws_mix"])


def test_synthesis_with_and_without_noise(ref):
    ws = ref.out["ws"]
    without = synthesize(ref.g, ws, None, with_noise=False)
    assert_close(without, ref.images("img_noise_none"))
    assert_close(synthesize(ref.g, ws, ref.noise), ref.images("img_noise_const"))
    assert_close(synthesize(ref.g, ref.out["ws_mix"], ref.noise), ref.images("img_mix_noise_const"))


def test_discriminator_and_its_minibatch_groups(ref):
    assert_close(discriminate(ref.d, ref.images("real")), ref.out["logits_real"][:, 0])
    assert_close(discriminate(ref.d, ref.images("img_noise_const")), ref.out["logits_fake"][:, 0])
    assert_close(discriminate(ref.d, ref.images("real8")), ref.out["logits_real8"][:, 0])


@pytest.mark.slow
def test_r1_and_its_gradient(ref):
    def norms(params, discriminator=D):
        apply = lambda x: discriminator.apply({"params": params}, x)  # noqa: E731
        return r1_squared_norms(apply, jnp.asarray(ref.images("real"), discriminator.dtype))

    assert_close(jax.jit(norms)(ref.d), ref.out["r1_grad_sq_sum"])
    # The vectors are float32 themselves, and 7e-6 from the exact gradient of one bias. So ours is
    # taken in float64: in float32, both errors add up to 1.1e-5 on some processors.
    with jax.enable_x64(True):
        exact = D.clone(dtype=jnp.float64)
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), ref.d)
        gradients = jax.jit(jax.grad(lambda params: jnp.mean(norms(params, exact))))(params)
    assert_gradients_close(gradients, ref.grad_r1)


def test_losses_and_the_generators_gradient(ref):
    def losses(params):
        ws = map_ws(params, ref.out["z"])
        images = G.apply({"params": params}, ws, ref.noise, method="synthesize")
        return generator_loss(D.apply({"params": ref.d}, images))

    assert_close(jax.jit(losses)(ref.g), ref.out["g_loss"][:, 0])
    gradients = jax.jit(jax.grad(lambda params: jnp.mean(losses(params))))(ref.g)
    assert_gradients_close(gradients, ref.grad_g)
    real, fake = (jnp.asarray(ref.out[f"logits_{of}"][:, 0]) for of in ("real", "fake"))
    d_loss = discriminator_loss(real, fake)
    assert_close(d_loss, ref.out["d_loss"])


@pytest.mark.slow
def test_path_lengths_and_their_second_order_gradient(ref):
    def lengths(params):
        return path_lengths(
            lambda ws: G.apply({"params": params}, ws, ref.noise, method="synthesize"),
            jnp.asarray(ref.out["ws"]),
            ref.images("pl_noise"),
        )

    ours, gradients = jax.jit(lengths)(ref.g)
    assert_close(ours, ref.out["pl_lengths"])
    assert_close(gradients, ref.out["pl_grads"])
    penalty = jax.grad(lambda params: jnp.mean((lengths(params)[0] - 0.3) ** 2))
    assert_gradients_close(jax.jit(penalty)(ref.g), ref.grad_pl)


@pytest.mark.parametrize(
    ("channel_base", "generator", "discriminator"),
    [(32768, 30_028_436, 28_863_873), (16384, 24_762_452, 24_000_961)],
    ids=["config-f", "paper256"],
)
def test_parameter_counts_at_256(channel_base, generator, discriminator):
    """30.03 M and 28.86 M for config-f, 24.76 M and 24.00 M for paper256, one channel."""
    for network, example, count in (
        (Generator(channel_base=channel_base), jnp.zeros((1, 512)), generator),
        (Discriminator(channel_base=channel_base), jnp.zeros((1, 256, 256, 1)), discriminator),
    ):
        params = jax.eval_shape(network.init, jax.random.key(0), example)
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
