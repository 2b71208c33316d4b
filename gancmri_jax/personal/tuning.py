"""Pivotal tuning of a generator to one heart (Roich et al. 2022, arXiv 2106.05744).

First a search finds the heart's codes: one identity, and a smooth closed path about it
(`latents.closed_path`). They stay, as the pivot, while the generator is tuned until it renders the
heart's frames there. The locality term has it render other hearts as it did before. Each step sees
a few frames of the beat, and draws all that is by chance from the seed and its own number.
"""

import functools
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from gancmri_jax.latents.closed_path import closed_path
from gancmri_jax.model.model import render_codes
from gancmri_jax.networks.generator import Generator, Noise
from gancmri_jax.networks.layers import block_resolutions
from gancmri_jax.personal.settings import Settings
from gancmri_jax.projection.projector import ADAM
from gancmri_jax.training.losses import picture_distances
from gancmri_jax.training.perceptual import Look

Images = Float[Array, "n h w c"]

EDGES = 1.0  # weight of differences between neighbouring pixels, beside that of pixels
LAZY = 2  # other hearts are looked at in every second step (as StyleGAN2's regularisers are)
LEAST_STRENGTH = 1e-5  # of noise: what trained generators with still noise are left with
_RISE = 10  # steps over which the learning rate rises
_FALL = 0.25  # share of the search's steps over which its learning rate falls


class Heart(flax.struct.PyTreeNode):
    """What a model is tuned to.

    Attributes:
        frames: The beat, in [−1, 1].
        basis: What each wave adds at each frame (`latents.closed_path.wave_basis`).
        still: For each noise map, how much of each pixel lies outside of the heart, which alone
            takes noise of its own: what moves would leave a ghost where it was.
    """

    frames: Float[Array, "t h w c"]
    basis: Float[Array, "t k"]
    still: Any


class Problem(flax.struct.PyTreeNode):
    """What all steps share.

    Attributes:
        generator, settings: As they are; parts of compiled programs.
        params, noise: Of the generator as it was.
        deviation: w's root mean square distance from its mean, a scalar.
        looks: Distances in features of frozen networks, beside those of pixels.
        key: Of all that is drawn.
        search_steps: All steps of the search, of which its learning rate is a function.
    """

    generator: Generator = flax.struct.field(pytree_node=False)
    settings: Settings = flax.struct.field(pytree_node=False)
    params: Any
    noise: Any
    deviation: Any
    looks: Any
    key: Any
    search_steps: Any


class Path(NamedTuple):
    """A beat in latent space: its mean code, and the waves about it.

    It has one row in W, where it is searched for, and a row a layer while the generator is tuned.
    """

    identity: Float[Array, "rows w_dim"]
    waves: Float[Array, "k rows w_dim"]


class Tuned(NamedTuple):
    """What tuning moves: the synthesis network's parameters, the heart's noise maps, its path."""

    synthesis: Any
    noise: Noise
    path: Path


class Search(NamedTuple):
    """The search after `step` steps."""

    step: Int[Array, ""]
    path: Path
    adam: Any


class Tuning(NamedTuple):
    """The tuning after `step` steps; the average is what users get."""

    step: Int[Array, ""]
    tuned: Tuned
    average: Tuned
    adam: Any


def begin_search(path: Path) -> Search:
    """Return the search before its first step."""
    return Search(jnp.zeros((), jnp.int32), path, ADAM.init(path))


def begin_tuning(problem: Problem, path: Path) -> Tuning:
    """Return the tuning before its first step: the generator as it was, and the path found."""
    rows = problem.generator.num_ws
    each = Path(*(jnp.repeat(codes, rows, axis=-2) for codes in path))
    synthesis = _with_strengths(problem.params["synthesis"], _strengths(problem))
    tuned = Tuned(synthesis, problem.noise, each)
    own, average = (jax.tree.map(jnp.array, tuned) for _ in range(2))
    return Tuning(jnp.zeros((), jnp.int32), own, average, ADAM.init(tuned))


def search_step(problem: Problem, heart: Heart, search: Search) -> Search:
    """Move the path one step towards the frames."""
    frames, basis, _ = _draw(problem, heart, 2 * search.step)
    codes = _codes_at(problem, search.path, basis)
    gradients = _gradients(
        problem.generator,
        problem.looks,
        problem.params["synthesis"],
        problem.noise,
        codes,
        frames,
    )
    return _move_path(problem, search, basis, gradients.codes)


