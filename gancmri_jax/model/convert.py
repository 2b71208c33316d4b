"""Another project's StyleGAN2, made a model of ours."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.model.discriminator import Judge
from gancmri_jax.model.model import Model
from gancmri_jax.networks.discriminator import Discriminator
from gancmri_jax.networks.generator import Generator
from gancmri_jax.version import __version__
from gancmri_jax.weights.stylegan2_files import Foreign
from gancmri_jax.weights.stylegan2_shapes import W_AVG
from gancmri_jax.weights.stylegan2_torch import generator_noise, network_params

LICENCE = "unknown: ask its author"
_SAMPLES, _SEED = 10_000, 123  # of z, as StyleGAN2's projector takes them for the mean of w
_AT_ONCE = 1000


def convert(foreign: Foreign, name: str) -> tuple[Model, Judge | None]:
    """Return the model, its generator being the moving average, and the discriminator.

    A file without the mean of w gets that of 10,000 random z, and its card says so.

    Args:
        foreign: What was read.
        name: The file's, for the card.
    """
    generator = Generator(**foreign.generator_sizes)
    params = _arrays(network_params(foreign.generator))
    card = dict(foreign.card or {"gancmri_jax": __version__, "licence": LICENCE})
    source = {"file": name, "sha256": foreign.sha256, "kind": foreign.kind}
    if foreign.conv_clamp is not None:
        source["conv_clamp"] = f"activations were kept within ±{foreign.conv_clamp:g}; here not"
    w_avg = foreign.generator.get(W_AVG)
    if w_avg is None:
        w_avg = _mean_w(generator, params)
        source["w_avg"] = f"not in the file: the mean of {_SAMPLES} mapped z"
    model = Model(
        generator=generator,
        params=params,
        w_avg=jnp.asarray(w_avg),
        noise=tuple(jnp.asarray(noise) for noise in generator_noise(foreign.generator)),
        card={**card, "converted": source},
    )
    if foreign.discriminator is None:
        return model, None
    sizes = {k: v for k, v in foreign.discriminator_sizes.items() if k != "img_channels"}
    return model, Judge(Discriminator(**sizes), _arrays(network_params(foreign.discriminator)))


def _arrays(tree: Any) -> Any:
    return jax.tree.map(jnp.asarray, tree)


def _mean_w(generator: Generator, params: Any) -> np.ndarray:
    mapped = jax.jit(lambda z: generator.apply({"params": params}, z, method="map"))
    z = jax.random.normal(jax.random.key(_SEED), (_SAMPLES, generator.z_dim))
    batches = [mapped(z[first : first + _AT_ONCE]) for first in range(0, _SAMPLES, _AT_ONCE)]
    return np.concatenate(batches).mean(axis=0)
