"""StyleGAN2's losses and regularisers (Karras et al. 2020), and what tells two pictures apart."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "n h w c"]
Ws = Float[Array, "n num_ws w_dim"]

_COARSEST = 8


def generator_loss(fake_logits: Float[Array, "n"]) -> Float[Array, "n"]:
    """Non-saturating loss, softplus(−D(G(z))) (Goodfellow et al. 2014)."""
    return jax.nn.softplus(-fake_logits)


def discriminator_loss(
    real_logits: Float[Array, "n"], fake_logits: Float[Array, "n"]
) -> Float[Array, ""]:
    """Logistic loss, the mean over real images plus the mean over generated ones."""
    return jnp.mean(jax.nn.softplus(-real_logits)) + jnp.mean(jax.nn.softplus(fake_logits))


def r1_squared_norms(
    discriminate: Callable[[Images], Float[Array, "n"]], images: Images
) -> Float[Array, "n"]:
    """Return ‖∇D(x)‖² an image (Mescheder et al. 2018); R1 is γ/2 times their mean."""
    gradients = jax.grad(lambda x: jnp.sum(discriminate(x)))(images)
    return jnp.sum(jnp.square(gradients), axis=(1, 2, 3))


def path_lengths(
    synthesize: Callable[[Ws], Images], ws: Ws, noise: Images
) -> tuple[Float[Array, "n"], Ws]:
    """Return ‖Jᵀy‖ an image and Jᵀy itself, for standard normal y (`noise`).

    y is divided by √(h·w); the squared norm is a mean over the rows of ws, a sum over w_dim
    (Karras et al. 2020, section 3.2 and its implementation).
    """
    height, width = noise.shape[1:3]
    scaled = noise / (height * width) ** 0.5
    gradients = jax.grad(lambda ws: jnp.sum(synthesize(ws) * scaled))(ws)
    lengths = jnp.sqrt(jnp.mean(jnp.sum(jnp.square(gradients), axis=2), axis=1))
    return lengths, gradients


def picture_distances(
    a: Images, b: Images, error: Callable[[Images], Images] = jnp.square
) -> Float[Array, "n"]:
    """Return each pair's mean error, summed over a 2× pyramid down to 8²."""
    n, _, _, c = a.shape
    difference, total = a - b, jnp.zeros(len(a))
    while True:
        total += jnp.mean(error(difference), axis=(1, 2, 3))
        size = difference.shape[1]
        if size <= _COARSEST:
            return total
        difference = difference.reshape(n, size // 2, 2, size // 2, 2, c).mean(axis=(2, 4))
