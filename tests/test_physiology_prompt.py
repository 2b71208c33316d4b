import subprocess
import sys

import pytest

from gancmri_jax.cine.phantom import anatomy, clinical, motion
from gancmri_jax.cine.timing import RATE_BPM
from gancmri_jax.errors import InputError
from gancmri_jax.physiology import lexer, quantities
from gancmri_jax.physiology.consistency import follows
from gancmri_jax.physiology.lexer import Number, atoms
from gancmri_jax.physiology.prompt import preset, read_prompt
from gancmri_jax.physiology.quantities import INDEPENDENT, QUANTITIES, Target
from gancmri_jax.physiology.vocabulary import PRESETS


def ranges(prompt):
    return {target.name: (target.low, target.high) for target in prompt.targets}


def test_what_was_understood_is_said_in_plain_words():
    prompt = read_prompt("hypertrophic, small cavity, EF 70, tachycardic")
    assert str(prompt) == (
        "LV 16 to 21 cm² (small cavity); wall 11 to 20 mm (hypertrophic); "
        "heart rate 100 to 150 bpm (tachycardic); EF 70 %"
    )
    assert prompt.follows() == "FAC about 50.5 %"
    changed = read_prompt("LV 20 % larger, EF 5 points lower")
    assert str(changed) == "LV 20 % more than before; EF 5 points less than before"
    assert changed.follows() == ""


def test_a_change_is_of_what_was_measured_before():
    assert Target("lv_area_ed_cm2", 20, 20, "percent").at(30) == pytest.approx((36, 36))
    assert Target("ef_percent", -5, -5, "added").at(60) == (55, 55)
    assert Target("ef_percent", 50, 60).at(40) == (50, 60)


def test_ef_gives_fac_as_in_the_phantom():
    # (1 − FAC)² = 0.30 × (1 − 0.184): FAC = 1 − 0.4948
    assert follows({"ef_percent": (70, 70)})["lv_fac_percent"] == pytest.approx(
        (50.52, 50.52), 1e-3
    )


def test_volumes_give_area_and_fac():
    # V = 8 A² / (3 π L), L = √(2 A / (0.54 × 1.6819)): A = 30 cm², L = 8.128 cm, V = 93.99 ml
    assert quantities.lv_volume_ml(30) == pytest.approx(93.99, abs=0.01)
    assert quantities.lv_area_cm2(93.99) == pytest.approx(30, abs=0.01)
    found = follows({"lv_edv_ml": (93.99, 93.99), "lv_esv_ml": (28.2, 28.2)})
    assert found["lv_area_ed_cm2"] == pytest.approx((30, 30), abs=0.01)
    assert found["lv_fac_percent"] == pytest.approx((50.5, 50.5), abs=0.05)  # EF 70 %
    by_ef = follows({"lv_esv_ml": (28.2, 28.2), "ef_percent": (70, 70)})
    assert by_ef["lv_area_ed_cm2"] == pytest.approx((30, 30), abs=0.02)


def test_areas_give_each_other():
    both = follows({"lv_area_ed_cm2": (30, 30), "lv_area_es_cm2": (18, 18)})
    assert both == {"lv_fac_percent": pytest.approx((40, 40))}
    by_fac = follows({"lv_area_es_cm2": (18, 18), "lv_fac_percent": (40, 40)})
    assert by_fac == {"lv_area_ed_cm2": pytest.approx((30, 30))}


def test_the_arithmetic_is_the_phantoms():
    assert pytest.approx(anatomy.UNIT_AREA) == quantities.UNIT_AREA
    assert anatomy.ANATOMY["shortening"][0] == quantities.SHORTENING
    assert anatomy.PHYSIOLOGY["ef"][0] == quantities.TYPICAL_EF
    assert anatomy.PHYSIOLOGY["sphericity"][0] == quantities.TYPICAL_SPHERICITY
    assert QUANTITIES["heart_rate_bpm"].possible == RATE_BPM
    assert QUANTITIES["heart_rate_bpm"].span == clinical.HEART_RATE_BPM
    assert [x / 100 for x in QUANTITIES["es_phase_percent"].span] == list(clinical.ES_PHASE)


def test_derived_ranges_are_what_their_sources_say():
    for edge, women, men in ((21, 46, 62), (37, 106, 150), (40, 120, 174), (44, 130, 200)):
        assert quantities.lv_area_cm2((women + men) / 2) == pytest.approx(edge, abs=0.5)
    ef, fac = QUANTITIES["ef_percent"], QUANTITIES["lv_fac_percent"]
    for one, other in zip((*ef.high, *ef.low), (*fac.high, *fac.low), strict=True):
        assert quantities.fac_percent(one) == pytest.approx(other, abs=0.55)
    for rate, phase in ((50, 31), (80, 43)):
        systole_ms = 413 - 1.7 * rate + motion.ISOVOLUMIC_CONTRACTION_MS
        assert 100 * systole_ms * rate / 60_000 == pytest.approx(phase, abs=0.1)


@pytest.mark.parametrize("name", QUANTITIES)
def test_ranges_adjoin_and_lie_within_what_is_possible(name):
    quantity = QUANTITIES[name]
    assert quantity.possible[0] <= quantity.span[0] < quantity.span[1] <= quantity.possible[1]
    assert quantity.source
    if quantity.normal is not None:
        assert quantity.normal == (quantity.low[0], quantity.high[0])
        assert list(quantity.high) == sorted(quantity.high)
        assert list(quantity.low) == sorted(quantity.low, reverse=True)
        assert (quantity.low[3], quantity.high[3]) == quantity.span


