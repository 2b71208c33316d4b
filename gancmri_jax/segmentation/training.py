"""Training of the cardiac FCN on phantom hearts; the same call continues a run that broke off.

It starts from random numbers, or from another segmenter's; then labelled real frames may be mixed
in (`finetuning`).
"""

import functools
import json
import pathlib
import time
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int
from ml_collections import ConfigDict
from tqdm import tqdm

from gancmri_jax.cine.video_file import tile, write_png
from gancmri_jax.errors import InputError
from gancmri_jax.lock import one_run
from gancmri_jax.model.segmenter import FILE, Segmenter, save_segmenter
from gancmri_jax.networks.cardiac_fcn import CLASSES, MULTIPLE, CardiacFCN
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.runs.writer import MetricsFile, pin_config
from gancmri_jax.segmentation.augmentation import HEART_SHARE, Beat, augment
from gancmri_jax.segmentation.data import Pool, render_pool, replace
from gancmri_jax.segmentation.finetuning import (
    draw_labelled,
    labelled_count,
    marginal_loss_and_metrics,
    start_variables,
)
from gancmri_jax.segmentation.labelled import LabelledFrames
from gancmri_jax.version import __version__

_REPORT, _SAVE = 50, 500  # steps between lines of metrics, and between checkpoints
_SAMPLES = 12
HEART_MM = 136.0  # the box around a normal heart, for frames whose spacing is all that is known


class SegmenterState(flax.struct.PyTreeNode):
    """The state of a run after `step` steps."""

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    opt: optax.OptState


def default_config() -> ConfigDict:
    """Return what the embedded segmenter was trained with."""
    return ConfigDict(
        dict(
            filters=(10, 20, 40, 72, 96),
            level_width=16,
            head_width=28,
            phases=2,
            size=144,
            subjects=75,
            new_subject_steps=5,
            steps=4000,
            batch_size=8,
            learning_rate=3e-3,
            seed=4001,
        )
    )


def train_segmenter(
    config: ConfigDict,
    workdir: pathlib.Path,
    start: Segmenter | None = None,
    labelled: LabelledFrames | None = None,
) -> Segmenter:
    """Train by the configuration, leaving everything in `workdir`; return the segmenter.

    Args:
        config: As `default_config` returns it; for `start`, changed by `finetuning.start_from`.
        workdir: The run's folder.
        start: A segmenter whose numbers are the first ones.
        labelled: Real frames; `config.data_share` of each batch are drawn from them.

    Raises:
        InputError: The configuration cannot be trained with, or `workdir` holds another run or is
            in use by one.
    """
    if config.size < MULTIPLE or config.size % MULTIPLE:
        raise InputError(f"the size must be a multiple of {MULTIPLE}, got {config.size}")
    with one_run(workdir, "train-segmenter"):
        return _train(config, workdir, start, labelled)


