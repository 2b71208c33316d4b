import nibabel
import numpy as np
import pytest

from gancmri_jax.cine.masks import find_masks, frame_like, read_masks
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.read import read_cines
from gancmri_jax.errors import InputError

TURNED = np.diag([-1.5, 1.5, 8, 1])  # rows run to the front: upside down on the display
SHAPE = (6, 5)  # x, y


def save(path, array, affine=TURNED):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.asarray(array), affine), path)


def heart(*labels):
    """A mask (x, y, 1) whose first column in the file has the labels, one below the other."""
    mask = np.zeros((*SHAPE, 1))  # float64, as ukbb_cardiac writes them
    mask[0, : len(labels), 0] = labels
    return mask


@pytest.fixture
def moving():
    return np.random.default_rng(0).integers(0, 1000, (*SHAPE, 1, 8), dtype=np.int16)


@pytest.fixture
def mnms2(tmp_path, moving):
    folder = tmp_path / "dataset" / "001"
    save(folder / "001_LA_CINE.nii.gz", moving)
    for phase, frame, labels in (("ED", 2, (1, 1, 2, 3)), ("ES", 5, (1, 2, 2, 3))):
        save(folder / f"001_LA_{phase}.nii.gz", moving[..., frame])
        save(folder / f"001_LA_{phase}_gt.nii.gz", heart(*labels))
    return tmp_path


@pytest.fixture
def ukbb(tmp_path, moving):
    save(tmp_path / "7" / "la_4ch.nii.gz", moving)
    return tmp_path


def read_one(folder, name):
    (cine,) = read_cines(folder)
    return read_masks(find_masks(folder)[name], cine)


def test_mnms2_s_masks_are_of_the_frames_that_lie_beside_them(mnms2):
    masks = read_one(mnms2, "001")
    assert (masks.frames, masks.ed_frame, masks.es_frame) == ((2, 5), 2, 5)
    assert masks.structures == (1, 2, 3)  # no atria
    # The file's first column, turned upside down with the cine.
    np.testing.assert_array_equal(masks.labels[0][:, 0], [0, 3, 2, 1, 1])
    assert masks.labels[:, :, 1:].sum() == 0


def test_ukbb_cardiac_s_beat_counts_where_it_has_labels(ukbb, moving):
    beat = np.zeros(moving.shape, np.int16)
    beat[..., 0], beat[..., 3] = heart(1, 1, 2, 3, 4), heart(1, 2, 3, 4, 5)
    save(ukbb / "7" / "label_la_4ch.nii.gz", beat)
    save(ukbb / "7" / "seg4_la_4ch.nii.gz", np.ones(moving.shape))  # a network's; drawn ones win
    masks = read_one(ukbb, "7")
    assert (masks.frames, masks.ed_frame, masks.es_frame) == ((0, 3), 0, 3)
    assert masks.structures == (1, 2, 3, 4, 5)
    np.testing.assert_array_equal(masks.labels[1][:, 0], [5, 4, 3, 2, 1])


@pytest.mark.parametrize(
    ("name", "labels", "structures"),
    [
        ("label", (1, 2), (4, 5)),  # ukbb_cardiac's own: LA and RA alone
        ("seg", (1, 2), (4, 5)),
        ("seg", (1, 2, 3), (1, 2, 3)),
        ("seg4", (1, 2), (1, 2)),
    ],
)
def test_labels_mean_what_the_file_s_name_says(ukbb, moving, name, labels, structures):
    save(ukbb / "7" / "la_4ch_ES.nii.gz", moving[..., 4])
    for phase in ("ED", "ES"):
        save(ukbb / "7" / f"{name}_la_4ch_{phase}.nii.gz", heart(*labels))
    masks = read_one(ukbb, "7")
    assert masks.structures == structures
    assert (masks.frames, masks.ed_frame, masks.es_frame) == ((0, 4), 0, 4)  # ED is frame 0


