"""Populations: normal hearts as UK Biobank's, the same seen by any scanner, and sick ones."""

from typing import Literal, get_args

import jax
from jaxtyping import Array, PRNGKeyArray

from gancmri_jax.cine.phantom.anatomy import Subject, draw_subject
from gancmri_jax.cine.phantom.clinical import DIAGNOSES, draw_disease, infarct_place
from gancmri_jax.cine.phantom.motion import es_phase
from gancmri_jax.cine.phantom.wide import draw_imaging, heart_share

Population = Literal["normal", "wide", "clinical"]
POPULATIONS: tuple[Population, ...] = get_args(Population)
CLINICAL_WIDTH = 0.5  # of the clinical population's imaging; the wide one's is 1

_DISEASE, _IMAGING = 1, 2  # streams of a subject's key


def draw(key: PRNGKeyArray, population: Population = "normal") -> Subject:
    """Draw one subject of a population; the same key gives the same subject.

    A wide subject is the normal one of its key, seen otherwise; a clinical one has its chest.
    """
    subject = draw_subject(key)
    if population == "clinical":
        subject = draw_disease(jax.random.fold_in(key, _DISEASE), subject)
    if population != "normal":
        width = CLINICAL_WIDTH if population == "clinical" else 1.0
        subject = draw_imaging(jax.random.fold_in(key, _IMAGING), subject, width)
    return subject


def traits(subject: Subject, population: Population) -> dict[str, float | str]:
    """Return what tells a subject of the wider populations from another, as columns of a table."""
    if population == "normal":
        return {}
    found: dict[str, float | str] = {
        "population": population,
        "es_phase_percent": 100 * float(es_phase(subject)),
    }
    if (disease := subject.disease) is not None:
        place = infarct_place(float(disease.infarct_degrees)) if disease.infarct else ""
        found |= {"diagnosis": DIAGNOSES[int(disease.diagnosis)], "infarct_place": place}
    if subject.rhythm is not None:
        found["atrial_fibrillation"] = _yes(subject.rhythm.kick == 0)
    if (imaging := subject.imaging) is not None:
        found |= {
            "rotation_degrees": float(imaging.rotation_degrees),
            "mirrored": _yes(imaging.mirrored),
            "heart_share_percent": 100 * float(heart_share(subject)),
            "effusion_mm": float(imaging.effusion_mm),
            "sternal_wires": _yes(imaging.wires[0, 2] > 0),
        }
    return found


def _yes(there: Array | bool) -> str:
    return "yes" if bool(there) else "no"
