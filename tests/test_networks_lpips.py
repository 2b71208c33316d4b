import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.networks.lpips import _unit_length, squared_distance

# A layer of two pixels: in the first the features stand at right angles, in the second they agree.
A = jnp.asarray([3.0, 4, 0, 2]).reshape(1, 1, 2, 2)
B = jnp.asarray([4.0, -3, 0, 7]).reshape(1, 1, 2, 2)


def test_a_distance_by_hand():
    """|u − v|² = 2 for unit vectors at right angles; 0 where only the length differs."""
    assert squared_distance((_unit_length(A),), (_unit_length(B),)) == pytest.approx(2)


def test_features_that_are_all_zero_have_no_length_and_a_gradient():
    zero = jnp.zeros((1, 1, 1, 3))
    np.testing.assert_array_equal(_unit_length(zero), zero)
    gradient = jax.grad(lambda x: _unit_length(x).sum())(zero)
    assert np.isfinite(gradient).all()


@pytest.fixture(scope="module")
def lpips(backbone):
    return backbone("load_lpips")


@pytest.fixture(scope="module")
def images():
    """Two windows of each of three images."""
    h, w, c = np.meshgrid(*map(np.arange, (299, 299, 3)), indexing="ij")
    waves = [
        np.sin((h * (1 + i) + 2 * w + 30 * c) / 17) * np.cos((w * (2 + i) - h) / 29)
        for i in range(3)
    ]
    bytes_ = np.round(127.5 + 127.5 * np.stack(waves))
    x = jnp.asarray(bytes_ / 127.5 - 1, jnp.float32)
    return x[:, :64, :64], x[:, 100:164, 40:104]


@pytest.mark.slow
def test_distances_and_their_gradient_are_those_of_the_reference(shared, lpips, images):
    network, params = lpips
    expected = np.load(shared / "reference" / "backbones.npz")
    a, b = images
    target = jax.jit(lambda b: network.apply({"params": params}, b, method="features"))(b)

    def distances(a):
        features = network.apply({"params": params}, a, method="features")
        of_each = squared_distance(features, target)
        return of_each[0], of_each

    (_, ours), gradient = jax.jit(jax.value_and_grad(distances, has_aux=True))(a)
    np.testing.assert_allclose(ours, expected["lpips_vgg16/rgb"], rtol=1e-4)
    theirs = expected["lpips_vgg16/grad_rgb0"]
    assert np.linalg.norm(gradient[0] - theirs) <= 1e-4 * np.linalg.norm(theirs)


def test_grey_distances_are_those_of_three_equal_channels_and_zero_from_itself(
    shared, lpips, images
):
    network, params = lpips
    expected = np.load(shared / "reference" / "backbones.npz")["lpips_vgg16/grey"]
    a, b = (x[..., :1] for x in images)
    distance = jax.jit(lambda a, b: network.apply({"params": params}, a, b))
    np.testing.assert_allclose(distance(a, b), expected, rtol=1e-4)
    np.testing.assert_array_equal(distance(a, a), np.zeros(3))