def _train(
    config: ConfigDict,
    workdir: pathlib.Path,
    start: Segmenter | None,
    labelled: LabelledFrames | None,
) -> Segmenter:
    if labelled is not None:
        labelled_count(config)
        config.labelled = labelled.digest
    try:
        (workdir / "samples").mkdir(parents=True, exist_ok=True)
        pin_config(workdir, config)
    except OSError as error:
        raise InputError(f"{workdir}: cannot be written: {error}") from error
    state = init_state(config)
    if start is not None:
        state = state.replace(**start_variables(start))

    with Checkpoints(workdir / "checkpoints") as checkpoints:
        if (loaded := checkpoints.load_latest(state)) is not None:
            state, _ = loaded
        done = int(state.step)
        metrics_file = MetricsFile(workdir / "metrics.jsonl", done)
        if done >= config.steps:
            return _leave(state, config, workdir)

        with tqdm(total=config.subjects, unit=" subjects", desc="render") as bar:
            pool = render_pool(
                config.seed,
                done // config.new_subject_steps,
                config.subjects,
                on_subject=lambda: bar.update(),
            )
        step, draw_samples = make_step(config), _make_samples(config)
        bar = tqdm(total=config.steps, initial=done, unit=" steps", desc="train-segmenter")
        seen, since = [], time.perf_counter()
        for index in range(done, config.steps):
            state, metrics = step(state, pool, labelled)
            seen.append(metrics)
            bar.update()
            done, last = index + 1, index + 1 == config.steps
            if done % config.new_subject_steps == 0:
                newest = done // config.new_subject_steps + config.subjects - 1
                pool = replace(pool, config.seed, newest)
            if last or done % _REPORT == 0:
                means = jax.tree.map(lambda *x: float(np.mean(x)), *jax.device_get(seen))
                speed = len(seen) * config.batch_size / (time.perf_counter() - since)
                line = {"step": done, "images_per_second": round(speed, 2), **means}
                metrics_file.append(line)
                bar.set_postfix_str(f"loss {means['loss']:.3f} LV Dice {means['dice/LV']:.3f}")
                seen, since = [], time.perf_counter()
            if last or done % _SAVE == 0:
                draw_samples(state, pool, workdir / "samples" / f"{done:06d}.png")
                segmenter = _leave(state, config, workdir)
                checkpoints.save(state, {"next_step": done})
        bar.close()
    return segmenter


def init_state(config: ConfigDict) -> SegmenterState:
    """Draw the initial parameters from the configuration's seed."""

    def init() -> SegmenterState:
        image = jnp.zeros((1, MULTIPLE, MULTIPLE, 1))
        variables = _network(config).init(jax.random.key(config.seed), image)
        return SegmenterState(
            step=jnp.zeros((), jnp.int32),
            params=variables["params"],
            batch_stats=variables["batch_stats"],
            opt=_optimizer(config).init(variables["params"]),
        )

    # An explicit sharding, as loaded checkpoints have: a resumed run finds its compiled programs.
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.jit(init, out_shardings=sharding)()