def tuning_step(problem: Problem, heart: Heart, tuning: Tuning) -> Tuning:
    """Take a step of tuning: towards the heart's frames, and back to what others looked like."""
    tuned = tuning.tuned
    frames, basis, key = _draw(problem, heart, 2 * tuning.step + 1)
    codes = _codes_at(problem, tuned.path, basis)
    gradients = functools.partial(_gradients, problem.generator, problem.looks, tuned.synthesis)
    own = gradients(tuned.noise, codes, frames)
    back = None
    if problem.settings.others and int(tuning.step) % LAZY == 0:
        others = _other_hearts(problem, key, codes)
        before = render_codes(problem.generator, problem.params, others, problem.noise)
        back = gradients(problem.noise, others, before).synthesis
    return _move_generator(problem, heart, tuning, basis, own, back)


class Gradients(NamedTuple):
    """The gradient of a batch's distance from its frames."""

    synthesis: Any
    noise: Noise
    codes: Float[Array, "n num_ws w_dim"]


@functools.partial(jax.jit, static_argnums=0)
def _gradients(
    generator: Generator,
    looks: tuple[Look, ...],
    synthesis: Any,
    noise: Noise,
    codes: Float[Array, "n num_ws w_dim"],
    frames: Images,
) -> Gradients:
    """Return the gradient of the distance of what codes render from frames.

    It is the one program that takes long to compile: the search, the heart and the other hearts
    share it, whatever the settings are.
    """

    def loss(synthesis: Any, noise: Noise, codes: Array) -> Float[Array, ""]:
        params = {"synthesis": synthesis}
        made: Any = generator.apply({"params": params}, codes, noise, method="synthesize")
        return jnp.mean(distances(looks, made, frames))

    return Gradients(*jax.grad(loss, argnums=(0, 1, 2))(synthesis, noise, codes))


def distances(looks: tuple[Look, ...], made: Images, real: Images) -> Float[Array, "n"]:
    """Return the distance of each pair: of pixels, of edges, and in frozen features."""
    total = picture_distances(made, real)
    for axis in (1, 2):
        steps = jnp.diff(made, axis=axis) - jnp.diff(real, axis=axis)
        total += EDGES * jnp.mean(jnp.square(steps), axis=(1, 2, 3))
    for look in looks:
        total += look.weight * look.distances(made, real)
    return total


@jax.jit
def _draw(
    problem: Problem, heart: Heart, index: Int[Array, ""]
) -> tuple[Images, Float[Array, "n k"], PRNGKeyArray]:
    """Draw some frames of the beat for a step, and the key of what else it draws."""
    frames_key, other_key = jax.random.split(jax.random.fold_in(problem.key, index))
    count = len(heart.frames)
    seen = jax.random.choice(frames_key, count, (min(problem.settings.frames, count),), False)
    return heart.frames[seen], heart.basis[seen], other_key


@jax.jit
def _move_path(
    problem: Problem, search: Search, basis: Float[Array, "n k"], by_codes: Array
) -> Search:
    settings = problem.settings
    gradient = _by_path(basis, jnp.sum(by_codes, axis=1, keepdims=True))  # all rows move alike
    updates, adam = ADAM.update(gradient, search.adam)
    left = 1 - search.step / problem.search_steps
    rate = settings.search_rate * jnp.clip(left / _FALL, 0, 1)
    rate *= jnp.minimum(1, (search.step + 1) / _RISE)
    path = jax.tree.map(lambda x, u: x - rate * u, search.path, updates)
    return Search(search.step + 1, path, adam)


