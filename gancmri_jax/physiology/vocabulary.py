"""The words of prompts: what clinicians call quantities, states, degrees and diagnoses.

Every phrase stands in one table, and means one thing. `docs/words.md` lists them; a test compares.
"""

from typing import NamedTuple

from gancmri_jax.physiology.quantities import PRESERVED_EF, QUANTITIES, Range

HEART = "heart"  # the subject of "normal heart"
LV, EF, WALL, SHAPE = "lv_area_ed_cm2", "ef_percent", "wall_thickness_ed_mm", "sphericity_index"
LA, RA, RATE, ES = "la_area_es_cm2", "ra_area_es_cm2", "heart_rate_bpm", "es_phase_percent"
FAC, LV_ES, EDV, ESV = "lv_fac_percent", "lv_area_es_cm2", "lv_edv_ml", "lv_esv_ml"
OF_THE_LV = {WALL, EF, SHAPE, FAC, EDV, ESV, LV_ES, ES, LV}  # "LV wall" is the wall


class Subject(NamedTuple):
    """What is spoken of."""

    names: tuple[str, ...]


class State(NamedTuple):
    """How it is.

    Attributes:
        sign: 1 above the normal range, 0 in it, −1 below it.
        fits: What it can be said of; the first is meant where nothing is named.
        term: It names its subject itself, as "tachycardia" does.
        degree: A degree that the word holds already, as edges.
        part: The part of the normal range that is meant.
        fixed: A range of its own.
        diagnosis: A name in PRESETS.
    """

    sign: int
    fits: tuple[str, ...]
    term: bool = False
    degree: tuple[int, int] | None = None
    part: Range = (0.0, 1.0)
    fixed: Range | None = None
    diagnosis: str = ""


class Comparison(NamedTuple):
    """More or less than before."""

    sign: int
    fits: tuple[str, ...]


class Preset(NamedTuple):
    """A heart with a name, in words of the grammar.

    Attributes:
        words: How people call it.
        defines: What makes it so, and cannot be contradicted.
        typical: What goes along with it, and gives way to all that is said.
        source: Where that comes from.
    """

    words: str
    defines: str
    typical: str
    source: str


_ALL = tuple(QUANTITIES)
_SIZES = (LV, LA, RA, EDV)

SUBJECTS: dict[str, tuple[str, ...]] = {
    "LV, left ventricle, left ventricular, ventricle, cavity, LV cavity, LV size, LV cavity size, "
    "cavity size, left ventricular cavity, left ventricular size, LV area, left ventricular area, "
    "LV ED area, ED area, end-diastolic area, LV end-diastolic area, EDA, LVEDA, area": (LV,),
    "FAC, LVFAC, fractional area change, area change": (FAC,),
    "sphericity, sphericity index, shape": (SHAPE,),
    "wall, walls, myocardial, wall thickness, LV wall, LV walls, LV wall thickness, LVWT, "
    "thickness, myocardium, myocardial thickness, left ventricular wall, "
    "left ventricular wall thickness": (WALL,),
    "LA, left atrium, left atrial, LA size, left atrial size, LA area, left atrial area": (LA,),
    "RA, right atrium, right atrial, RA size, right atrial size, RA area, right atrial area": (RA,),
    "atria, both atria, biatrial, bi-atrial, atrial, LA and RA, left and right atrium, "
    "left and right atria": (LA, RA),
    "chambers, all chambers, cardiac chambers, chamber": (LV, LA, RA),
    "heart rate, HR, rate, pulse, pulse rate, ventricular rate": (RATE,),
    "ES, end-systole, end systolic phase, ES phase, phase of ES, time of ES, systole, "
    "phase of end-systole, time of end-systole": (ES,),
    "EF, LVEF, ejection fraction, left ventricular ejection fraction, "
    "function, LV function, systolic function, LV systolic function, left ventricular function, "
    "left ventricular systolic function, contractility, contraction, pump function": (EF,),
    "ES area, end-systolic area, ESA, LVESA": (LV_ES,),
    "EDV, LVEDV, end-diastolic volume, LV end-diastolic volume, LV volume, "
    "left ventricular volume, left ventricular end-diastolic volume, volume": (EDV,),
    "ESV, LVESV, end-systolic volume, LV end-systolic volume, "
    "left ventricular end-systolic volume": (ESV,),
    "heart": (HEART,),
}

