import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.phantom.anatomy import draw_subject
from gancmri_jax.cine.phantom.heart import heart
from gancmri_jax.cine.phantom.motion import pose
from gancmri_jax.cine.phantom.picture import label
from gancmri_jax.cine.phantom.scanner import subject_mm
from gancmri_jax.cine.phantom.wide import SHARES, draw_imaging, heart_share

COUNT, SIZE = 48, 64


@pytest.fixture(scope="module")
def wide():
    keys = jax.random.split(jax.random.key(5), COUNT)
    draw = jax.jit(jax.vmap(lambda key: draw_imaging(key, draw_subject(key))))
    return draw(keys)


@jax.jit
def masks_of(subjects):
    """Masks at ED [subject h w]."""

    def one(subject):
        at = (jnp.arange(SIZE) + 0.5 - SIZE / 2) * subject.fov_mm / SIZE
        x, y = subject_mm(subject.imaging, *jnp.meshgrid(at, at))
        return label(heart(subject, pose(subject, jnp.zeros(())), x, y))

    return jax.lax.map(one, subjects)


def test_hearts_take_a_quarter_to_nine_tenths_of_the_frame(wide):
    found = np.asarray(jax.jit(jax.vmap(heart_share))(wide))
    low, high = SHARES
    assert low - 0.01 <= found.min() < 0.35 and 0.8 < found.max() <= high + 0.01
    masks = np.asarray(masks_of(wide)) > 0
    sides = np.maximum(masks.any(1).sum(1), masks.any(2).sum(1)) / SIZE
    whole = ~(masks[:, [0, -1]].any((1, 2)) | masks[:, :, [0, -1]].any((1, 2)))
    assert 0.6 < whole.mean() < 1  # most hearts lie in their frame, and some are cut
    np.testing.assert_allclose(sides[whole], found[whole], atol=2.5 / SIZE)
    assert masks.mean((1, 2)).min() > 0.01


def test_frames_come_turned_and_mirrored(wide):
    turns, mirrored = np.asarray(wide.imaging.rotation_degrees), np.asarray(wide.imaging.mirrored)
    assert turns.min() < -90 and turns.max() > 90 and np.mean(np.abs(turns) <= 25) > 0.4
    assert 0.08 < mirrored.mean() < 0.45


def changed(wide, **fields):
    """Return the first four subjects with other frames, which hearts of no two sides fill."""
    first = jax.tree.map(lambda field: field[:4], wide)
    upright = {
        "rotation_degrees": jnp.zeros(4),
        "mirrored": jnp.zeros(4, bool),
        "centre_mm": first.heart_mm + jnp.asarray([[7.0, -4.0]]),
    }
    return first._replace(
        fov_mm=jnp.full(4, 256.0), imaging=first.imaging._replace(**{**upright, **fields})
    )


def test_the_mask_of_a_mirrored_frame_is_the_mirrored_mask(wide):
    plain, mirrored = masks_of(changed(wide)), masks_of(changed(wide, mirrored=jnp.ones(4, bool)))
    np.testing.assert_array_equal(mirrored, plain[:, :, ::-1])
    assert set(np.unique(plain)) == set(range(6))


def test_the_mask_of_a_turned_frame_is_the_turned_mask(wide):
    quarter = np.asarray(masks_of(changed(wide, rotation_degrees=jnp.full(4, 90.0))))
    expected = np.stack([np.rot90(mask, 1) for mask in np.asarray(masks_of(changed(wide)))])
    assert (quarter != expected).mean() < 1e-3  # rounding, at outlines


def test_a_cropped_heart_keeps_the_labels_of_what_is_left(wide):
    pixels = 20
    moved = changed(wide).imaging.centre_mm + jnp.asarray([[pixels * 256.0 / SIZE, 0.0]])
    plain, cut = masks_of(changed(wide)), masks_of(changed(wide, centre_mm=moved))
    assert bool((plain[:, :, :pixels] > 0).any())
    assert (np.asarray(cut[:, :, :-pixels]) != np.asarray(plain[:, :, pixels:])).mean() < 1e-3


def test_every_rare_thing_is_met_and_never_always(wide):
    imaging = wide.imaging
    for name, there in {
        "effusion": imaging.effusion_mm > 0,
        "stomach": imaging.stomach[:, 2] > 0,
        "spleen": imaging.spleen_mm > 0,
        "arm": imaging.arms_mm[:, 0] > 0,
        "wires": imaging.wires[:, 0, 2] > 0,
        "jet": imaging.mitral_jet > 0,
        "liver": imaging.liver[:, 2] > 0,
        "right heart twice as bright": imaging.chambers[:, 1] > 1.35 * imaging.chambers[:, 0],
        "right heart darker": imaging.chambers[:, 1] < 0.8 * imaging.chambers[:, 0],
        "LV dark at ES": imaging.chambers_es[:, 0] < 0.75,
    }.items():
        assert 0 < np.mean(there) < 1, name


def test_no_width_is_nearly_the_normal_imaging(wide):
    subject = draw_subject(jax.random.key(0))
    plain = draw_imaging(jax.random.key(1), subject, 0.0)
    imaging = plain.imaging
    assert not imaging.mirrored and imaging.rotation_degrees == 0
    np.testing.assert_array_equal(imaging.tissues, 1)
    np.testing.assert_array_equal(imaging.chambers, 1)
    np.testing.assert_array_equal(imaging.chambers_es, 1)
    np.testing.assert_array_equal(imaging.lumps[:, 0], 0)
    assert imaging.effusion_mm == 0 and imaging.level == 1
    assert plain.noise == subject.noise and plain.epicardial_fat_mm == subject.epicardial_fat_mm
