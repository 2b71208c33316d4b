import pytest

from gancmri_jax.errors import InputError
from gancmri_jax.metrics.names import parse_metric


@pytest.mark.parametrize(
    "name, said, count, full",
    [
        ("fid50k_full", "fid50k_full", 50_000, True),
        ("fid", "fid50k", 50_000, False),
        ("kid2000", "kid2k", 2000, False),
        ("fcn_fd500", "fcn_fd500", 500, False),
        ("recall1k", "recall1k", 1000, False),
    ],
)
def test_a_name_says_its_samples(name, said, count, full):
    metric = parse_metric(name)
    assert (metric.name, metric.count, metric.full) == (said, count, full)
    assert metric.metric.kind == "frames"


def test_clips_say_how_they_are_taken():
    metric = parse_metric("fvd16_equispaced")
    assert (metric.base, metric.clip_frames, metric.clip_how) == ("fvd", 16, "equispaced")
    assert parse_metric("ssim").metric.kind == "pairs"
    assert parse_metric("ppl_wend").metric.kind == "models"


@pytest.mark.parametrize(
    "name, why",
    [
        ("fid3", "4 frames"),
        ("kid7", "8 frames"),
        ("recall2", "8"),
        ("fvd9_equispaced", "clips of 10"),
    ],
)
def test_too_few_samples_are_refused(name, why):
    with pytest.raises(InputError, match=f"{name}: .*{why}"):
        parse_metric(name)


@pytest.mark.parametrize(
    "name, near",
    [
        ("", None),
        ("density100", None),
        ("fidk", "fid50k"),
        ("fvd16", "fvd16_equispaced"),
        ("fid50k_half", "fid50k"),
        ("cFID", "cfid50k"),
        ("ssim16", "ssim"),
        ("persision2k", "precision50k"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(InputError) as refused:
        parse_metric(name)
    guess = f"did you mean {near}? " if near else ""
    said = f"{name}: no such metric; {guess}Metrics are fid50k, kid50k, precision50k, "
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)