STATES: dict[str, State] = {
    "dilated, dilatation, dilation, dilate, enlarged, enlargement, large, big": State(1, _SIZES),
    "small, tiny, underfilled": State(-1, _SIZES),
    "thick, thickened, thickening, hypertrophic, hypertrophied, hypertrophy, thick-walled": State(
        1, (WALL,)
    ),
    "thin, thinned, thinning, thin-walled": State(-1, (WALL,)),
    "hyperdynamic, hypercontractile, supranormal, vigorous": State(1, (EF, FAC)),
    "impaired, impairment, depressed": State(-1, (EF, FAC)),
    "poor, very poor": State(-1, (EF, FAC), degree=(2, 3)),
    "good, preserved, maintained": State(0, (EF, *_ALL), fixed=PRESERVED_EF),
    "spherical, globular, round, rounded": State(1, (SHAPE,)),
    "elongated, ellipsoid, ellipsoidal, slender": State(-1, (SHAPE,)),
    "fast, rapid": State(1, (RATE,)),
    "slow": State(-1, (RATE,)),
    "late, delayed, prolonged, long": State(1, (ES,)),
    "early, short, shortened": State(-1, (ES,)),
    "increased, raised, elevated, high": State(1, _ALL),
    "reduced, decreased, low, diminished": State(-1, _ALL),
    "normal, within normal limits, within the normal range, in the normal range, normal-sized, "
    "normal size, of normal size, unremarkable, physiological": State(0, _ALL),
    "low-normal, lower normal": State(0, _ALL, part=(0.0, 1 / 3)),
    "high-normal, upper normal": State(0, _ALL, part=(2 / 3, 1.0)),
}

TERMS: dict[str, State] = {
    "LVH": State(1, (WALL,), term=True),
    "LAE": State(1, (LA,), term=True),
    "RAE": State(1, (RA,), term=True),
    "cardiomegaly": State(1, (LV,), term=True),
    "tachycardia, tachycardic, sinus tachycardia": State(1, (RATE,), term=True),
    "bradycardia, bradycardic, sinus bradycardia": State(-1, (RATE,), term=True),
    "normocardia, normocardic, normal sinus rhythm, NSR": State(0, (RATE,), term=True),
    "dysfunction, systolic dysfunction, LV dysfunction, LV systolic dysfunction, LVSD, "
    "left ventricular dysfunction, left ventricular systolic dysfunction, "
    "systolic impairment": State(-1, (EF,), term=True),
    # McDonagh et al., Eur Heart J 2021: EF up to 40 %, 41 to 49 %, and from 50 %.
    "HFrEF, heart failure with reduced ejection fraction, heart failure with reduced EF": State(
        -1, (EF,), term=True, fixed=(15, 40)
    ),
    "HFmrEF, heart failure with mildly reduced ejection fraction, "
    "heart failure with mildly reduced EF": State(-1, (EF,), term=True, fixed=(41, 49)),
    "HFpEF, heart failure with preserved ejection fraction, heart failure with preserved EF": State(
        0, (EF,), term=True, fixed=PRESERVED_EF
    ),
}

PRESETS = {
    "normal": Preset(
        "healthy heart, healthy, healthy volunteer",
        "",
        "normal LV, normal EF, normal shape, normal wall, normal LA, normal RA, normal heart rate, "
        "normal time of ES",
        "the normal ranges",
    ),
    "athlete": Preset(
        "athlete, athletic, athlete's heart, athletes heart, athletic heart, trained athlete",
        "mildly to moderately dilated LV, wall 9 to 13 mm, EF 50 to 65 %",
        "normal shape, mildly dilated LA, mildly dilated RA, bradycardia",
        "walls up to 12 mm, seldom 13 or more (Pelliccia et al., N Engl J Med 1991); cavities "
        "enlarged with normal EF, slow rates (Maron and Pelliccia, Circulation 2006); own: the "
        "rest",
    ),
    "dilated": Preset(
        "DCM, dilated cardiomyopathy, dilative cardiomyopathy",
        "dilated LV, EF below 45 %",
        "spherical, wall 5 to 9 mm, dilated LA",
        "dilation and EF below 45 % define it (Pinto et al., Eur Heart J 2016); wall: the "
        "phantoms' dilated hearts; own: the rest",
    ),
    "hypertrophic": Preset(
        "HCM, HOCM, hypertrophic cardiomyopathy",
        "wall at least 15 mm",
        "LV 22 to 30 cm², EF 60 to 74 %, LA 24 to 40 cm²",
        "15 mm and more, unexplained (Elliott et al., Eur Heart J 2014); LV and EF: the phantoms' "
        "HCM, 26 ± 4 cm² and 67 ± 7 %; own: LA. The whole wall is thick, not the septum alone",
    ),
    "infarct": Preset(
        "infarct, infarction, myocardial infarction, post-infarct, after infarction, "
        "ischaemic cardiomyopathy, ischemic cardiomyopathy, ischaemic heart, ischemic heart, ICM",
        "reduced EF",
        "EF 30 to 45 %, LV 35 to 45 cm²",
        "own: the whole ventricle after a large infarct; the scar itself is regional, and no "
        "target",
    ),
    "restrictive": Preset(
        "restrictive, restrictive cardiomyopathy, RCM",
        "dilated LA, dilated RA",
        "moderately to severely dilated LA, moderately to severely dilated RA, normal LV, "
        "normal wall, normal EF",
        "normal or small ventricle, normal walls, large atria (Elliott et al., Eur Heart J 2008); "
        "own: degrees",
    ),
}

