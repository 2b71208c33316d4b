"""Metrics between two sets, whatever they are: what `gancmri evaluate` does."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence

from gancmri_jax.cine.read import insist
from gancmri_jax.cine.refusal import Refusal
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.card import Card
from gancmri_jax.metrics.columns import compare_tables
from gancmri_jax.metrics.evaluate import Evaluation
from gancmri_jax.metrics.names import MetricName, parse_metric
from gancmri_jax.metrics.opening import open_set
from gancmri_jax.metrics.protocol import OnStart, Protocol
from gancmri_jax.model.file import load_segmenter_of
from gancmri_jax.model.model import Model
from gancmri_jax.model.motion import Motion

Source = str | os.PathLike[str] | Model


def evaluate(
    real: Source,
    fake: Source,
    metrics: str | Sequence[str],
    *,
    split: str | None = None,
    size: int | None = None,
    motion: Motion | None = None,
    truncation: float = 1.0,
    store_model: str = "demo",
    segmenter: str = "demo",
    protocol: Protocol | None = None,
    keep_flagged: bool = False,
    on_start: OnStart = lambda what, total: lambda done: None,
    on_card: Callable[[Card], object] = lambda card: None,
    on_refusal: Callable[[Refusal], None] = insist,
) -> list[Card]:
    """Measure metrics between two sets, and return a card of each.

    >>> import gancmri_jax as gj
    >>> (card,) = gj.evaluate("data/phantom64", "demo", "fcn_fd500", split="all")
    >>> print(card.value, card.interval)

    Args:
        real: Reference set: a name or path of records, cines, a latent store or a model; or a
            model. Two `phenotypes.csv` for `pearson`.
        fake: What is compared with it.
        metrics: Their names, such as `fid50k_full`; in one text, separated by commas.
        split: Subjects of records: train, validation, test or all; by default test, or all where
            the records have no test split.
        size: Height and width that cine files are resized to; they need it.
        motion: Of a model's videos; by default the best that the model has.
        truncation: ψ of a model's hearts.
        store_model: The model that a latent store was made with.
        segmenter: Whose features `fcn_fd` compares: demo, a model file, or a segmenter's run.
        protocol: Seed, bootstrap and whatever else a measurement depends on.
        keep_flagged: Include subjects in `pearson` whose segmentation a table flags.
        on_start: Called as each long piece of work begins.
        on_card: Called with each card as soon as it is measured.
        on_refusal: Called with each cine file that is skipped; by default it is an error.

    Returns:
        A card for each metric; for `pearson`, one for each column. Cards are printed by `str`, and
        `as_json` gives all that is needed to repeat the measurement.

    Raises:
        InputError: A name or a set is unknown or cannot be read, the sets differ in size, have too
            few samples, or what a metric needs cannot be had.
    """
    names = metrics.split(",") if isinstance(metrics, str) else metrics
    asked = [parse_metric(name.strip()) for name in names]
    if any(name.metric.kind == "tables" for name in asked):
        cards = _compare_tables(asked, real, fake, keep_flagged)
        for card in cards:
            on_card(card)
        return cards
    protocol = protocol or Protocol()
    if protocol.segmenter is None and any(n.metric.backbone == "segmenter" for n in asked):
        owner = load_segmenter_of(segmenter), segmenter
        protocol = dataclasses.replace(protocol, segmenter=owner)
    first, second = (
        open_set(
            source,
            split=split,
            size=size,
            motion=motion,
            truncation=truncation,
            store_model=store_model,
            on_refusal=on_refusal,
        )
        for source in (real, fake)
    )
    evaluation = Evaluation(first, second, protocol, on_start)
    cards = []
    for name in asked:
        cards.append(evaluation.measure(name))
        on_card(cards[-1])
    return cards


def _compare_tables(
    asked: Sequence[MetricName], real: Source, fake: Source, keep_flagged: bool
) -> list[Card]:
    if isinstance(real, Model) or isinstance(fake, Model):
        raise InputError("pearson compares two phenotypes.csv, and a model is not one")
    if others := [name.name for name in asked if name.metric.kind != "tables"]:
        raise InputError(
            f"{', '.join(others)}: compares images, and other metrics here compare tables; "
            "measure them in two commands"
        )
    tables = pathlib.Path(real), pathlib.Path(fake)
    return [card for name in asked for card in compare_tables(name, *tables, keep_flagged)]
