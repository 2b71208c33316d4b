import json
import pathlib
import re

import jax
import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import write_records
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.metrics.backbones import BACKBONES, Backbone
from gancmri_jax.metrics.correlation import pearson
from gancmri_jax.metrics.evaluate import Evaluation
from gancmri_jax.metrics.names import example, parse_metric
from gancmri_jax.metrics.protocol import Protocol
from gancmri_jax.metrics.sets import CineSet
from gancmri_jax.metrics.table import BOOTSTRAP, METRICS, Metric

DOCUMENT = pathlib.Path(__file__).parents[1] / "docs" / "metrics.md"


@pytest.fixture(autouse=True)
def first_pixel(monkeypatch, tmp_path):
    """A backbone of one feature, and a cache of the test's own."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    feature = jax.jit(lambda frames: frames[:, 0, :1] * 1.0)
    backbone = Backbone("first pixel", "0" * 64, "none", 8, feature)
    monkeypatch.setitem(BACKBONES, "first_pixel", lambda _: backbone)


def cines(first):
    """Two videos of ten frames, whose first pixels are `first`, `first` + 1, …."""
    pixels = np.zeros((2, 10, 16, 16), np.uint8)
    pixels[..., 0, 0] = first + np.arange(20).reshape(2, 10)
    return [Cine(video, (1.0, 1.0), 30.0, f"s{i}") for i, video in enumerate(pixels)]


def median_shift(real, fake, protocol):
    return float(np.median(fake) - np.median(real))


@pytest.fixture
def shift(monkeypatch):
    """A metric is added: one function, and one row."""
    row = Metric("frames", median_shift, "shift of the median", BOOTSTRAP, "first_pixel", least=4)
    monkeypatch.setitem(METRICS, "shift", row)


def test_a_name_without_a_row_is_never_measured_under_another_function():
    with pytest.raises(InputError, match="density100: no such metric"):
        parse_metric("density100")
    with pytest.raises(TypeError, match="function"):
        Metric("frames", what="a metric without a function", interval=BOOTSTRAP)


def test_a_metric_is_one_function_and_one_row(shift):
    evaluation = Evaluation(
        CineSet("real", cines(0)), CineSet("fake", cines(7)), Protocol(bootstrap=50)
    )
    card = evaluation.measure(parse_metric("shift20"))
    assert (card.metric, card.value, card.n_real, card.n_fake) == ("shift20", 7, 20, 20)
    assert card.interval[0] < 7 < card.interval[1]
    assert card.interval_by == "normal, spread of 50 bootstrap resamples"
    assert card.backbone == "first pixel" and card.ddof is None and card.floor[1] == 10
    with pytest.raises(InputError, match="shift3: takes at least 4 frames"):
        parse_metric("shift3")
    with pytest.raises(InputError, match="did you mean shift"):
        parse_metric("shfit")


def test_commands_know_a_metric_by_its_row(shift, tmp_path):
    for name, first in (("real", 0), ("fake", 7)):
        write_records(tmp_path / name, {"train": cines(first)})
    sets = ["--real", str(tmp_path / "real"), "--fake", str(tmp_path / "fake")]
    options = ["--metrics", "shift20_full", "--json", str(tmp_path / "cards.json")]
    result = CliRunner().invoke(gancmri, ["evaluate", *sets, *options], catch_exceptions=False)
    assert result.stdout.startswith("shift20_full = 7 [")
    (card,) = json.loads((tmp_path / "cards.json").read_text())
    assert card["value"] == 7 and card["interval_by"].endswith("bootstrap resamples")
    shown = CliRunner().invoke(gancmri, ["evaluate", "--help"]).stdout
    assert re.search(r"shift50k +shift of the median", shown)


@pytest.mark.parametrize(
    "kind, function, name, value",
    [
        ("pairs", lambda real, fake: np.abs(fake[:, 0, 0] - 1.0 * real[:, 0, 0]), "gap", 7),
        ("videos", lambda video: video[0, 0, 0], "begins", 12),
    ],
)
def test_other_kinds_take_a_function_of_videos(monkeypatch, kind, function, name, value):
    monkeypatch.setitem(METRICS, name, Metric(kind, function, "made up", "normal", least=10))
    real, fake = CineSet("real", cines(0)), CineSet("fake", cines(7))
    card = Evaluation(real, fake, Protocol()).measure(parse_metric(name))
    assert card.value == value and card.n_fake == 2 and card.interval_by == "normal"


def test_columns_are_compared_by_the_tables_function(monkeypatch):
    least = METRICS["pearson"].least
    assert pearson(np.arange(1.0 * least), np.arange(1.0 * least)).r == 1
    with pytest.raises(InputError, match="pearson compares tables"):
        images = CineSet("real", cines(0))
        Evaluation(images, images, Protocol()).measure(parse_metric("pearson"))


def test_documents_and_help_list_the_table():
    """`docs/metrics.md` has the table's rows, in its order, and names each backbone."""
    rows = [line.strip("| ").split(" | ") for line in DOCUMENT.read_text().splitlines()]
    listed = [tuple(row) for row in rows if len(row) == 5 and row[0].startswith("`")]
    assert listed == [
        (f"`{example(base)}`", m.what, m.backbone or "–", m.interval, str(m.least))
        for base, m in METRICS.items()
    ]
    used = {m.backbone for m in METRICS.values() if m.backbone}
    described = [row[0].strip("`") for row in rows if len(row) == 2 and row[0].startswith("`")]
    assert used == set(described) == BACKBONES.keys() - {"first_pixel"}
    shown = CliRunner().invoke(gancmri, ["evaluate", "--help"]).stdout
    assert all(re.search(rf"^  {example(base)} ", shown, re.MULTILINE) for base in METRICS)
