import json

import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.card import Card, compare, write_cards


def card(**changes):
    known = dict(
        metric="fid2k",
        value=12.3456,
        n_real=2000,
        n_fake=2000,
        size=(64, 64),
        real="records",
        real_digest="ab",
        fake="demo",
        fake_digest="cd",
        seed=0,
        interval=(12.0, 12.7),
        backbone="inception-2015-12-05 pool3",
        ddof=1,
        floor=(3.21, 1000),
    )
    return Card(**known | changes)


def test_a_line_tells_people_what_was_measured():
    assert str(card()) == (
        "fid2k = 12.35 [12, 12.7] (2000 real, 2000 fake; inception-2015-12-05 pool3; ddof 1; "
        "real–real floor 3.21 at 1000)"
    )


def test_a_file_holds_all_that_is_needed_to_repeat_it(tmp_path):
    write_cards(tmp_path / "a.json", [card()])
    (told,) = json.loads((tmp_path / "a.json").read_text())
    assert told["value"] == 12.3456 and told["line"] == str(card())
    assert {"gancmri_jax", "jax", "numpy"} == told["versions"].keys()


def test_like_results_compare(tmp_path):
    write_cards(tmp_path / "a.json", [card()])
    write_cards(tmp_path / "b.json", [card(value=10.0, interval=(9.0, 11.0), fake_digest="x")])
    (line,) = compare(tmp_path / "a.json", tmp_path / "b.json")
    assert str(line) == "fid2k: 12.35 → 10 (-2.346), intervals are apart"


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"n_real": 1999}, "number of real samples, 2000 and 1999"),
        ({"ddof": 0}, "degrees of freedom, 1 and 0"),
        ({"real_digest": "xy"}, "real data, ab and xy"),
        ({"backbone": "other"}, "backbone, inception"),
        ({"size": (256, 256)}, "size of the frames"),
    ],
)
def test_unlike_results_are_refused(tmp_path, changes, why):
    write_cards(tmp_path / "a.json", [card()])
    write_cards(tmp_path / "b.json", [card(**changes)])
    with pytest.raises(InputError, match=f"cannot be compared: another {why}"):
        compare(tmp_path / "a.json", tmp_path / "b.json")


def test_files_without_a_common_metric_are_refused(tmp_path):
    write_cards(tmp_path / "a.json", [card()])
    write_cards(tmp_path / "b.json", [card(metric="kid2k")])
    with pytest.raises(InputError, match="share no metric: fid2k and kid2k"):
        compare(tmp_path / "a.json", tmp_path / "b.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(InputError, match="c.json: cannot be read as what --json wrote"):
        compare(tmp_path / "a.json", tmp_path / "c.json")