def loss_and_metrics(
    logits: Float[Array, "n h w k"], fractions: Float[Array, "n h w k"]
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Cross-entropy against fractions of classes, plus half of one minus the mean soft Dice.

    Fractions as targets put the level of one half where the outline runs between two pixels.
    """
    entropy = jnp.mean(optax.softmax_cross_entropy(logits, fractions))
    shares = jax.nn.softmax(logits)
    axes = (0, 1, 2)
    overlap = 2 * jnp.sum(shares * fractions, axes) + 1
    dice = overlap / (jnp.sum(jnp.square(shares) + jnp.square(fractions), axes) + 1)  # [k]
    loss = entropy + 0.5 * (1 - jnp.mean(dice[1:]))
    named = {f"dice/{name}": value for name, value in zip(CLASSES[1:], dice[1:], strict=True)}
    return loss, {"loss": loss, "cross_entropy": entropy, **named}


def make_step(config: ConfigDict):
    """Build the jitted step (state, pool, labelled frames or None) → (state, metrics).

    Adam, warm up, cosine down.
    """
    network, optimizer = _network(config), _optimizer(config)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: SegmenterState, pool: Pool, labelled: LabelledFrames | None = None):
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        if labelled is None:
            images, fractions = draw_batch(key, pool, config)
            compare = loss_and_metrics
        else:
            images, fractions, drawn = draw_mixed(key, pool, labelled, config)
            compare = functools.partial(marginal_loss_and_metrics, drawn=drawn)

        def loss(params):
            variables = {"params": params, "batch_stats": state.batch_stats}
            logits, new = network.apply(variables, images, train=True, mutable="batch_stats")
            value, metrics = compare(logits, fractions)
            return value, (new["batch_stats"], metrics)

        gradients, (batch_stats, metrics) = jax.grad(loss, has_aux=True)(state.params)
        updates, opt = optimizer.update(gradients, state.opt, state.params)
        params = optax.apply_updates(state.params, updates)
        return SegmenterState(state.step + 1, params, batch_stats, opt), metrics

    return step


def draw_batch(
    key: Array, pool: Pool, config: ConfigDict
) -> tuple[Float[Array, "n h w p"], Float[Array, "n h w k"]]:
    """Draw frames of a pool, with others of their beats, and augment each by a key of its own."""
    subjects, frames = pool.images.shape[:2]
    who, when, others, rest = jax.random.split(key, 4)
    shape = [config.batch_size]
    later = jnp.arange(config.phases) * frames // config.phases

    def beat(subject, frame, phases):
        at = (frame + later[:phases]) % frames
        return Beat(pool.images[subject, at], pool.labels[subject, at], pool.hearts[subject])

    def example(key, subject, frame, other):
        return augment(
            key,
            beat(subject, frame, config.phases),
            beat(other, frame, 1),
            config.size,
            len(CLASSES),
        )

    return jax.vmap(example)(
        jax.random.split(rest, config.batch_size),
        jax.random.randint(who, shape, 0, subjects),
        jax.random.randint(when, shape, 0, frames),
        jax.random.randint(others, shape, 0, subjects),
    )


def draw_mixed(
    key: Array, pool: Pool, labelled: LabelledFrames, config: ConfigDict
) -> tuple[Float[Array, "n h w p"], Float[Array, "n h w k"], Bool[Array, "n k"]]:
    """Draw a batch of phantoms and labelled frames, and which classes are drawn in each."""
    count = labelled_count(config)
    fewer = ConfigDict({**config, "batch_size": config.batch_size - count})
    phantoms = draw_batch(key, pool, fewer)
    images, fractions, drawn = draw_labelled(
        jax.random.fold_in(key, 1), labelled, config.size, count
    )
    return (
        jnp.concatenate([phantoms[0], images]),
        jnp.concatenate([phantoms[1], fractions]),
        jnp.concatenate([jnp.ones((fewer.batch_size, len(CLASSES)), bool), drawn]),
    )


def segmenter_of(state: SegmenterState, config: ConfigDict) -> Segmenter:
    """Build what users get of a state."""
    return Segmenter(
        network=_network(config),
        variables={"params": state.params, "batch_stats": state.batch_stats},
        pixel_mm=HEART_MM / HEART_SHARE / config.size,
        side=config.size,
        card={
            "gancmri_jax": __version__,
            "hardware": f"{jax.device_count()} × {jax.devices()[0].device_kind}",
            "data": "phantom hearts, frames in display order (rows down, columns right)"
            if "labelled" not in config
            else "phantom hearts and labelled real frames, in display order",
            "trained_steps": int(state.step),
            "config": json.loads(config.to_json()),
        },
    )


def _network(config: ConfigDict) -> CardiacFCN:
    return CardiacFCN(tuple(config.filters), config.level_width, config.head_width, config.phases)


def _optimizer(config: ConfigDict) -> optax.GradientTransformation:
    warm = min(200, config.steps // 10)
    rate = optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warm, config.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=1e-4))


def _leave(state: SegmenterState, config: ConfigDict, workdir: pathlib.Path) -> Segmenter:
    segmenter = segmenter_of(state, config)
    save_segmenter(segmenter, workdir / FILE)
    return segmenter


def _make_samples(config: ConfigDict):
    """Build the drawing of the same augmented frames: as seen, as labelled, as found."""
    batch = ConfigDict({**config, "batch_size": _SAMPLES})

    @jax.jit
    def look(state, pool):
        images, fractions = draw_batch(jax.random.key(0), pool, batch)
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        logits: Any = _network(config).apply(variables, images)
        return images[..., 0], fractions.argmax(-1), logits.argmax(-1)

    def draw(state: SegmenterState, pool: Pool, path: pathlib.Path) -> None:
        images, labels, found = map(np.asarray, look(state, pool))
        grey = 255 / (len(CLASSES) - 1)
        rows = np.concatenate([255 * images, grey * labels, grey * found])
        write_png(path, tile(rows.round().astype(np.uint8), _SAMPLES))

    return draw
