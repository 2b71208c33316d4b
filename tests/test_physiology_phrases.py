"""Phrases as cardiologists say or dictate them, and the targets that each must be parsed to.

Written before the grammar. A target is a number; (low, high), a range; "+20 %", a relative change;
or "+20", a change in the quantity's own unit, which is a point where that is %.
"""

import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.physiology.prompt import read_prompt

LV, EF, WALL, SHAPE = "lv_area_ed_cm2", "ef_percent", "wall_thickness_ed_mm", "sphericity_index"
LA, RA, RATE, ES = "la_area_es_cm2", "ra_area_es_cm2", "heart_rate_bpm", "es_phase_percent"
FAC, LV_ES, EDV, ESV = "lv_fac_percent", "lv_area_es_cm2", "lv_edv_ml", "lv_esv_ml"

# Ranges: normal, and from where a mild degree begins to where a severe one ends.
LV_NORMAL, LV_DILATED, LV_SMALL = (21, 37), (37, 62), (16, 21)
LV_MILD, LV_MODERATE, LV_SEVERE = (37, 40), (40, 44), (44, 62)
EF_NORMAL, EF_PRESERVED, EF_HYPER = (53, 73), (50, 73), (73, 85)
EF_REDUCED, EF_MILD, EF_MODERATE, EF_SEVERE = (15, 53), (41, 53), (30, 41), (15, 30)
WALL_NORMAL, WALL_THICK, WALL_THIN = (6, 11), (11, 20), (4, 6)
WALL_MILD, WALL_MODERATE, WALL_SEVERE = (11, 14), (14, 17), (17, 20)
ATRIUM_NORMAL, ATRIUM_DILATED = (14, 24), (24, 60)
ATRIUM_MILD, ATRIUM_MODERATE, ATRIUM_SEVERE = (24, 30), (30, 40), (40, 60)
RATE_NORMAL, RATE_FAST, RATE_SLOW = (60, 100), (100, 150), (40, 60)
SHAPE_NORMAL, SPHERICAL = (0.475, 0.635), (0.635, 0.86)
ES_NORMAL, ES_LATE, ES_EARLY = (31, 43), (43, 58), (22, 31)
NORMAL_HEART = {
    LV: LV_NORMAL,
    EF: EF_NORMAL,
    SHAPE: SHAPE_NORMAL,
    WALL: WALL_NORMAL,
    LA: ATRIUM_NORMAL,
    RA: ATRIUM_NORMAL,
    RATE: RATE_NORMAL,
    ES: ES_NORMAL,
}

