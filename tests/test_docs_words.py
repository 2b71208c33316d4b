"""`docs/words.md` holds the tables of the vocabulary, in their order, and no other rows."""

import pathlib
import re

import pytest

from gancmri_jax.physiology import vocabulary as words
from gancmri_jax.physiology.prompt import read_prompt
from gancmri_jax.physiology.quantities import QUANTITIES

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "words.md"


def row(*cells):
    return f"| {' | '.join(cells)} |"


def steps(edges):
    return "–" if edges is None else " / ".join(f"{edge:g}" for edge in edges)


def quantities():
    for name, quantity in QUANTITIES.items():
        called = next(row for row, names in words.SUBJECTS.items() if names == (name,))
        normal = "–" if quantity.normal is None else "{:g} to {:g}".format(*quantity.normal)
        yield row(
            f"`{name}`",
            called,
            quantity.unit or "–",
            normal,
            steps(quantity.high),
            steps(quantity.low),
            "{:g} to {:g}".format(*quantity.possible),
        )


def sources():
    for quantity in QUANTITIES.values():
        yield row(quantity.label, quantity.source)


def meaning(said):
    names = "any" if said.fits[-len(QUANTITIES) :] == tuple(QUANTITIES) else labels(said.fits)
    if said.fixed:
        return "EF {:g} to {:g} %".format(*said.fixed)
    where = {1: "above normal", 0: "normal", -1: "below normal"}[said.sign]
    part = {0.0: "lower third of " if said.part[1] < 1 else "", 2 / 3: "upper third of "}
    degree = ", severe" if said.degree else ""
    return f"{names}: {part[said.part[0]]}{where}{degree}"


def labels(names):
    return ", ".join(QUANTITIES[name].label for name in names)


def states():
    for said, state in {**words.STATES, **words.TERMS}.items():
        yield row(said, meaning(state))
    for said, (first, last) in words.DEGREES.items():
        yield row(said, f"degree: edge {first + 1} to edge {last + 1} of four")


def comparisons():
    for said, comparison in words.COMPARISONS.items():
        fits = "any" if len(comparison.fits) == len(QUANTITIES) else labels(comparison.fits)
        yield row(said, f"{fits}: {'more' if comparison.sign > 0 else 'less'}")


def units():
    for said, unit in words.UNITS.items():
        yield row(said, unit)


def presets():
    for name, preset in words.PRESETS.items():
        yield row(name, preset.words, preset.defines or "–", preset.typical, preset.source)


TABLES = quantities, sources, states, comparisons, units, presets


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_a_table(table):
    rows = list(table())
    assert "\n".join(rows) in PAGE.read_text()


def test_the_page_has_no_other_rows():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    known = {line for table in TABLES for line in table()}
    assert len([line for line in lines if line not in known]) == len(TABLES)  # heads


def test_the_page_says_what_is_refused():
    text = " ".join(PAGE.read_text().split())
    assert words.NOT_TARGETS in text


def test_the_pages_examples_are_understood():
    examples = re.findall(r'--prompt "(.*?)"', PAGE.read_text())
    assert len(examples) >= 4
    for example in examples:
        assert read_prompt(example).targets
    assert f"\nunderstood: {read_prompt(examples[0])}\n" in PAGE.read_text()


def test_the_pages_program_prints_what_it_says(capsys):
    program = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.S)[1]
    exec(program, {})
    said = re.findall(r"print\(.*\)  # (.*)", program)
    assert capsys.readouterr().out.splitlines()[:2] == said