@jax.jit
def _move_generator(
    problem: Problem,
    heart: Heart,
    tuning: Tuning,
    basis: Float[Array, "n k"],
    own: Gradients,
    back: Any | None,
) -> Tuning:
    """Move by the gradients of the heart and, every so often, of other hearts."""
    settings = problem.settings
    synthesis = own.synthesis
    if back is not None:
        synthesis = jax.tree.map(lambda a, b: a + LAZY * settings.others * b, synthesis, back)
    # Noise is moved in units of what it adds to a layer: its map times its strength, which stays.
    # So other hearts, with the model's own maps, do not notice.
    strengths = _strengths(problem)
    noise = tuple(
        still * g / strength
        for still, g, strength in zip(heart.still, own.noise, strengths, strict=True)
    )
    gradient = Tuned(synthesis, noise, _by_path(basis, own.codes))
    updates, adam = ADAM.update(gradient, tuning.adam)
    rise = jnp.minimum(1, (tuning.step + 1) / _RISE)

    def moved(part: Any, update: Any, rate: float) -> Any:
        return jax.tree.map(lambda x, u: x - rise * rate * u, part, update)

    before = tuning.tuned
    synthesis = moved(before.synthesis, updates.synthesis, settings.rate)
    maps = tuple(
        moved(level, update, settings.noise_rate) if settings.noise_rate else level
        for level, update in zip(
            before.noise,
            (u / strength for u, strength in zip(updates.noise, strengths, strict=True)),
            strict=True,
        )
    )
    path = moved(before.path, updates.path, settings.path_rate)
    tuned = Tuned(_with_strengths(synthesis, strengths), maps, path)
    # A mean of all steps at first, so that nothing of the start stays in it.
    share = jnp.maximum(1 / (tuning.step + 1), 1 / settings.average)
    average = jax.tree.map(lambda a, x: a + share * (x - a), tuning.average, tuned)
    return Tuning(tuning.step + 1, tuned, average, adam)


def _strengths(problem: Problem) -> tuple[Float[Array, ""], ...]:
    """Return what each noise map is multiplied by, from coarse to fine, and never by 0."""
    found = []
    for name in noisy_layers(problem.generator.resolution):
        strength = problem.params["synthesis"][name]["noise_strength"]
        least = jnp.where(strength < 0, -LEAST_STRENGTH, LEAST_STRENGTH)
        found.append(jnp.where(jnp.abs(strength) < LEAST_STRENGTH, least, strength))
    return tuple(found)


def _with_strengths(synthesis: Any, strengths: tuple[Float[Array, ""], ...]) -> Any:
    side = 2 ** (2 + len(strengths) // 2)
    return {
        **synthesis,
        **{
            name: {**synthesis[name], "noise_strength": strength}
            for name, strength in zip(noisy_layers(side), strengths, strict=True)
        },
    }


def noisy_layers(resolution: int) -> list[str]:
    """Return the names of the layers that take noise, from coarse to fine."""
    sides = [side for side in block_resolutions(resolution) for _ in range(2)]
    return [f"b{side}_conv{index % 2}" for index, side in enumerate(sides)][1:]


def _by_path(basis: Float[Array, "n k"], by_codes: Float[Array, "n rows w_dim"]) -> Path:
    """Return the gradient by a path, from that by the codes that it has at some frames."""
    waves = jnp.tensordot(basis.T, by_codes, axes=1, precision="highest")
    return Path(jnp.sum(by_codes, axis=0), waves)


@jax.jit
def _codes_at(
    problem: Problem, path: Path, basis: Float[Array, "n k"]
) -> Float[Array, "n num_ws w_dim"]:
    codes = closed_path(path.identity, path.waves, basis)
    return jnp.broadcast_to(codes, (len(codes), problem.generator.num_ws, codes.shape[-1]))


@jax.jit
def _other_hearts(
    problem: Problem, key: PRNGKeyArray, codes: Float[Array, "n num_ws w_dim"]
) -> Float[Array, "n num_ws w_dim"]:
    """Return codes on the way from each of the heart's own towards that of a random heart.

    Evenly spread from `away` to the random heart itself, where it is farther.
    """
    z_key, part_key = jax.random.split(key)
    z = jax.random.normal(z_key, (len(codes), problem.generator.z_dim))
    w: Any = problem.generator.apply({"params": problem.params}, z, method="map")
    apart = w[:, None] - codes
    length = jnp.sqrt(jnp.mean(jnp.sum(jnp.square(apart), axis=2), axis=1))
    nearest = jnp.minimum(problem.settings.away * problem.deviation / length, 1)
    part = nearest + (1 - nearest) * jax.random.uniform(part_key, (len(codes),))
    return codes + part[:, None, None] * apart
