"""The programs that training, projection and measurement run, as shapes, for any devices."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, Sharding
from ml_collections import ConfigDict

from gancmri_jax.benchmarks.count import multiply_adds
from gancmri_jax.benchmarks.ideal import discriminator_gflop, synthesis_gflop
from gancmri_jax.model.mesh import replicated, split
from gancmri_jax.model.model import Model, render_codes
from gancmri_jax.networks import inception
from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.networks.generator import draw_noise
from gancmri_jax.networks.inception import Inception
from gancmri_jax.networks.lpips import LPIPS
from gancmri_jax.projection.distance import (
    LPIPS_LEAST_SIDE,
    Features,
    LpipsFeatures,
    multiscale_pixel,
)
from gancmri_jax.projection.project import single_frames
from gancmri_jax.projection.projector import Problem, begin, in_half_precision, see, take_steps
from gancmri_jax.projection.settings import Settings
from gancmri_jax.training.inversion import encoder_network
from gancmri_jax.training.state import init_state, networks
from gancmri_jax.training.step import make_step

FRAMES = 50  # of a video
LOOKED_AT = 64  # frames of a batch whose features are taken
PROJECTED = 16  # frames a chip

# The parts of a training step, each compiled by itself.
_ALONE = dict(regularize_g=False, regularize_d=False, train_g=False, train_d=False, invert=False)
STEPS = {
    "G": "train_g",
    "path length": "regularize_g",
    "D": "train_d",
    "R1": "regularize_d",
    "inversion": "invert",
}
PROGRAMS = (*STEPS, "projection", "synthesis", "segmentation", "features")


class Program(NamedTuple):
    """A traced program.

    Attributes:
        name: One of `PROGRAMS`.
        traced: What `jax.jit` traced, to be lowered and compiled.
        gflop: What the ideal algorithm needs, of all chips.
        what: What it works on, in words.
    """

    name: str
    traced: Any
    gflop: float
    what: str


def programs(config: ConfigDict, mesh: Mesh) -> Iterator[Program]:
    """Trace every program of a configuration for a mesh, one after another."""
    yield from _training(config, mesh)
    model = _model(config)
    yield _projection(model, mesh)
    yield _synthesis(model, mesh)
    yield _segmentation(config.resolution, mesh)
    yield _features(mesh)


def _training(config: ConfigDict, mesh: Mesh) -> Iterator[Program]:
    size, batch = config.resolution, config.batch_size
    images = _laid(jax.ShapeDtypeStruct((batch, size, size, 1), jnp.uint8), split(mesh))
    generator, _ = networks(config)
    g = synthesis_gflop(generator)
    d = discriminator_gflop(size, config.channel_base, config.channel_max)
    image = jax.ShapeDtypeStruct((1, size, size, 1), jnp.float32)
    encoder = encoder_network(config)
    e_params = jax.eval_shape(encoder.init, jax.random.key(0), image)
    e = 2 * multiply_adds(encoder.apply, e_params, image) / 1e9
    # A forward pass is one unit, each gradient another. R1's and path length's gradients go back
    # through both of their passes, and path lengths take half a batch. What the encoder says of the
    # frames goes into the queue too, and is computed once.
    ideal = {
        "G": 3 * g + 2 * d,
        "path length": 3 * g,
        "D": g + 6 * d,
        "R1": 6 * d,
        "inversion": 3 * g + 3 * e,
    }
    for name, part in STEPS.items():
        own = ConfigDict(config.to_dict())
        with own.unlocked():
            if name != "inversion":
                own.inversion_learning_rate = None
            elif own.inversion_learning_rate is None:
                own.inversion_learning_rate = 0.002
        state = _laid(jax.eval_shape(lambda own=own: init_state(own)), replicated(mesh))
        step: Any = make_step(own, mesh)
        traced = step.trace(state, images, **{**_ALONE, part: True})
        yield Program(name, traced, batch * ideal[name], f"a batch of {batch}")


def _model(config: ConfigDict) -> Model:
    """Return a model of shapes."""
    generator, _ = networks(config)
    key = jax.random.key(0)
    z = jnp.zeros((1, config.z_dim))
    params = jax.eval_shape(generator.init, key, z)["params"]
    noise = jax.eval_shape(lambda: draw_noise(key, config.resolution))
    w_avg: Any = jax.ShapeDtypeStruct((config.w_dim,), jnp.float32)
    return Model(generator, params, w_avg, noise)


def _projection(model: Model, mesh: Mesh) -> Program:
    """Trace one step down LPIPS, or pixels where images are too small for it."""
    side, count = model.resolution, PROJECTED * mesh.size
    features: Features = jax.tree_util.Partial(multiscale_pixel)
    image = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
    if side >= LPIPS_LEAST_SIDE:
        network, colour = LPIPS(), jnp.zeros((1, side, side, 3))
        weights = jax.eval_shape(network.init, jax.random.key(0), colour, colour)["params"]
        features = LpipsFeatures(network, weights)
    look = 2 * multiply_adds(lambda f, x: f(x), features, image) / 1e9
    deviation = jax.ShapeDtypeStruct((), jnp.float32)
    problem: Any = Problem(model.generator, Settings(), model.params, features, deviation)
    problem = jax.eval_shape(in_half_precision, problem)

    def start():
        keys = jax.random.split(jax.random.key(0), count)
        targets = jnp.zeros((count, side, side, 1))
        identity = jnp.zeros((count, 1, model.w_dim))
        return single_frames(targets, keys, identity, draw_noise(keys[0], side, count))

    clips, variables = jax.eval_shape(start)
    seen = jax.eval_shape(see, problem, clips)
    state = jax.eval_shape(begin, variables)
    stopped = jax.ShapeDtypeStruct((count,), jnp.bool)
    parts = _laid((clips, seen, state, stopped), split(mesh))
    first = jax.ShapeDtypeStruct((), jnp.int32)
    whole = _laid((problem, first), replicated(mesh))
    (problem, first), (clips, seen, state, stopped) = whole, parts
    traced = take_steps.trace(problem, clips, seen, state, stopped, first, num_steps=1)
    ideal = count * 2 * (synthesis_gflop(model.generator) + look)
    return Program("projection", traced, ideal, f"a step of {PROJECTED} frames a chip")


def _synthesis(model: Model, mesh: Mesh) -> Program:
    network = model.generator.clone(dtype=jnp.bfloat16)
    count = FRAMES * mesh.size
    ws = jax.ShapeDtypeStruct((count, model.num_ws, model.w_dim), jnp.float32)
    params, noise = _laid((model.params, model.noise), replicated(mesh))
    traced = render_codes.trace(network, params, _laid(ws, split(mesh)), noise)
    gflop = count * synthesis_gflop(model.generator)
    return Program("synthesis", traced, gflop, f"{FRAMES} frames a chip")


def _segmentation(side: int, mesh: Mesh) -> Program:
    side = -(-side // 16) * 16
    network = CardiacFCN()
    shape = (FRAMES * mesh.size, side, side, 1)
    what = f"{FRAMES} frames a chip, the published network"
    return _applied("segmentation", network, shape, (1, 16, 16, 1), mesh, what)


def _features(mesh: Mesh) -> Program:
    side = inception.RESOLUTION
    shape = (LOOKED_AT * mesh.size, side, side, 1)
    what = f"Inception, {LOOKED_AT} frames a chip"
    return _applied("features", Inception(), shape, (1, side, side, 3), mesh, what)


def _applied(
    name: str, network: Any, shape: tuple[int, ...], least: tuple[int, ...], mesh: Mesh, what: str
) -> Program:
    """Trace a network's application to images; its parameters are made from images `least`."""
    variables = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros(least))
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    gflop = 2 * multiply_adds(network.apply, variables, images) / 1e9
    program = jax.jit(network.apply)
    traced = program.trace(_laid(variables, replicated(mesh)), _laid(images, split(mesh)))
    return Program(name, traced, gflop, what)


def _laid(tree: Any, sharding: Sharding) -> Any:
    """Return shapes that lie as a sharding says."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)
