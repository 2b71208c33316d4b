"""The search itself: Adam down the distance of clips, in compiled chunks of steps.

A clip is one frame, or the frames of a beat that share an identity, waves about it
(`latents.closed_path`) and noise maps. Every clip has its own optimiser state and its own key, and
losses are summed over clips, so what is found for a clip does not depend on which others are
searched beside it. The frames of clips come in groups, one after another where memory is short.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from gancmri_jax.latents.closed_path import closed_path
from gancmri_jax.model.mesh import data_mesh, replicated, split
from gancmri_jax.networks.generator import Generator, draw_noise
from gancmri_jax.projection.clips import Clips, Found, Variables, single_frames
from gancmri_jax.projection.distance import Features
from gancmri_jax.projection.noise import autocorrelation, normalize_noise
from gancmri_jax.projection.settings import Settings, learning_rate, w_noise


def search(
    generator: Generator,
    params: Any,
    features: Features,
    clips: Clips,
    variables: Variables,
    deviation: Float[Array, ""],
    settings: Settings,
    on_steps: Callable[[int], object] = lambda _: None,
) -> Found:
    """Search from `variables`, whose buffers are taken over.

    Args:
        generator: The network.
        params: Its parameters.
        features: The distance's feature map.
        clips: What to search for; they are split over this process's devices where their number is
            a multiple of the devices'.
        variables: Where to begin.
        deviation: w's root mean square distance from its mean.
        settings: How to search.
        on_steps: Told the steps done since it was last told, or spared since all clips stopped.
    """
    params, features, clips, variables = place(params, features, clips, variables)
    exact = target_features(features, clips.targets)
    fast_generator, fast_features, fast = generator, features, exact
    if settings.dtype == "bfloat16":
        fast_generator = generator.clone(dtype=jnp.bfloat16)
        fast_features = in_bfloat16(features)
        fast = target_features(fast_features, clips.targets.astype(jnp.bfloat16))
    state = begin(variables)
    num_clips, done = len(clips.keys), 0
    stopped = np.zeros(num_clips, bool)
    steps = np.zeros(num_clips, np.int32)
    curve = np.full((num_clips, settings.num_looks), np.nan, np.float64)
    for look in range(settings.num_looks):
        chunk = min(settings.chunk, settings.num_steps - done)
        state = take_steps(
            fast_generator,
            settings,
            chunk,
            params,
            fast_features,
            clips,
            fast,
            deviation,
            stopped if settings.stop_at is not None else None,
            state,
            done,
        )
        done += chunk
        steps[~stopped] += chunk
        distances = _distances(generator, params, features, clips, exact, state[0])
        mean = np.sum(np.asarray(distances) * np.asarray(clips.weights), axis=(0, 2))
        curve[~stopped, look] = mean[~stopped]
        on_steps(chunk)
        if settings.stop_at is not None:
            stopped |= mean <= settings.stop_at
            if stopped.all():
                break
    if done < settings.num_steps:
        on_steps(settings.num_steps - done)
    # Noise maps are stored in half precision: what is measured is what the store will render.
    found = state[0]._replace(noise=_halved(state[0].noise))
    distances = _distances(generator, params, features, clips, exact, found)
    ws = _codes(found, clips.basis, generator.num_ws)
    return Found(
        _by_clip(ws),
        tuple(np.asarray(level) for level in found.noise),
        _by_clip(distances),
        steps,
        curve,
    )


def gradient(
    generator: Generator,
    params: Any,
    features: Features,
    clips: Clips,
    variables: Variables,
    deviation: Float[Array, ""],
    settings: Settings,
) -> Variables:
    """Return the gradient of a search's loss where it stands, with no noise added to w."""
    target = target_features(features, clips.targets)
    nothing = jnp.zeros_like(variables.identity)
    compute = functools.partial(_gradient, generator, settings)
    return jax.jit(compute)(params, features, clips, target, deviation, variables, nothing)


def step_bytes(
    generator: Generator, params: Any, features: Features, settings: Settings, num_frames: int
) -> int:
    """Return the memory that a step on so many single frames takes besides its inputs."""
    side, channels, rows = generator.resolution, generator.img_channels, generator.num_ws
    keys = jax.random.split(jax.random.key(0), num_frames)
    dtype = jnp.dtype(settings.dtype)
    generator = generator.clone(dtype=dtype)

    def step(params, features, targets, identity, noise):
        clips, variables = single_frames(targets, keys), Variables.of_frames(identity, noise)
        if dtype == jnp.bfloat16:
            features, targets = in_bfloat16(features), targets.astype(dtype)
        seen = features(targets)[None]
        added = jnp.zeros_like(identity)
        return _gradient(generator, settings, params, features, clips, seen, 1.0, variables, added)

    targets = jax.ShapeDtypeStruct((num_frames, side, side, channels), jnp.float32)
    identity = jax.ShapeDtypeStruct((num_frames, rows, generator.w_dim), jnp.float32)
    noise = jax.eval_shape(lambda: draw_noise(keys[0], side, num_frames))
    compiled = jax.jit(step).lower(params, features, targets, identity, noise).compile()
    analysis = compiled.memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes


def begin(variables: Variables) -> tuple[Variables, Any]:
    """Return the state before the first step: the variables, and Adam's of them."""
    return variables, _adam().init(variables)


def place(
    params: Any, features: Features, clips: Clips, variables: Variables
) -> tuple[Any, Features, Clips, Variables]:
    """Split clips over this process's devices, where they come out even; copy the rest to each."""
    devices = jax.local_devices()
    if len(devices) == 1 or len(clips.keys) % len(devices):
        return params, features, clips, variables
    mesh = data_mesh(devices)
    params, features = jax.device_put((params, features), replicated(mesh))
    variables, keys = jax.device_put((variables, clips.keys), split(mesh))
    targets, basis, weights = jax.device_put(clips[:3], split(mesh, axis=1))
    return params, features, Clips(targets, basis, weights, keys), variables


