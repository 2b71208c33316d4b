"""Populations: normal hearts as UK Biobank's, the same seen by any scanner, and sick ones."""

from typing import Literal, get_args

import jax
from jaxtyping import PRNGKeyArray

from gancmri_jax.cine.phantom.anatomy import Subject, draw_subject
from gancmri_jax.cine.phantom.clinical import DIAGNOSES, draw_disease, infarct_place
from gancmri_jax.cine.phantom.wide import draw_imaging

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