def test_eight_quantities_are_independent():
    assert INDEPENDENT == (
        "lv_area_ed_cm2",
        "lv_fac_percent",
        "sphericity_index",
        "wall_thickness_ed_mm",
        "la_area_es_cm2",
        "ra_area_es_cm2",
        "heart_rate_bpm",
        "es_phase_percent",
    )


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_prompt(name):
    assert len(preset(name).targets) >= 2
    # What defines it is among what it becomes, or narrower.
    if PRESETS[name].defines:
        defined, found = ranges(read_prompt(PRESETS[name].defines)), ranges(preset(name))
        for quantity, (low, high) in defined.items():
            assert low <= found[quantity][0] <= found[quantity][1] <= high


def test_presets_are_those_of_the_plan():
    assert list(PRESETS) == [
        "normal",
        "athlete",
        "dilated",
        "hypertrophic",
        "infarct",
        "restrictive",
    ]
    assert ranges(preset("normal")) == ranges(read_prompt("normal heart"))
    with pytest.raises(InputError, match="no preset 'fat'; there are normal, athlete"):
        preset("fat")


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("small LV, LA and RA dilated", {"lv": (16, 21), "la": (24, 60), "ra": (24, 60)}),
        ("dilated LV and LA, RA normal", {"lv": (37, 62), "la": (24, 60), "ra": (14, 24)}),
        ("neither dilated nor hypertrophied", {"lv": (21, 37), "wa": (6, 11)}),
        ("no LV or LA dilation", {"lv": (21, 37), "la": (14, 24)}),
        ("EF and wall normal", {"wa": (6, 11), "ef": (53, 73)}),
        ("dilated LV, EF and wall normal", {"lv": (37, 62), "wa": (6, 11), "ef": (53, 73)}),
        ("LV and LA 20 % larger", {"lv": (20, 20), "la": (20, 20)}),
        ("severely dilated LV (EF 18 %)", {"lv": (44, 62), "ef": (18, 18)}),
        ("mild LVH 12 mm", {"wa": (12, 12)}),
        ("LV dilation: mild", {"lv": (37, 40)}),
        ("EF low-normal", {"ef": (53, 59.667)}),
        ("EF lower than 30", {"ef": (15, 30)}),
        ("40 % EF", {"ef": (40, 40)}),
        ("dilated LV EDV 240 ml", {"lv": (37, 62), "edv": (240, 240)}),
        ("normal LV EDV", {"edv": (54, 128)}),
        ("LV/LA dilated", {"lv": (37, 62), "la": (24, 60)}),
        ("EF 25%-30%, wall 7mm", {"wa": (7, 7), "ef": (25, 30)}),
        ("EF <= 40 %", {"ef": (15, 40)}),
        ("the walls are thickened at 15 mm", {"wa": (15, 15)}),
        ("EF has improved to 50", {"ef": (50, 50)}),
        ("LA mildly dilated at 28 cm2, thickened LV", {"la": (28, 28), "wa": (11, 20)}),
    ],
)
def test_words_go_with_what_they_belong_to(text, targets):
    names = {"lv": "lv_area_ed_cm2", "la": "la_area_es_cm2", "ra": "ra_area_es_cm2"}
    names |= {"wa": "wall_thickness_ed_mm", "ef": "ef_percent", "edv": "lv_edv_ml"}
    assert ranges(read_prompt(text)) == {names[key]: value for key, value in targets.items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("LV 20 larger", "20 what"),
        ("LA mildly and RA severely dilated", "'mildly' belongs to nothing"),
        ("no EF 30", "'no ef 30' has no meaning"),
        ("EF 30, no", "'no' denies nothing"),
        ("hypertrophied LA", "cannot be said of LA"),
        ("mildly normal EF", "leave out the degree"),
        ("EF between 30", "between 30 and what"),
        ("EF 30 mm", "EF has %, not mm"),
        ("ES area dilated", "cannot be said of ES area"),
        ("high ES area", "ES area takes numbers only"),
        ("no HCM", "leaves open what it is"),
        ("EF 100 points higher", "changes by at most 70 %"),
        ("EDV 120 ml, LV 60 cm2", "EDV 120 ml contradicts LV 60 cm²"),
        ("EF 30 % to 40 mm", "has two units"),
        ("normal to mildly reduced EF", "'normal to mildly reduced' has no meaning"),
        ("EF reduced to", "'ef reduced to' has no meaning"),
        ("slightly larger LV", "'slightly larger': by how much"),
        ("EF improved", "by how much"),
        ("FAC 40, EF 90", "FAC 40 %"),
    ],
)
def test_more_that_is_refused(text, said):
    with pytest.raises(InputError, match=said) as refused:
        read_prompt(text)
    assert str(refused.value).startswith("prompt: ") and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("thirty-five percent", Number(35, 35, "%")),
        ("one hundred and twenty bpm", Number(120, 120, "bpm")),
        ("zero point six two", Number(0.62, 0.62, "")),
        ("1.4 cm", Number(1.4, 1.4, "cm")),
        ("between thirty and forty %", Number(30, 40, "%")),
        ("more than 5 ml", Number(5, float("inf"), "ml")),
        ("-5", Number(-5, -5, "")),
    ],
)
def test_numbers_are_read(text, number):
    (atom,) = atoms(text)
    assert atom.meaning == number


def test_no_phrase_has_two_meanings():
    assert len(lexer._lexicon()) > 300  # its making asserts it


def test_reading_needs_no_jax():
    code = (
        "import sys; from gancmri_jax.physiology.prompt import read_prompt; "
        "read_prompt('EF 30'); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