DEGREES: dict[str, tuple[int, int]] = {
    "mild, mildly, slight, slightly, minimal, minimally, a little": (0, 1),
    "moderate, moderately": (1, 2),
    "severe, severely, marked, markedly, massive, massively, gross, grossly, very, extreme, "
    "extremely": (2, 3),
}

COMPARISONS: dict[str, Comparison] = {
    "larger, bigger": Comparison(1, _SIZES),
    "smaller": Comparison(-1, _SIZES),
    "thicker": Comparison(1, (WALL,)),
    "thinner": Comparison(-1, (WALL,)),
    "faster": Comparison(1, (RATE,)),
    "slower": Comparison(-1, (RATE,)),
    "later": Comparison(1, (ES,)),
    "earlier": Comparison(-1, (ES,)),
    "rounder, more spherical": Comparison(1, (SHAPE,)),
    "more elongated, less spherical": Comparison(-1, (SHAPE,)),
    "higher, greater, more, increase, raise, up, risen, improved": Comparison(1, _ALL),
    "lower, less, decrease, reduce, down, fallen, dropped, declined": Comparison(-1, _ALL),
}

UNITS: dict[str, str] = {
    "%, percent, per cent, pct": "%",
    "points, point, percentage points, % points, percent points, EF points": "points",
    "bpm, beats per minute, beats a minute, beats/minute, beats/min, /min, /minute, per minute, "
    "a minute, beats": "bpm",
    "mm, millimetre, millimetres, millimeter, millimeters": "mm",
    "cm, centimetre, centimetres, centimeter, centimeters": "cm",
    "cm2, sq cm, cm squared, square cm, square centimetres, square centimeters, "
    "square centimetre, square centimeter": "cm²",
    "mm2, sq mm, square millimetres, square millimeters": "mm²",
    "ml, millilitre, millilitres, milliliter, milliliters, cc": "ml",
    "l, litre, litres, liter, liters": "l",
    "ms, milliseconds": "ms",
}

NOT = (
    "no, not, without, non, no evidence of, without evidence of, no signs of, absence of, free of, "
    "nor, neither, isn't, no significant"
)
AND = "and, as well as, plus, &, /"
OR = "or"
BREAK = ", ; . with but while whereas however"
BY, TO = "by", "to"
BELOW = "<, ≤, below, under, less than, at most, up to, no more than, lower than"
ABOVE = ">, ≥, above, over, more than, at least, greater than, higher than, no less than"
BETWEEN = "between"
FILLERS = (
    "a, an, the, is, are, was, of, has, have, having, there, this, that, patient, in, on, at, "
    "shows, show, please, make, size, sized, global, globally, overall, concentric, "
    "concentrically, sinus, rhythm, sinus rhythm, regular, about, approximately, around, "
    "roughly, circa, ca, ~, =, :, (, ), otherwise, than before, than now, than, before, of the "
    "beat, of the cycle, of the cardiac cycle, compared with before, compared to before, it, "
    "be, its, both, index, level, approx, resting, at rest"
)

# What clinicians see in these images, and what no target stands for.
NOT_TARGETS = (
    "mitral regurgitation, MR, tricuspid regurgitation, TR, aortic regurgitation, AR, aortic "
    "stenosis, AS, mitral stenosis, mitral valve prolapse, valve, regurgitation, stenosis, "
    "pericardial effusion, effusion, pericarditis, tamponade, constriction, pleural effusion, "
    "right ventricle, right ventricular, RV, RVEF, RVH, RV function, RV size, TAPSE, atrial "
    "fibrillation, AF, atrial flutter, arrhythmia, ectopy, LBBB, RBBB, heart block, thrombus, "
    "aneurysm, apical, septum, septal, asymmetric, asymmetrical, lateral, inferior, anterior, "
    "eccentric, hypokinesia, hypokinetic, akinesia, akinetic, dyskinesia, dyskinetic, "
    "dyssynchrony, regional wall motion abnormality, scar, fibrosis, oedema, edema, amyloid, "
    "amyloidosis, sarcoid, myocarditis, late gadolinium enhancement, LGE, perfusion, T1, T2, "
    "strain, GLS, mass, LV mass, E/A, E/e', diastolic dysfunction, filling pattern, stroke "
    "volume, cardiac output, LA volume, left atrial volume, RA volume, diameter, diameters, "
    "aorta, aortic, aortic root, congenital, ventricular septal defect, VSD, ASD, "
    "noncompaction, SAM, LVOT, LVOT obstruction, pacemaker, cardiomyopathy, heart failure, EDD, "
    "LVEDD, ESD, LVESD, LVIDD, LVEDVI, LVESVI, indexed, biventricular, ventricles, both "
    "ventricles, remodelling, remodeling, filling, restrictive filling, takotsubo, ARVC, LVNC, "
    "shunt, TAVI, wall motion, wall motion abnormality"
)
