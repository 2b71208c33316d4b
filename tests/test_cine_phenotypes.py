import math

import pytest

from gancmri_jax.cine.phenotypes import read_flags, read_phenotypes, write_phenotypes
from gancmri_jax.errors import InputError


def test_what_is_written_is_read_again(tmp_path):
    table = {
        "a": {"ed_frame": 0, "es_frame": 17, "lv_area_ed_cm2": 28.125},
        "b": {"ed_frame": 0, "es_frame": math.nan, "lv_area_ed_cm2": 31.5},
    }
    write_phenotypes(tmp_path / "phenotypes.csv", table)
    read = read_phenotypes(tmp_path / "phenotypes.csv")
    assert read["a"] == table["a"]
    assert math.isnan(read["b"]["es_frame"]) and read["b"]["lv_area_ed_cm2"] == 31.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,x\na,1\n", "'subject' column"),
        ("subject,x\na,1\na,2\n", "line 3, column subject: stands in line 2 too"),
        ("subject,x\na,1\n ,2\n", "line 3, column subject: is empty"),
        ("subject,es_frame\na,3.7\n", "line 2, column es_frame: 3.7 is no whole number"),
        ("subject,x\na,1e999\n", "line 2, column x: '1e999' is not finite"),
        ("subject,x,x\na,1,2\n", "column x stands twice"),
        ("subject,x\n'=a,inf\n", "line 2, column x: 'inf' is not finite"),
        ("subject,x\na,1\nb,one\n", "line 3"),
        ("subject,lv_area_ed_cm2\na,30 cm2\n", "line 2"),
        ("", "header"),
    ],
)
def test_a_bad_table_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=f"p.csv.*{said}"):
        read_phenotypes(path)


def test_words_are_written_and_passed_over_when_numbers_are_read(tmp_path):
    table = {
        "a": {"es_frame": 17, "diagnosis": "hcm", "infarct_place": ""},
        "b": {"es_frame": 18, "diagnosis": "infarct", "infarct_place": "lateral wall"},
    }
    write_phenotypes(tmp_path / "p.csv", table)
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        "subject,es_frame,diagnosis,infarct_place",
        "a,17,hcm,",
        "b,18,infarct,lateral wall",
    ]
    assert read_phenotypes(tmp_path / "p.csv") == {"a": {"es_frame": 17}, "b": {"es_frame": 18}}


def test_rows_know_their_lines_and_empty_ones_are_passed_over(tmp_path):
    (tmp_path / "p.csv").write_text("subject,x\na,1\n\n,\nb,nan\n")
    table = read_phenotypes(tmp_path / "p.csv")
    assert list(table) == ["a", "b"] and table.lines == {"a": "line 2", "b": "line 5"}


def test_names_that_look_like_formulas_and_numbers_in_full_survive(tmp_path):
    table = {"=cmd": {"x": -0.1234567890123, "es_frame": 3.0}, "-7": {"x": 1e-9, "es_frame": 4.0}}
    write_phenotypes(tmp_path / "p.csv", table, digits=None)
    assert read_phenotypes(tmp_path / "p.csv") == table
    text = (tmp_path / "p.csv").read_text()
    assert "'=cmd,-0.1234567890123,3" in text and "'-7,1e-09,4" in text


def test_a_column_without_any_value_is_one_of_missing_numbers(tmp_path):
    (tmp_path / "p.csv").write_text("subject,x\na,\nb,\n")
    assert all(math.isnan(row["x"]) for row in read_phenotypes(tmp_path / "p.csv").values())


def test_flags_are_read_apart_from_numbers(tmp_path):
    table = {
        "a": {"es_frame": 17, "es_phase_frames": 17.25, "flags": ""},
        "b": {"es_frame": 18, "es_phase_frames": 17.5, "flags": "curve;scale"},
    }
    path = tmp_path / "p.csv"
    write_phenotypes(path, table)
    assert path.read_text().splitlines()[0] == "subject,es_frame,es_phase_frames,flags"
    assert read_flags(path) == {"b": "curve;scale"}
    assert read_phenotypes(path)["b"] == {"es_frame": 18, "es_phase_frames": 17.5}
    # A column of flags that are all empty is none of missing numbers.
    write_phenotypes(path, {"a": table["a"]})
    assert read_flags(path) == {} and read_phenotypes(path)["a"].keys() == {
        "es_frame",
        "es_phase_frames",
    }
    # Tables that were written before there were flags have none.
    write_phenotypes(path, {"a": {"es_frame": 17}})
    assert read_flags(path) == {}
