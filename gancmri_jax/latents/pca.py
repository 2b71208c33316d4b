"""The paper's cleaning of frame-to-frame steps: what principal components leave over."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

PAPER_COMPONENTS = 32


def pca_residual(
    steps: Float[Array, "n num_ws w_dim"], num_components: int = PAPER_COMPONENTS
) -> Float[Array, "n num_ws w_dim"]:
    """Return k′ = k − PCA⁻¹(PCA(k)), the principal components being those of the steps themselves.

    The idea (GANcMRI, section 3.3.2) is that the strongest components are projection jitter. PCA
    takes the mean off too, so k′ sums to zero and the cycle closes. Where jitter does not dominate
    it is the beat that is removed: see `steps.retained_motion`.

    Raises:
        ValueError: As many components as the centred steps have dimensions, n − 1, or more: nothing
            would be left.
    """
    if not 0 < num_components < len(steps) - 1:
        raise ValueError(
            f"{num_components} components of {len(steps)} steps leave nothing; "
            f"take between 1 and {len(steps) - 2}"
        )
    return _residual(steps, num_components)


@functools.partial(jax.jit, static_argnums=1)
def _residual(steps, num_components):
    vectors = steps.reshape(len(steps), -1)  # [n num_ws·w_dim]
    centred = vectors - jnp.mean(vectors, axis=0, keepdims=True)
    # In the basis of the left singular vectors the leading components are simply dropped, with no
    # product as wide as the latents.
    left, values, right = jnp.linalg.svd(centred, full_matrices=False)
    scores = (left * values[None])[:, num_components:]
    kept = jnp.matmul(scores, right[num_components:], precision="highest")
    return kept.reshape(steps.shape)
