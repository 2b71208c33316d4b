import json

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from gancmri_jax.errors import InputError
from gancmri_jax.runs.writer import MetricsFile, pin_config, save_grid
from tests.tiny import tiny_config


def test_a_run_keeps_its_configuration(tmp_path):
    pin_config(tmp_path, tiny_config())
    assert json.loads((tmp_path / "config.json").read_text())["learning_rate"] == 0.002
    with pytest.raises(InputError, match=r"\(learning_rate: 0.002 → 0.003\).*another folder"):
        pin_config(tmp_path, tiny_config(learning_rate=0.003))
    assert json.loads((tmp_path / "config.json").read_text())["learning_rate"] == 0.002


def test_a_run_may_go_on_longer_on_data_that_moved(tmp_path):
    pin_config(tmp_path, tiny_config())
    pin_config(tmp_path, tiny_config(total_kimg=9.0, data="elsewhere"))
    assert json.loads((tmp_path / "config.json").read_text())["total_kimg"] == 9.0


def test_a_run_whose_rates_fall_at_its_end_keeps_its_end(tmp_path):
    falling = tiny_config(anneal_kimg=0.004)
    pin_config(tmp_path, falling)
    pin_config(tmp_path, falling)
    with pytest.raises(InputError, match="total_kimg: 0.016 → 9.0"):
        pin_config(tmp_path, tiny_config(anneal_kimg=0.004, total_kimg=9.0))


def test_what_a_run_began_without_knowing_is_off(tmp_path):
    earlier = tiny_config().to_dict()
    del earlier["inversion_kimg"], earlier["inversion_learning_rate"]
    pin_config(tmp_path, ConfigDict(earlier))
    with pytest.raises(InputError, match="inversion_learning_rate: None → 0.1"):
        pin_config(tmp_path, tiny_config(inversion_learning_rate=0.1))
    pin_config(tmp_path, tiny_config())


def test_metrics_after_the_checkpoint_and_a_torn_line_are_forgotten(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path, 0)
    for step in (1, 2, 3):
        file.append({"step": step})
    with path.open("a") as torn:
        torn.write('{"step": 4, "loss')
    MetricsFile(path, 2).append({"step": 3, "again": True})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"step": 1}, {"step": 2}, {"step": 3, "again": True}]


def test_a_grid_is_filled_row_by_row_and_ends_black(tmp_path):
    images = np.stack([np.full((1, 2, 1), value) for value in (-1, 0, 1, 0.2, -7)])
    save_grid(tmp_path / "grid.png", images.astype(np.float32), columns=3)
    with Image.open(tmp_path / "grid.png") as grid:
        pixels = np.asarray(grid)
    np.testing.assert_array_equal(pixels, [[0, 0, 128, 128, 255, 255], [153, 153, 0, 0, 0, 0]])
    assert [p.name for p in tmp_path.iterdir()] == ["grid.png"]


def test_a_run_keeps_its_records_wherever_they_lie(tmp_path):
    pin_config(tmp_path, tiny_config())  # of a version that did not keep them
    pin_config(tmp_path, tiny_config(data="there"), "first")
    pin_config(tmp_path, tiny_config(data="elsewhere"), "first")
    with pytest.raises(InputError, match="began with other training records; .* --new_data"):
        pin_config(tmp_path, tiny_config(), "second")
    assert json.loads((tmp_path / "config.json").read_text())["records"] == "first"
    pin_config(tmp_path, tiny_config(), "second", new_records=True)
    pin_config(tmp_path, tiny_config(), "second")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 5000, "\0"])
def test_a_damaged_configuration_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config.json: is damaged \(.*\); remove it"):
        pin_config(tmp_path, tiny_config())
    assert (tmp_path / "config.json").read_text() == text


@pytest.mark.parametrize("line", [b"{", b"", b"3", b'{"kimg": 1}', b'{"step": "1"}', b"\xff{}"])
def test_a_damaged_line_is_named_by_number(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n')
    with pytest.raises(InputError, match=r"metrics.jsonl: line 2 is damaged; remove that line"):
        MetricsFile(path, 2)
    assert path.read_bytes().count(b"\n") == 3
