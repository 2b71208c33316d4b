import csv
import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.tables import Row, loose_rows, read_table, rounded, write_table

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LOADED = st.builds(
    str.__add__, st.sampled_from(["=", "+", "-", "@", "\t", "\r", "'", "''="]), WORDS
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.lists(st.tuples(WORDS | LOADED, NUMBERS), min_size=1, max_size=4))
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    write_table(path, ("=name", "x"), rows)
    read = read_table(path)
    assert [(row.cells["=name"], row.number("x")) for row in read] == rows


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(LOADED)
def test_no_text_begins_as_a_formula_does(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    write_table(path, ("text",), [(text,)])
    with path.open(newline="", encoding="utf-8") as file:
        _, (cell,) = csv.reader(file)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_are_written_as_they_are(tmp_path):
    cells = (-0.5, -3, 17.0, 0.1 + 0.2, np.float32(0.1), np.int64(-7), math.nan, None, "-5", True)
    write_table(tmp_path / "t.csv", [f"c{i}" for i in range(len(cells))], [cells])
    expected = "-0.5,-3,17,0.30000000000000004,0.10000000149011612,-7,,,'-5,1"
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == expected
    assert rounded(1234567.8) == 1234570 and rounded(-0.123456789, 3) == -0.123


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header needs a 'x' column"),
        ("x\n", "has a header and no row"),
        ("a;x\n1;2\n", "needs a 'x' column; separate cells by commas, not semicolons"),
        ("x,x\n1,2\n", "line 1: column x stands twice"),
        ("x,\n1,2\n", "line 1: column 2 has no name"),
        ("x,y\n1,2\n1,2,3\n", "line 3: has 3 cells, and the header 2"),
        ("x,y\n1,2\n\n1\n", "line 4: has 1 cells, and the header 2"),
        ('x,y\n1,"a\nb"\n1\n', "line 4: has 1 cells"),
        ('x,y\n1,2\n"1,2\n1,2\n', "line 3: a quote is opened and not closed"),
        ('x,y\n"a"b,2\n', "line 2: cannot be read as CSV"),
        ("x\n1\n\udce9\n", "line 3: is not UTF-8 text"),
    ],
)
def test_what_is_no_table_is_refused_by_its_line(tmp_path, text, said):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as error:
        read_table(path, needs=["x"])
    assert str(error.value).startswith(f"{path}: {said}") or said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "cell", ["inf", "-Infinity", "1e999", "1_000", "３", "0x10", "3,5", "1.2.3", "Anna", "'-"]
)
def test_a_cell_that_is_no_finite_number_is_refused_by_line_and_column(tmp_path, cell):
    row = Row(tmp_path / "t.csv", 7, {"lv_area_cm2": cell})
    with pytest.raises(InputError, match=r"t.csv: line 7, column lv_area_cm2: ") as error:
        row.number("lv_area_cm2")
    assert "Anna" not in str(error.value)


def test_numbers_may_be_missing_and_frames_are_whole(tmp_path):
    cells = {"a": "", "b": " NaN ", "c": "3.0", "d": "3.7", "e": "+.5e1"}
    row = Row(tmp_path / "t.csv", 2, cells)
    assert math.isnan(row.number("a")) and math.isnan(row.whole_number("b"))
    assert row.whole_number("c") == 3 and row.number("e") == 5
    with pytest.raises(InputError, match="line 2, column d: 3.7 is no whole number"):
        row.whole_number("d")


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfx,y\r\n1,'=2\r\n")
    (row,) = read_table(tmp_path / "t.csv")
    assert row.cells == {"x": "1", "y": "=2"}


def test_loose_rows_are_read_as_far_as_they_go():
    assert loose_rows("a,b\n1\n\"x,2,'-3") == [["a", "b"], ["1"], ["x,2,'-3"]]
    assert loose_rows("'-3,'b") == [["-3", "'b"]]
