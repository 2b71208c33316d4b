import nibabel
import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.masks import Masks
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.errors import InputError
from gancmri_jax.segmentation import labelled
from gancmri_jax.segmentation.labelled import (
    ENLARGED,
    LabelledCine,
    gather_frames,
    hold_out,
    read_labelled,
)
from gancmri_jax.segmentation.segment import Segmentation
from tests.tiny_segmenter import bright_segmenter

SPACING = (2.0, 1.0)  # rows are twice as far apart as columns


def cine_of(structures=(1, 2, 3), frames=(0, 4)):
    """Eight frames of 64 by 128 pixels; the LV is 16 rows by 32 columns, a square in mm."""
    pixels = np.zeros((8, 64, 128), np.float32)
    pixels[:, 20:36, 40:72] = 100 + np.arange(8)[:, None, None]
    pixels[:, :4] = 108  # the brightest
    labels = np.zeros((len(frames), 64, 128), np.uint8)
    labels[:, 20:36, 40:72] = structures[0]
    for place, label in enumerate(structures[1:]):
        labels[:, 30, 50 + place] = label
    return LabelledCine(Cine(pixels, SPACING, 30.0, "a"), Masks(frames, labels, structures, 0, 4))


def segmenter_of_two_phases():
    segmenter = bright_segmenter()
    object.__setattr__(segmenter.network, "phases", 2)
    return segmenter


@pytest.fixture
def atria_above(monkeypatch):
    """In place of a network: an LA of 8 rows above the LV, in every frame."""

    def find(_, cine):
        masks = np.zeros(cine.pixels.shape, np.uint8)
        masks[:, 12:20, 40:72] = 4
        return Segmentation(masks, np.zeros((1, 1, 1), np.float32), SPACING)

    monkeypatch.setattr(labelled, "segment", find)


def test_frames_keep_their_shape_in_millimetres(atria_above):
    frames = gather_frames([cine_of()], segmenter_of_two_phases())
    assert frames.images.shape == (2, 2, 256, 256) and frames.labels.shape == (2, 256, 256)
    # 128 mm both ways become 256 pixels: two of them a millimetre.
    assert (np.asarray(frames.labels[0]) > 0).sum() == 64 * 64
    # The frame half a beat later comes second; 0 … 108 became 0 … 255.
    centre = np.asarray(frames.images)[:, :, 100, 110]
    levels = 255 * np.array([[100, 104], [104, 100]]) / 108
    np.testing.assert_allclose(centre, levels, atol=1)
    np.testing.assert_array_equal(frames.drawn, [[True, True, True, True, False, False]] * 2)


def test_a_heart_s_box_reaches_as_far_as_the_segmenter_finds_it(atria_above, monkeypatch):
    row, column, side = np.asarray(gather_frames([cine_of()], segmenter_of_two_phases()).hearts[0])
    assert (row, column, side) == (95.5, 111.5, 96)  # rows 48 … 143: LA and LV
    whole = cine_of((1, 2, 3, 4, 5))
    box = np.asarray(gather_frames([whole], segmenter_of_two_phases()).hearts[0])
    np.testing.assert_array_equal(box, [111.5, 111.5, 64])  # all was drawn

    def nothing(_, cine):
        return Segmentation(np.zeros(cine.pixels.shape, np.uint8), np.zeros((1, 1, 1)), SPACING)

    monkeypatch.setattr(labelled, "segment", nothing)
    box = np.asarray(gather_frames([cine_of()], segmenter_of_two_phases()).hearts[0])
    np.testing.assert_array_equal(box, [111.5, 111.5, 64 * ENLARGED])


def test_what_is_trained_on_has_a_digest(atria_above):
    one = gather_frames([cine_of()], segmenter_of_two_phases())
    assert one.digest == gather_frames([cine_of()], segmenter_of_two_phases()).digest
    other = gather_frames([cine_of((1, 3))], segmenter_of_two_phases())
    assert one.digest != other.digest


def test_subjects_are_held_out_by_the_seed():
    cines = [cine_of((1,), (k,)) for k in range(8)]

    def held(share, seed):
        parts = [[one.masks.frames[0] for one in part] for part in hold_out(cines, share, seed)]
        assert sorted(sum(parts, [])) == list(range(8))
        return parts[1]

    assert len(held(0.25, 5)) == 2 and held(0.25, 5) == held(0.25, 5) != held(0.25, 6)
    assert len(held(0.01, 5)) == 1 and held(0, 5) == []
    with pytest.raises(InputError, match="1 subjects have masks; holding out 1 leaves none"):
        hold_out(cines[:1], 0.2, 5)


def test_cines_with_masks_are_read_from_a_folder(tmp_path):
    cine, masks = cine_of()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pixels = np.random.default_rng(0).integers(0, 999, (8, 64, 128), dtype=np.int16)
        write_nifti(tmp_path / name / "la_4ch.nii.gz", pixels, SPACING, 30.0)
    image = nibabel.load(tmp_path / "b" / "la_4ch.nii.gz")
    mask = nibabel.Nifti1Image(masks.labels[0].T[:, :, None], image.affine)
    nibabel.save(mask, tmp_path / "b" / "seg4_la_4ch_ED.nii.gz")
    missing = []
    (one,) = read_labelled(tmp_path, lambda r: pytest.fail(str(r)), missing.append)
    assert missing == ["a"] and one.cine.subject == "b" and one.masks.frames == (0,)
    (tmp_path / "c").mkdir()
    name = "seg4_la_4ch_ED.nii.gz"
    (tmp_path / "b" / name).rename(tmp_path / "c" / name)
    refused = []
    with pytest.raises(InputError, match="no cine in it has a mask of its subject's name"):
        read_labelled(tmp_path, refused.append, missing.append)
    assert refused[0].reason == "holds label maps and no cine"