def _adam() -> optax.GradientTransformation:
    return optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


def in_bfloat16(features: Features) -> Features:
    """Return a feature map that computes in half precision what it is shown in half precision."""

    def narrow(leaf):
        return leaf.astype(jnp.bfloat16) if leaf.dtype == jnp.float32 else leaf

    return jax.tree.map(narrow, features)


def _by_clip(x: Float[Array, "group v t *rest"]) -> Float[np.ndarray, "v group*t *rest"]:
    array = np.asarray(x).swapaxes(0, 1)
    return array.reshape(array.shape[0], -1, *array.shape[3:])


@functools.partial(jax.jit, static_argnums=2)
def _codes(variables, basis, num_ws):
    """Return the codes of all frames [group v t num_ws w_dim]."""
    of_clips = jax.vmap(closed_path)
    path = jax.vmap(of_clips, in_axes=(None, None, 0))(variables.identity, variables.waves, basis)
    return jnp.broadcast_to(path, (*path.shape[:3], num_ws, path.shape[-1]))


def _render(generator, params, ws, noise):
    """Render frames [v t num_ws w_dim], those of a clip with its noise maps; [v*t h w c]."""
    maps = tuple(jnp.repeat(level, ws.shape[1], axis=0) for level in noise)
    ws = ws.reshape(-1, *ws.shape[2:])
    return generator.apply({"params": params}, ws, maps, method="synthesize")


@jax.jit
def target_features(features, targets):
    """Return what a distance sees of all frames [group v*t d]."""
    return jax.lax.map(lambda group: features(group.reshape(-1, *group.shape[2:])), targets)


@jax.jit
def _halved(noise):
    return jax.tree.map(lambda level: level.astype(jnp.float16).astype(level.dtype), noise)


@functools.partial(jax.jit, static_argnums=0)
def _distances(generator, params, features, clips, seen, variables):
    """Return each frame's distance [group v t]."""

    def of_group(group):
        ws, target = group
        found = features(_render(generator, params, ws, variables.noise))
        return jnp.sum(jnp.square(found - target), axis=1).reshape(ws.shape[:2])

    ws = _codes(variables, clips.basis, generator.num_ws)
    return jax.lax.map(of_group, (ws, seen))


def _gradient(generator, settings, params, features, clips, seen, deviation, variables, added):
    """Return the gradient of the loss where `added` [v rows w_dim] is put on w."""
    render: Callable[..., Any] = functools.partial(_render, generator)
    if settings.remat:
        render, features = jax.checkpoint(render), jax.checkpoint(features)

    def distance(variables, basis, weights, target):
        moved = variables._replace(identity=variables.identity + added)
        ws = _codes(moved, basis[None], generator.num_ws)[0]  # [v t num_ws w_dim]
        images = render(params, ws, variables.noise)
        if settings.dtype == "bfloat16":
            images = images.astype(jnp.bfloat16)
        found = features(images)
        squares = jnp.sum(jnp.square((found - target).astype(added.dtype)), axis=1)
        total = jnp.sum(squares.reshape(weights.shape) * weights)
        if settings.pull_to_w:
            rows = _codes(variables, basis[None], generator.num_ws)[0]
            apart = rows - jnp.mean(rows, axis=2, keepdims=True)
            spread = jnp.mean(jnp.sum(jnp.square(apart), axis=3), axis=2)  # [v t]
            total += settings.pull_to_w * jnp.sum(spread * weights) / deviation**2
        return total

    def white(variables):
        return settings.noise_weight * jnp.sum(autocorrelation(variables.noise))

    gradients = jax.grad(white)(variables)
    groups = clips.basis, clips.weights, seen
    if len(clips.targets) == 1:
        more = jax.grad(distance)(variables, *(x[0] for x in groups))
        return jax.tree.map(jnp.add, gradients, more)

    def add(total, group):
        return jax.tree.map(jnp.add, total, jax.grad(distance)(variables, *group)), None

    return jax.lax.scan(add, gradients, groups)[0]


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=9)
def take_steps(
    generator,
    settings,
    num_steps,
    params,
    features,
    clips,
    seen: Float[Array, "group v*t d"],
    deviation,
    stopped: Bool[Array, "v"] | None,
    state,
    first,
):
    """Take `num_steps` steps from step `first` on, as one program; stopped clips stay.

    `seen` are the targets' features; `state`, the variables and Adam's, is taken over.
    """

    def kept(old, new):
        if stopped is None or old.ndim == 0:  # Adam's count, which all clips share
            return new
        return jnp.where(stopped.reshape((-1,) + (1,) * (old.ndim - 1)), old, new)

    def step(state, index):
        variables, adam = state
        shape = variables.identity.shape[1:]
        draws = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, index + 1), shape))(
            clips.keys
        )
        gradients = _gradient(
            generator,
            settings,
            params,
            features,
            clips,
            seen,
            deviation,
            variables,
            draws * (deviation * w_noise(index, settings)),
        )
        updates, adam = _adam().update(gradients, adam)
        rate = learning_rate(index, settings)
        moved = jax.tree.map(lambda v, u: v - rate * u, variables, updates)
        moved = moved._replace(noise=normalize_noise(moved.noise))
        return jax.tree.map(kept, state, (moved, adam)), None

    return jax.lax.scan(step, state, first + jnp.arange(num_steps))[0]