PHRASES = {
    # Single terms.
    "dilated LV": {LV: LV_DILATED},
    "dilated left ventricle": {LV: LV_DILATED},
    "LV dilatation": {LV: LV_DILATED},
    "left ventricular dilation": {LV: LV_DILATED},
    "left ventricular enlargement": {LV: LV_DILATED},
    "small cavity": {LV: LV_SMALL},
    "small LV cavity": {LV: LV_SMALL},
    "The left ventricle is small.": {LV: LV_SMALL},
    "hypertrophic": {WALL: WALL_THICK},
    "LVH": {WALL: WALL_THICK},
    "left ventricular hypertrophy": {WALL: WALL_THICK},
    "concentric LVH": {WALL: WALL_THICK},
    "thick walls": {WALL: WALL_THICK},
    "thin-walled": {WALL: WALL_THIN},
    "increased wall thickness": {WALL: WALL_THICK},
    "reduced EF": {EF: EF_REDUCED},
    "impaired systolic function": {EF: EF_REDUCED},
    "LV systolic dysfunction": {EF: EF_REDUCED},
    "hyperdynamic": {EF: EF_HYPER},
    "hyperdynamic left ventricle": {EF: EF_HYPER},
    "poor LV function": {EF: EF_SEVERE},
    "globular LV": {SHAPE: SPHERICAL},
    "spherical left ventricle": {SHAPE: SPHERICAL},
    "LAE": {LA: ATRIUM_DILATED},
    "enlarged left atrium": {LA: ATRIUM_DILATED},
    "left atrial enlargement": {LA: ATRIUM_DILATED},
    "dilated right atrium": {RA: ATRIUM_DILATED},
    "biatrial enlargement": {LA: ATRIUM_DILATED, RA: ATRIUM_DILATED},
    "both atria are dilated": {LA: ATRIUM_DILATED, RA: ATRIUM_DILATED},
    "late end-systole": {ES: ES_LATE},
    "prolonged systole": {ES: ES_LATE},
    "early end systole": {ES: ES_EARLY},
    # Rhythm.
    "tachycardic": {RATE: RATE_FAST},
    "sinus tachycardia": {RATE: RATE_FAST},
    "bradycardia": {RATE: RATE_SLOW},
    "bradycardic": {RATE: RATE_SLOW},
    "normal heart rate": {RATE: RATE_NORMAL},
    "normocardic": {RATE: RATE_NORMAL},
    "sinus rhythm at 72 bpm": {RATE: 72},
    "slow heart rate": {RATE: RATE_SLOW},
    # Degrees.
    "mildly dilated LV": {LV: LV_MILD},
    "moderately dilated left ventricle": {LV: LV_MODERATE},
    "severely dilated left ventricle": {LV: LV_SEVERE},
    "LV severely dilated": {LV: LV_SEVERE},
    "severe left ventricular dilatation": {LV: LV_SEVERE},
    "LV is mildly enlarged": {LV: LV_MILD},
    "mild to moderate LV dilation": {LV: (37, 44)},
    "mildly reduced ejection fraction": {EF: EF_MILD},
    "moderately impaired LV function": {EF: EF_MODERATE},
    "severely reduced systolic function": {EF: EF_SEVERE},
    "moderate to severe LV systolic dysfunction": {EF: (15, 41)},
    "mild LVH": {WALL: WALL_MILD},
    "moderate hypertrophy": {WALL: WALL_MODERATE},
    "marked concentric hypertrophy": {WALL: WALL_SEVERE},
    "slightly dilated left atrium": {LA: ATRIUM_MILD},
    "moderately enlarged LA": {LA: ATRIUM_MODERATE},
    "severe biatrial dilatation": {LA: ATRIUM_SEVERE, RA: ATRIUM_SEVERE},
    "mild sinus tachycardia": {RATE: (100, 120)},
    "severe bradycardia": {RATE: (40, 45)},
    # Numbers with units.
    "EF 70": {EF: 70},
    "LVEF of 30 %": {EF: 30},
    "LVEF 55%": {EF: 55},
    "LVEF = 0.35": {EF: 35},
    "ejection fraction: 62 per cent": {EF: 62},
    "ejection fraction of thirty percent": {EF: 30},
    "EF 55-60 %": {EF: (55, 60)},
    "EF between 35 and 40 %": {EF: (35, 40)},
    "EF below 30": {EF: (15, 30)},
    "EF > 60%": {EF: (60, 85)},
    "EF reduced to 25 %": {EF: 25},
    "wall 14 mm": {WALL: 14},
    "LV wall thickness 1.4 cm": {WALL: 14},
    "walls of at least 15 mm": {WALL: (15, 20)},
    "wall thickness of twelve millimetres": {WALL: 12},
    "90 bpm": {RATE: 90},
    "HR 55": {RATE: 55},
    "heart rate of 110/min": {RATE: 110},
    "ninety beats per minute": {RATE: 90},
    "rate 75 beats a minute": {RATE: 75},
    "one hundred and twenty bpm": {RATE: 120},
    "EDV 210 ml": {EDV: 210},
    "end-diastolic volume of 180 mL": {EDV: 180},
    "LVEDV 0.2 l, LVESV 120 ml": {EDV: 200, ESV: 120},
    "end-systolic volume 60 milliliters": {ESV: 60},
    "LV area 45 cm2": {LV: 45},
    "LV end-diastolic area 32 cm²": {LV: 32},
    "end-systolic area 20 square centimeters": {LV_ES: 20},
    "LA area 28 cm^2": {LA: 28},
    "RA 22 cm²": {RA: 22},
    "LA 31 sq cm": {LA: 31},
    "FAC 38 %": {FAC: 38},
    "fractional area change of 45 percent": {FAC: 45},
    "sphericity index 0.62": {SHAPE: 0.62},
    "end-systole at 40 % of the beat": {ES: 40},
    "about 65 bpm": {RATE: 65},
    # Negation.
    "no dilation": {LV: LV_NORMAL},
    "no LVH": {WALL: WALL_NORMAL},
    "normal EF": {EF: EF_NORMAL},
    "non-dilated LV": {LV: LV_NORMAL},
    "LV not dilated": {LV: LV_NORMAL},
    "without hypertrophy": {WALL: WALL_NORMAL},
    "no evidence of left atrial enlargement": {LA: ATRIUM_NORMAL},
    "no dilation or hypertrophy": {LV: LV_NORMAL, WALL: WALL_NORMAL},
    "no systolic dysfunction": {EF: EF_NORMAL},
    "not tachycardic": {RATE: RATE_NORMAL},
    "preserved EF": {EF: EF_PRESERVED},
    "normal LV size and function": {LV: LV_NORMAL, EF: EF_NORMAL},
    "normal sized left ventricle": {LV: LV_NORMAL},
    "normal heart": NORMAL_HEART,
    "no atrial enlargement": {LA: ATRIUM_NORMAL, RA: ATRIUM_NORMAL},
    # Comparison.
    "20 % larger than before": {LV: "+20 %"},
    "LV 10 % smaller": {LV: "-10 %"},
    "left ventricle 20% larger": {LV: "+20 %"},
    "heart rate 20 bpm faster": {RATE: "+20"},
    "10 bpm slower than before": {RATE: "-10"},
    "EF 5 points lower": {EF: "-5"},
    "EF reduced by 10 points": {EF: "-10"},
    "wall 2 mm thicker": {WALL: "+2"},
    "walls 20 % thicker than before": {WALL: "+20 %"},
    "left atrium larger by 15 %": {LA: "+15 %"},
    "increase the heart rate by 30 bpm": {RATE: "+30"},
    "increase the heart rate to 110": {RATE: 110},
    "EDV 30 ml larger": {EDV: "+30"},
    "10 % rounder": {SHAPE: "+10 %"},
    # Combinations.
    "hypertrophic, small cavity, EF 70, tachycardic": {
        WALL: WALL_THICK,
        LV: LV_SMALL,
        EF: 70,
        RATE: RATE_FAST,
    },
    "a dilated left ventricle with an ejection fraction of 30 % at 90 beats a minute": {
        LV: LV_DILATED,
        EF: 30,
        RATE: 90,
    },
    "dilated LV and LA": {LV: LV_DILATED, LA: ATRIUM_DILATED},
    "LV and LA dilated": {LV: LV_DILATED, LA: ATRIUM_DILATED},
    "dilated LV, LA and RA": {LV: LV_DILATED, LA: ATRIUM_DILATED, RA: ATRIUM_DILATED},
    "dilated LV but preserved EF": {LV: LV_DILATED, EF: EF_PRESERVED},
    "severely dilated LV, EF 20 %, severely dilated LA": {
        LV: LV_SEVERE,
        EF: 20,
        LA: ATRIUM_SEVERE,
    },
    "LV dilated and globular with severely reduced function": {
        LV: LV_DILATED,
        SHAPE: SPHERICAL,
        EF: EF_SEVERE,
    },
    "mild LVH with normal EF, no LAE": {
        WALL: WALL_MILD,
        EF: EF_NORMAL,
        LA: ATRIUM_NORMAL,
    },
    "normal heart but EF 40": {**NORMAL_HEART, EF: 40},
    "LV 20 % larger and heart rate 10 bpm faster": {LV: "+20 %", RATE: "+10"},
    "dilated LV EF 25 HR 95": {LV: LV_DILATED, EF: 25, RATE: 95},
    "EF 30; walls thin; bradycardic": {EF: 30, WALL: WALL_THIN, RATE: RATE_SLOW},
    "reduced EF, EF 35": {EF: 35},
    "mildly dilated LV, LV area 40 cm2": {LV: 40},
    "Normal LV cavity size, moderate LVH, LVEF 65%, LA mildly dilated.": {
        LV: LV_NORMAL,
        WALL: WALL_MODERATE,
        EF: 65,
        LA: ATRIUM_MILD,
    },
    # Diagnoses; what only goes along with one gives way to what is said.
    "HFrEF": {EF: (15, 40)},
    "HFpEF": {EF: EF_PRESERVED},
    "HFmrEF": {EF: (41, 49)},
    "heart failure with reduced ejection fraction": {EF: (15, 40)},
    "heart failure with preserved ejection fraction": {EF: EF_PRESERVED},
    "HCM": {WALL: (15, 20), LV: (22, 30), EF: (60, 74), LA: (24, 40)},
    "hypertrophic cardiomyopathy": {WALL: (15, 20), LV: (22, 30), EF: (60, 74), LA: (24, 40)},
    "HCM, wall 18 mm, EF 55": {WALL: 18, LV: (22, 30), EF: 55, LA: (24, 40)},
    "DCM": {LV: LV_DILATED, EF: (15, 45), SHAPE: SPHERICAL, WALL: (5, 9), LA: ATRIUM_DILATED},
    "dilated cardiomyopathy with EF 20 and a normal left atrium": {
        LV: LV_DILATED,
        EF: 20,
        SHAPE: SPHERICAL,
        WALL: (5, 9),
        LA: ATRIUM_NORMAL,
    },
    "athlete's heart": {
        LV: (37, 44),
        WALL: (9, 13),
        EF: (50, 65),
        SHAPE: SHAPE_NORMAL,
        LA: ATRIUM_MILD,
        RA: ATRIUM_MILD,
        RATE: RATE_SLOW,
    },
    "ischaemic cardiomyopathy": {EF: (30, 45), LV: (35, 45)},
    "ischemic cardiomyopathy, EF 25": {EF: 25, LV: (35, 45)},
    "restrictive cardiomyopathy": {
        LA: (30, 60),
        RA: (30, 60),
        LV: LV_NORMAL,
        WALL: WALL_NORMAL,
        EF: EF_NORMAL,
    },
}

