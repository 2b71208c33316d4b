"""The StyleGAN2 projector (Karras et al. 2020, appendix D): from an image to its w and noise maps.

Adam moves w and the noise maps of one clip until its rendering is near its frames. A clip is one
frame, as in the paper, or the frames of a beat, which share an identity, waves about it
(`latents.closed_path`) and noise maps. Everything up to `step` is written for one clip; what
follows maps it over many. Each has its own optimiser state and its own key, so that its result
does not depend on the clips beside it.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from gancmri_jax.latents.closed_path import closed_path
from gancmri_jax.model.mesh import data_mesh, replicated, split
from gancmri_jax.networks.generator import Generator
from gancmri_jax.ops.precision import in_full_precision
from gancmri_jax.projection.distance import in_bfloat16
from gancmri_jax.projection.settings import Settings

Maps = tuple[Float[Array, "_ _"], ...]  # one noise map a noisy layer, coarse to fine

ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


class Numbers(NamedTuple):
    """The numbers of `Settings` that a step depends on."""

    num_steps: int
    learning_rate: float
    w_noise: float | None
    w_noise_until: float
    noise_weight: float
    pull_to_w: float


class Problem(flax.struct.PyTreeNode):
    """What all clips of a search share.

    Attributes:
        generator: The network.
        settings: How to search.
        numbers: Those of the settings, where programs take them as inputs: see `for_any_numbers`.
        params: The network's parameters.
        features: The distance's feature map.
        deviation: w's root mean square distance from its mean, a scalar.
    """

    generator: Generator = flax.struct.field(pytree_node=False)
    settings: Settings = flax.struct.field(pytree_node=False)
    # JAX puts placeholders into trees, so no shapes are promised here.
    params: Any
    features: Any
    deviation: Any
    numbers: Any = None

    @property
    def amounts(self) -> Settings | Numbers:
        """The numbers to compute with."""
        return self.settings if self.numbers is None else self.numbers


class Clip(NamedTuple):
    """What is searched for: frames in groups, which are rendered one after another.

    Attributes:
        targets: Frames in [−1, 1].
        basis: What each wave adds at each frame; zero wide for a single frame.
        weights: Of the frames in the clip's distance: they sum to one, and padding has 0.
        key: Of the clip's randomness.
    """

    targets: Float[Array, "group t h w c"]
    basis: Float[Array, "group t k"]
    weights: Float[Array, "group t"]
    key: PRNGKeyArray


class Variables(NamedTuple):
    """What the search moves; with one row, all rows of ws are alike."""

    identity: Float[Array, "rows w_dim"]
    waves: Float[Array, "k rows w_dim"]
    noise: Maps


class State(NamedTuple):
    """A search between two steps: its variables, and Adam's moments of them."""

    variables: Variables
    adam: Any


class Found(NamedTuple):
    """The result of a search, on the host.

    Attributes:
        ws: Codes of all frames, padding included.
        noise: Noise maps of the clips, exact in float16.
        distances: Of the rendering of `ws` with `noise` from each frame.
        steps: Steps that each clip took.
        curve: Each clip's distance at every look; NaN after it stopped.
    """

    ws: Float[np.ndarray, "v t num_ws w_dim"]
    noise: tuple[Float[np.ndarray, "v _ _"], ...]
    distances: Float[np.ndarray, "v t"]
    steps: Int[np.ndarray, "v"]
    curve: Float[np.ndarray, "v look"]


# The schedules.


def learning_rate(step: Array | int, settings: Settings | Numbers) -> Array:
    """Return the learning rate of a step: linear up over 5 %, cosine down over the last 25 %."""
    t = step / settings.num_steps
    down = jnp.minimum(1.0, (1 - t) / 0.25)
    down = 0.5 - 0.5 * jnp.cos(jnp.pi * down)
    return settings.learning_rate * down * jnp.minimum(1.0, t / 0.05)


def w_noise(step: Array | int, settings: Settings | Numbers) -> Array:
    """Return the amplitude of the noise added to w at a step, in units of w's deviation."""
    assert settings.w_noise is not None
    left = jnp.maximum(0.0, 1 - step / settings.num_steps / settings.w_noise_until)
    return settings.w_noise * left**2


# The noise maps, which stay white.


