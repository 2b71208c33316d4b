"""The model users pass around: a generator with the motion and physiology it has learned."""

import dataclasses
import functools
import hashlib
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.latents.truncation import broadcast_w, truncate
from gancmri_jax.networks.generator import Generator, Noise, draw_noise


@dataclasses.dataclass(frozen=True)
class Model:
    """A generator and what is known of its latent space.

    Attributes:
        generator: The network; it holds the sizes, not the parameters.
        params: The generator's parameters (the moving average).
        w_avg: Mean of w [w_dim], the centre of truncation.
        noise: Constant noise maps, each [1 h w].
        trajectories: Motion by name: `ed_to_es` [num_ws w_dim] and `frame_to_frame`
            [frames − 1, num_ws, w_dim]; empty until `gancmri fit`.
        directions: Phenotype directions [num_ws w_dim] by name; empty until `gancmri fit`.
        card: How the model was made and how good it is: JSON-like.
    """

    generator: Generator
    params: Any
    w_avg: Float[Array, "w_dim"]
    noise: Noise
    trajectories: dict[str, Array] = dataclasses.field(default_factory=dict)
    directions: dict[str, Array] = dataclasses.field(default_factory=dict)
    card: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def resolution(self) -> int:
        """Height and width of its images."""
        return self.generator.resolution

    @property
    def z_dim(self) -> int:
        """Length of z."""
        return self.generator.z_dim

    @property
    def w_dim(self) -> int:
        """Length of w."""
        return self.generator.w_dim

    @property
    def num_ws(self) -> int:
        """Rows of ws: 14 at 256²."""
        return self.generator.num_ws

    @property
    def fingerprint(self) -> str:
        """Identify the generator by its parameters, so that latents are not used with another."""
        digest = hashlib.sha256()
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
            digest.update(jax.tree_util.keystr(path).encode())
            digest.update(np.asarray(leaf, np.float32).tobytes())
        return digest.hexdigest()[:16]

    def map_w(self, z: Float[Array, "n z_dim"]) -> Float[Array, "n w_dim"]:
        """Map z to w."""
        return _map(self.generator, self.params, jnp.asarray(z))

    def map(
        self,
        z: Float[Array, "n z_dim"],
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Float[Array, "n num_ws w_dim"]:
        """Map z to ws, truncated towards `w_avg`."""
        ws = broadcast_w(self.map_w(z), self.num_ws)
        return truncate(ws, self.w_avg, truncation_psi, truncation_cutoff)

    def synthesize(
        self,
        ws: Float[Array, "n num_ws w_dim"],
        noise: Literal["const", "none"] | Noise | PRNGKeyArray = "const",
    ) -> Float[Array, "n h w c"]:
        """Render ws; images are nominally in [−1, 1] and unclipped.

        Args:
            ws: Latent codes.
            noise: `const` for the model's own maps, `none`, the maps themselves, or a key to draw
                fresh ones from.
        """
        maps: Noise | None
        if isinstance(noise, tuple):
            maps = noise
        elif isinstance(noise, jax.Array):
            maps = draw_noise(noise, self.resolution, len(ws))
        else:
            maps = {"const": self.noise, "none": None}[noise]
        return _synthesize(self.generator, self.params, jnp.asarray(ws), maps)


@functools.partial(jax.jit, static_argnums=0)
def _map(generator, params, z):
    return generator.apply({"params": params}, z, method="map")


@functools.partial(jax.jit, static_argnums=0)
def _synthesize(generator, params, ws, noise):
    return generator.apply({"params": params}, ws, noise, method="synthesize")