def test_phantoms_masks_are_read_in_the_same_way(tmp_path, moving):
    frames = moving[:, :, 0].T
    labels = (1 + np.arange(frames.size).reshape(frames.shape) % 5).astype(np.uint8)
    labels[5][labels[5] == 1] = 2
    labels[5, 0, 0] = 1
    (tmp_path / "a").mkdir()
    write_nifti(tmp_path / "a" / "la_4ch.nii.gz", frames, (1.5, 1.5), 40.0)
    write_nifti(tmp_path / "a" / "la_4ch_mask.nii.gz", labels, (1.5, 1.5), 40.0)
    masks = read_one(tmp_path, "a")
    np.testing.assert_array_equal(masks.labels, labels)
    assert masks.frames == tuple(range(8))
    assert (masks.ed_frame, masks.es_frame) == (0, 5)  # ES is the smallest LV


def test_a_frame_is_known_by_its_pixels(moving):
    frames = moving[:, :, 0].T
    assert frame_like(frames[3] + 0.4, frames) == 3  # rounding
    assert frame_like(frames[3] + 40, frames) is None
    assert frame_like(frames[3][:, 1:], frames) is None


def refused(folder, name):
    with pytest.raises(InputError) as error:
        read_one(folder, name)
    return str(error.value)


def test_what_does_not_fit_names_file_and_remedy(mnms2, moving):
    mask, picture = (mnms2 / f"dataset/001/001_LA_ES{end}.nii.gz" for end in ("_gt", ""))
    save(mask, heart(1, 2, 4))
    assert refused(mnms2, "001") == (
        f"{mnms2}/dataset/001/001_LA_ED_gt.nii.gz: a mask of this subject holds the label 4; the "
        "labels of such files are 0 background, 1 LV, 2 myocardium, 3 RV; renumber it"
    )
    save(mask, heart(1, 2.5))
    assert refused(mnms2, "001").startswith(f"{mask}: is no label map")
    save(mask, heart())
    assert refused(mnms2, "001").startswith(f"{mask}: holds no label")
    save(mask, heart(1, 2, 3), np.eye(4))
    assert "save the mask with the affine of the image" in refused(mnms2, "001")
    save(mask, heart(1, 2, 3), np.diag([-3.0, 3, 8, 1]))
    assert "has pixels of 3.000 by 3.000 mm, the cine 1.500 by 1.500" in refused(mnms2, "001")
    save(mask, np.ones((5, 5, 1)))
    assert "has 5 rows and 5 columns, the cine 5 and 6; resample" in refused(mnms2, "001")
    save(mask, np.ones((*SHAPE, 1, 2)))
    assert "has 2 frames; a mask of ED or ES has one" in refused(mnms2, "001")
    mask.write_bytes(b"torn")
    assert refused(mnms2, "001").startswith(f"{mask}: is broken")
    save(mask, heart(1, 2, 3))
    save(picture, moving[..., 5] + 100)
    assert "equals no frame of the cine" in refused(mnms2, "001")
    save(picture, moving[..., 2])
    assert refused(mnms2, "001").startswith(f"{mask}: is of frame 2, as is the mask of the other")
    picture.unlink()
    assert "there is no 001_LA_ES.nii.gz beside it; add that file" in refused(mnms2, "001")


def test_a_beat_has_the_cine_s_frames(ukbb):
    save(ukbb / "7" / "label_la_4ch.nii.gz", np.ones((*SHAPE, 1, 3)))
    assert "has 3 frames, the cine 8; a mask of one frame is named" in refused(ukbb, "7")


def test_a_folder_without_masks_or_with_two_of_a_name_is_refused(mnms2):
    with pytest.raises(InputError, match="no such folder"):
        find_masks(mnms2 / "none")
    save(mnms2 / "more" / "001_LA_ED_gt.nii.gz", heart(1))
    with pytest.raises(InputError, match="is a second mask of 001"):
        find_masks(mnms2)
    (mnms2 / "empty").mkdir()
    with pytest.raises(InputError, match="holds no masks: no <id>_LA_ED_gt.nii.gz"):
        find_masks(mnms2 / "empty")