# What is refused, and words that the line must contain: what is wrong, and the nearest words.
REFUSED = {
    # Unknown words.
    "dilatted LV": ("dilatted", "dilated"),
    "ejetion fraction 30": ("ejetion", "ejection fraction"),
    "LV dilated, purple": ("purple",),
    "tachicardic": ("tachicardic", "tachycardic"),
    "hypertropic LV": ("hypertropic", "hypertrophic"),
    "a big fluffy heart": ("fluffy",),
    "XYZ 12": ("xyz",),
    # Contradictions.
    "EF 70 and EF 30": ("EF 70 %", "EF 30 %"),
    "dilated LV, small LV": ("dilated lv", "small lv"),
    "severely reduced EF, EF 60": ("severely reduced ef", "EF 60 %"),
    "tachycardic, heart rate 60": ("tachycardic", "heart rate 60 bpm"),
    "HCM with a wall of 9 mm": ("hcm", "9 mm"),
    "EF 70, FAC 20": ("EF 70 %", "FAC 20 %"),
    "EDV 100 ml, ESV 150 ml": ("150 ml", "100 ml"),
    "LV 20 % larger, LV area 30 cm2": ("20 %", "30 cm²"),
    "DCM with EF 60": ("dcm", "EF 60 %"),
    "EDV 200 ml, ESV 100 ml, EF 30": ("ESV 100 ml", "EF 30 %"),
    # Impossible values, wrong units, no value.
    "EF 120": ("EF 120 %", "5 to 90"),
    "heart rate 900": ("900", "25 to 220"),
    "heart rate 0": ("heart rate 0", "25 to 220"),
    "wall 14 ml": ("wall", "ml", "mm"),
    "LV 55 mm": ("LV", "mm", "cm²"),
    "EF -5": ("EF", "5 to 90"),
    "wall 200 mm": ("wall", "200 mm", "2 to 40"),
    "LV larger": ("larger", "how much"),
    "30 %": ("30 %",),
    "45 cm2": ("45 cm²",),
    "LV 95 % smaller": ("95 %",),
    "EF between 60 and 40": ("60", "40"),
    "not severely dilated": ("not severely",),
    "tachycardic LV wall": ("wall",),
    # What a model of these hearts cannot be asked for.
    "mitral regurgitation": ("mitral regurgitation",),
    "severe MR": ("mr",),
    "pericardial effusion": ("pericardial effusion",),
    "dilated LV with a small pericardial effusion": ("pericardial effusion",),
    "dilated right ventricle": ("right ventricle",),
    "RVEF 40": ("rvef",),
    "atrial fibrillation": ("atrial fibrillation",),
    "AF at 120 bpm": ("af",),
    "apical thrombus": ("thrombus",),
    "asymmetric septal hypertrophy": ("asymmetric",),
    "septum 16 mm": ("septum",),
    "aortic stenosis": ("aortic stenosis",),
    "inferior wall hypokinesia": ("inferior",),
    "myocardial oedema": ("oedema",),
    "late gadolinium enhancement": ("late gadolinium enhancement",),
    "E/A 1.5": ("e/a",),
    "": ("empty",),
    "the heart": ("no target",),
}


def said(target):
    """Write a target as this file does."""
    if target.change:
        return f"{target.low:+g} %" if target.change == "percent" else f"{target.low:+g}"
    return target.low if target.low == target.high else (target.low, target.high)


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_becomes_its_targets(phrase):
    targets = read_prompt(phrase).targets
    assert {target.name: said(target) for target in targets} == PHRASES[phrase]


@pytest.mark.parametrize("phrase", REFUSED)
def test_a_phrase_is_refused_in_one_line(phrase):
    with pytest.raises(InputError) as refused:
        read_prompt(phrase)
    message = str(refused.value)
    assert "\n" not in message
    assert [part for part in REFUSED[phrase] if part not in message] == []


def test_there_are_a_hundred_phrases_and_forty_refusals():
    assert len(PHRASES) >= 100 and len(REFUSED) >= 40
