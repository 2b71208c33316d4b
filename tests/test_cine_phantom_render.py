import math

import jax
import jax.numpy as jnp
import nibabel
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

from gancmri_jax.cine.phantom import draw, phantom
from gancmri_jax.cine.phantom.contrast import FLIP_DEGREES, SIGNAL, bssfp_signal
from gancmri_jax.cine.phantom.render import render_frames
from gancmri_jax.cine.phenotypes import read_phenotypes
from gancmri_jax.cli.phantom import command
from gancmri_jax.errors import InputError

SIZE, FRAMES = 32, 10


@pytest.fixture(scope="module")
def rendered():
    return phantom(3, 1, SIZE, FRAMES)


def test_a_cine_and_its_masks(rendered):
    cine, masks, phenotypes, traits = rendered
    assert traits == {}
    assert cine.subject == "phantom-0001"
    assert cine.pixels.shape == masks.shape == (FRAMES, SIZE, SIZE)
    assert cine.pixels.dtype == np.int16 and masks.dtype == np.uint8
    assert 250 < cine.pixels.max() < 4000 and cine.pixels.min() >= 0
    assert set(np.unique(masks)) == {0, 1, 2, 3, 4, 5}
    assert cine.frame_ms == pytest.approx(60_000 / phenotypes["heart_rate_bpm"] / FRAMES)
    assert cine.es_frame == phenotypes["es_frame"]
    assert 0.25 < cine.es_frame / FRAMES <= 0.5


def test_blood_is_bright_muscle_darker_lungs_dark_and_noise_everywhere(rendered):
    pixels, masks = rendered.cine.pixels.astype(float), rendered.masks
    blood, muscle = pixels[masks == 1].mean(), pixels[masks == 2].mean()
    assert muscle < 0.75 * blood
    assert np.percentile(pixels, 10) < 0.2 * blood
    assert all((frame != other).any() for frame, other in zip(pixels, pixels[1:], strict=False))


def test_chambers_lie_as_in_a_four_chamber_view(rendered):
    row, column = np.mgrid[:SIZE, :SIZE]
    ed = rendered.masks[0]
    at = {i: (row[ed == i].mean(), column[ed == i].mean()) for i in range(1, 6)}
    assert at[3][1] < at[1][1] and at[5][1] < at[4][1]  # right chambers on the picture's left
    assert at[3][0] < at[4][0] and at[1][0] < at[4][0]  # ventricles before the left atrium
    assert at[1][1] > at[4][1]  # the apex points to the picture's right


def test_at_es_ventricles_are_smaller_and_atria_larger(rendered):
    ed, es = rendered.masks[0], rendered.masks[rendered.cine.es_frame]
    for ventricle in (1, 3):
        assert (es == ventricle).sum() < 0.8 * (ed == ventricle).sum()
    for atrium in (4, 5):
        assert (es == atrium).sum() > 1.15 * (ed == atrium).sum()


def test_a_subject_depends_on_nothing_else(rendered):
    again = phantom(3, 1, SIZE, FRAMES)
    np.testing.assert_array_equal(again.cine.pixels, rendered.cine.pixels)
    np.testing.assert_array_equal(again.masks, rendered.masks)
    assert again.phenotypes == rendered.phenotypes
    assert phantom(4, 1, SIZE, FRAMES).phenotypes != rendered.phenotypes


def test_signal_is_that_of_the_steady_state():
    # T1 = T2: M0 sin α / 2.
    alpha = math.radians(FLIP_DEGREES)
    assert bssfp_signal(1.0, 500, 500) == pytest.approx(math.sin(alpha) / 2)
    assert SIGNAL["blood"] == 1.0
    assert SIGNAL["lung"] < SIGNAL["myocardium"] < 0.5 < SIGNAL["fluid"]


def test_command_writes_the_files_of_a_study(tmp_path, rendered):
    out = tmp_path / "study"
    options = ["--subjects", "2", "--size", str(SIZE), "--frames", str(FRAMES), "--seed", "3"]
    result = CliRunner().invoke(command, ["--out", str(out), *options], catch_exceptions=False)
    assert result.exit_code == 0
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert files == [
        "phantom-0000/la_4ch.nii.gz",
        "phantom-0000/la_4ch_mask.nii.gz",
        "phantom-0001/la_4ch.nii.gz",
        "phantom-0001/la_4ch_mask.nii.gz",
        "phenotypes.csv",
    ]
    for name, expected in (("la_4ch", rendered.cine.pixels), ("la_4ch_mask", rendered.masks)):
        image = nibabel.load(out / "phantom-0001" / f"{name}.nii.gz")
        assert image.shape == (SIZE, SIZE, 1, FRAMES)
        found = np.asarray(image.dataobj)[:, :, 0, :].transpose(2, 1, 0)
        np.testing.assert_array_equal(found, expected)
        zooms = image.header.get_zooms()
        assert zooms[:2] == pytest.approx(rendered.cine.spacing_mm)
        assert zooms[3] == pytest.approx(rendered.cine.frame_ms)
    table = read_phenotypes(out / "phenotypes.csv")
    assert list(table) == ["phantom-0000", "phantom-0001"]
    assert table["phantom-0001"] == pytest.approx(rendered.phenotypes, rel=1e-5)


