from gancmri_jax.experiments.summary import Line, pairs, summary
from gancmri_jax.page import Table, Text


def test_distances_are_found_either_way_round():
    table = pairs({"table": [["a", "b", 2.0], ["a", "a", 1.0]]})
    assert table == {("a", "b"): 2.0, ("b", "a"): 2.0, ("a", "a"): 1.0}


def test_what_falls_short_is_said_and_nothing_else():
    lines = [
        Line("FID", 120.0, 92.58, "9", "N", -1, "other data"),
        Line("SSIM", 0.9, 0.7, "0.99", "N", +1, "other data", 4),
        Line("r", 0.8, 0.98, "0", "N", +1, "one heart", 3),
        Line("fcn_fd", 0.3, None, "0.1", "N", -1),
    ]
    _, table, text = summary(lines)
    assert isinstance(table, Table) and isinstance(text, Text)
    assert table.rows[1] == ("SSIM", "0.9000", "0.7", "0.99", "N")
    assert table.rows[3][2] == "–"
    assert text.text == (
        "Where the paper is not beaten: FID, 120.00 against 92.58 (other data); r, 0.800 against "
        "0.98 (one heart)."
    )
    _, _, text = summary(lines[1:2])
    assert text.text == "No number falls short of the paper's."