def autocorrelation(noise: Maps) -> Float[Array, ""]:
    """Return how far noise maps are from white: the appendix's equation, over maps and scales.

    Squared mean product of each map with itself shifted by one along either axis, down a 2×
    average-pooled pyramid to 8².
    """
    total = jnp.zeros(())
    for level in noise:
        while True:
            for axis in (0, 1):
                total += jnp.square(jnp.mean(level * jnp.roll(level, 1, axis)))
            size = len(level)
            if size <= 8:
                break
            level = level.reshape(size // 2, 2, size // 2, 2).mean(axis=(1, 3))
    return total


def normalize_noise(noise: Maps) -> Maps:
    """Return each map with mean 0 and standard deviation 1."""
    centred = [level - jnp.mean(level) for level in noise]
    return tuple(level * jax.lax.rsqrt(jnp.mean(jnp.square(level))) for level in centred)


# The loss of one clip, and a step down it.


def codes(
    variables: Variables, basis: Float[Array, "t k"], num_ws: int
) -> Float[Array, "t num_ws w_dim"]:
    """Return the codes of frames."""
    path = closed_path(variables.identity, variables.waves, basis)
    return jnp.broadcast_to(path, (len(path), num_ws, path.shape[-1]))


def frame_distances(
    problem: Problem,
    variables: Variables,
    basis: Float[Array, "t k"],
    seen: Float[Array, "t d"],
) -> Float[Array, "t"]:
    """Return the distance of each frame's rendering from its target, of which features are seen."""

    def render(params, ws, noise):
        return problem.generator.apply({"params": params}, ws, noise, method="synthesize")

    features = problem.features
    if problem.settings.remat:
        render, features = jax.checkpoint(render), jax.checkpoint(features)
    ws = codes(variables, basis, problem.generator.num_ws)
    images = render(problem.params, ws, tuple(level[None] for level in variables.noise))
    apart = (features(images) - seen).astype(variables.identity.dtype)
    return jnp.sum(jnp.square(apart), axis=1)


def group_loss(
    problem: Problem,
    variables: Variables,
    added: Float[Array, "rows w_dim"],
    basis: Float[Array, "t k"],
    weights: Float[Array, "t"],
    seen: Float[Array, "t d"],
) -> Float[Array, ""]:
    """Return what a group of frames adds to the loss, where `added` is put on w."""
    noisy = variables._replace(identity=variables.identity + added)
    loss = jnp.sum(frame_distances(problem, noisy, basis, seen) * weights)
    if problem.settings.pull_to_w:
        rows = codes(variables, basis, problem.generator.num_ws)
        apart = rows - jnp.mean(rows, axis=1, keepdims=True)
        spread = jnp.mean(jnp.sum(jnp.square(apart), axis=2), axis=1)  # [t]
        pull = jnp.sum(spread * weights) / problem.deviation**2
        loss += problem.amounts.pull_to_w * pull
    return loss


def gradient(
    problem: Problem,
    clip: Clip,
    seen: Float[Array, "group t d"],
    variables: Variables,
    added: Float[Array, "rows w_dim"],
) -> Variables:
    """Return the gradient of a clip's loss, where `added` is put on w."""

    def whiteness(variables: Variables) -> Float[Array, ""]:
        return problem.amounts.noise_weight * autocorrelation(variables.noise)

    def add_group(total, group):
        # Group by group, so that the activations of one are held at a time.
        more = jax.grad(group_loss, argnums=1)(problem, variables, added, *group)
        return jax.tree.map(jnp.add, total, more), None

    groups = clip.basis, clip.weights, seen
    return jax.lax.scan(add_group, jax.grad(whiteness)(variables), groups)[0]


def step(
    problem: Problem, clip: Clip, seen: Float[Array, "group t d"], state: State, index: Array
) -> State:
    """Take a clip's step number `index`, from 0."""
    variables, settings = state.variables, problem.amounts
    key = jax.random.fold_in(clip.key, index + 1)
    amplitude = problem.deviation * w_noise(index, settings)
    added = amplitude * jax.random.normal(key, variables.identity.shape)
    updates, adam = ADAM.update(gradient(problem, clip, seen, variables, added), state.adam)
    rate = learning_rate(index, settings)
    moved: Variables = jax.tree.map(lambda v, u: v - rate * u, variables, updates)
    return State(moved._replace(noise=normalize_noise(moved.noise)), adam)


# Many clips at once: from here on, all that belongs to clips has an axis of them in front.


@jax.jit
def see(problem: Problem, clips: Clip) -> Float[Array, "v group t d"]:
    """Return what the distance sees of all frames."""
    return jax.vmap(functools.partial(jax.lax.map, problem.features))(clips.targets)


def begin(variables: Variables) -> State:
    """Return the state before the first step."""
    return State(variables, jax.vmap(ADAM.init)(variables))


@functools.partial(jax.jit, static_argnames="num_steps", donate_argnames="state")
def take_steps(
    problem: Problem,
    clips: Clip,
    seen: Float[Array, "v group t d"],
    state: State,
    stopped: Bool[Array, "v"],
    first: Array | int,
    num_steps: int,
) -> State:
    """Take steps from number `first` on, as one program; clips that stopped stay as they are.

    The buffers of `state` are used again for what is returned.
    """

    def of_clip(clip, seen, state, stopped):
        def one(state, index):
            new = step(problem, clip, seen, state, index)
            if problem.settings.stop_at is not None:
                new = jax.tree.map(lambda a, b: jnp.where(stopped, a, b), state, new)
            return new, None

        return jax.lax.scan(one, state, first + jnp.arange(num_steps))[0]

    return jax.vmap(of_clip)(clips, seen, state, stopped)


@jax.jit
@in_full_precision
def measure(
    problem: Problem, clips: Clip, seen: Float[Array, "v group t d"], variables: Variables
) -> tuple[Float[Array, "v group*t num_ws w_dim"], Float[Array, "v group*t"]]:
    """Return the codes of all frames, and their distances."""

    def of_clip(clip, seen, variables):
        def of_group(group):
            return frame_distances(problem, variables, *group)

        distances = jax.lax.map(of_group, (clip.basis, seen)).reshape(-1)
        basis = clip.basis.reshape(len(distances), -1)
        return codes(variables, basis, problem.generator.num_ws), distances

    return jax.vmap(of_clip)(clips, seen, variables)


def search(
    problem: Problem,
    clips: Clip,
    variables: Variables,
    on_steps: Callable[[int], object] = lambda _: None,
) -> Found:
    """Search for clips, in compiled chunks of steps.

    Args:
        problem: What they share.
        clips: What to search for; they are split over this process's devices where their number is
            a multiple of the devices'.
        variables: Where to begin; their buffers are used again.
        on_steps: Called with the steps taken since its last call, or saved since all clips stopped.
    """
    settings = problem.settings
    problem, clips, variables = place(problem, clips, variables)
    fast = for_any_numbers(problem)
    problem = problem.replace(settings=Settings())  # looks depend on none, so programs are shared
    with jax.default_matmul_precision("highest"):  # as `measure`
        seen = fast_seen = see(problem, clips)
    if settings.dtype == "bfloat16":
        fast = in_half_precision(fast)
        fast_seen = see(fast, clips)
    weights = np.asarray(clips.weights).reshape(len(clips.key), -1)
    state, taken = begin(variables), 0
    stopped = np.zeros(len(clips.key), bool)
    steps = np.zeros(len(clips.key), np.int32)
    curve = np.full((len(clips.key), settings.num_looks), np.nan, np.float64)
    for look in range(settings.num_looks):
        chunk = min(settings.chunk, settings.num_steps - taken)
        state = take_steps(fast, clips, fast_seen, state, jnp.asarray(stopped), taken, chunk)
        taken += chunk
        steps[~stopped] += chunk
        _, distances = measure(problem, clips, seen, state.variables)
        mean = np.sum(np.asarray(distances) * weights, axis=1)
        curve[~stopped, look] = mean[~stopped]
        on_steps(chunk)
        if settings.stop_at is not None:
            stopped |= mean <= settings.stop_at
            if stopped.all():
                break
    if taken < settings.num_steps:
        on_steps(settings.num_steps - taken)
    # Noise maps are stored in half precision: measure what the store will render.
    found = state.variables._replace(noise=_halved(state.variables.noise))
    ws, distances = jax.tree.map(np.asarray, measure(problem, clips, seen, found))
    return Found(ws, tuple(np.asarray(level) for level in found.noise), distances, steps, curve)


def place(problem: Problem, clips: Clip, variables: Variables) -> tuple[Problem, Clip, Variables]:
    """Split clips over this process's devices if they divide evenly; copy the rest to each."""
    devices = jax.local_devices()
    if len(devices) == 1 or len(clips.key) % len(devices):
        return problem, clips, variables
    mesh = data_mesh(devices)
    problem = jax.device_put(problem, replicated(mesh))
    return problem, *jax.device_put((clips, variables), split(mesh))


def for_any_numbers(problem: Problem) -> Problem:
    """Return the problem with its settings' numbers as inputs, so that its steps compile once.

    Of the settings stays what changes the program: whether clips stop or rows are pulled, and
    whether activations are computed again.
    """
    settings = problem.settings
    kind = Settings(
        pull_to_w=float(settings.pull_to_w != 0),
        stop_at=None if settings.stop_at is None else 0.0,
        remat=settings.remat,
    )
    numbers = Numbers(*(getattr(settings, name) for name in Numbers._fields))
    return problem.replace(settings=kind, numbers=numbers)


def in_half_precision(problem: Problem) -> Problem:
    """Return the problem with networks that compute in bfloat16."""
    generator = problem.generator.clone(dtype=jnp.bfloat16)
    return problem.replace(generator=generator, features=in_bfloat16(problem.features))


@jax.jit
def _halved(noise):
    return jax.tree.map(lambda level: level.astype(jnp.float16).astype(level.dtype), noise)