def test_the_normal_population_stays_what_it_was(threefry):
    """Numbers of a time when there was no other."""
    rendered = phantom(3, 1, SIZE, FRAMES)
    pixels, masks = rendered.cine.pixels, rendered.masks
    assert pixels[0, ::8, ::8].tolist() == [
        [1, 11, 14, 1],
        [156, 213, 148, 270],
        [73, 149, 249, 9],
        [9, 11, 101, 9],
    ]
    assert [int((masks == label).sum()) for label in range(6)] == [9055, 264, 198, 202, 254, 267]
    assert int(pixels.sum()) == 930803
    assert rendered.phenotypes == pytest.approx(
        {
            "ed_frame": 0,
            "es_frame": 4,
            "lv_area_ed_cm2": 23.898446,
            "lv_area_es_cm2": 14.330179,
            "sphericity_index": 0.537963,
            "lv_fac_percent": 40.037192,
            "ef_percent": 57.662499,
            "heart_rate_bpm": 74.922798,
            "lv_edv_ml": 66.856134,
            "lv_esv_ml": 28.305216,
            "wall_thickness_ed_mm": 8.747087,
        },
        rel=1e-6,
    )


@pytest.fixture(scope="module")
def wide_subject():
    """A wide subject, upright, with a large liver, no wires and no noise."""
    subject = draw(jax.random.key(4), "wide")
    imaging = subject.imaging._replace(
        liver=jnp.asarray([-75.0, 0.0, 80.0, 90.0]),
        wires=subject.imaging.wires.at[:, 2].set(-1.0),
        resolution_mm=jnp.full(2, 1.8),
        level=jnp.asarray(1.0),
    )
    upright = imaging._replace(
        rotation_degrees=jnp.zeros(()),
        mirrored=jnp.zeros((), bool),
        aspect=jnp.full(2, 1.05),
        centre_mm=subject.heart_mm,
    )
    return subject._replace(imaging=upright, noise=jnp.asarray(0.0), fov_mm=jnp.asarray(260.0))


@pytest.mark.slow
def test_what_lies_around_a_heart_never_covers_it(wide_subject):
    def frame(imaging):
        subject = wide_subject._replace(imaging=imaging)
        pixels, masks = render_frames(jax.random.key(0), subject, SIZE, FRAMES)
        return np.asarray(pixels[0], float), np.asarray(masks[0])

    imaging = wide_subject.imaging
    with_liver, masks = frame(imaging)
    gone = jnp.asarray([-75.0, 0.0, -1.0, -1.0])
    without, same = frame(imaging._replace(liver=gone, stomach=gone, spleen_mm=jnp.asarray(-1.0)))
    np.testing.assert_array_equal(masks, same)
    inside = ndimage.binary_erosion(masks > 0, iterations=2)
    changed = np.abs(with_liver - without)
    assert inside.sum() > 10 and changed[masks == 0].max() > 40
    assert changed[inside].mean() < 0.02 * with_liver[inside].mean()


@pytest.mark.slow
def test_a_mirrored_picture_is_the_mirror_picture(wide_subject):
    def frame(mirrored):
        imaging = wide_subject.imaging._replace(mirrored=jnp.asarray(mirrored))
        subject = wide_subject._replace(imaging=imaging)
        pixels, masks = render_frames(jax.random.key(0), subject, SIZE, FRAMES)
        return np.asarray(pixels[0], float), np.asarray(masks[0])

    (pixels, masks), (mirror, mirror_masks) = frame(False), frame(True)
    assert (masks != masks[:, ::-1]).sum() > 20
    np.testing.assert_array_equal(mirror_masks, masks[:, ::-1])
    # Half a pixel of the finer grid lies on the other side.
    assert np.corrcoef(mirror.ravel(), pixels[:, ::-1].ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    "options, says",
    [
        (["--subjects", "0"], "--subjects must be at least 1, got 0"),
        (["--size", "33"], "even number"),
        (["--size", "8"], "from 32"),
        (["--frames", "1"], "--frames must be at least"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, says):
    result = CliRunner().invoke(command, ["--out", str(tmp_path / "out"), *options])
    assert isinstance(result.exception, InputError)
    assert says in str(result.exception) and "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    options = ["--subjects", "1", "--size", str(SIZE), "--frames", str(FRAMES)]
    result = CliRunner().invoke(command, ["--out", str(tmp_path / "file"), *options])
    assert isinstance(result.exception, InputError)
