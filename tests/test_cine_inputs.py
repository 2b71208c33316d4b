"""Inputs as labs have them: each is read for what it is, or refused with the way out."""

import gzip
import pathlib
import zipfile

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.not_taken import NotTaken, not_taken_lines
from gancmri_jax.cine.phenotypes import read_phenotypes
from gancmri_jax.cine.prepare import Options, prepare
from gancmri_jax.cine.read import read_cines
from gancmri_jax.cine.records import Records
from gancmri_jax.errors import InputError
from tests.dicoms import write_cine, write_frame

NOISE = np.random.default_rng(0).integers(1, 1000, (10, 24, 20), dtype=np.int16)


def read(path: pathlib.Path, **options):
    """Return the subjects and numbers of frames, refusals' reasons, and lines on the rest."""
    refusals, extras = [], []
    try:
        cines = read_cines(path, refusals.append, on_extra=extras.append, **options)
    except InputError as error:
        cines, refusals = [], refusals or [error]
    left = [extra for extra in extras if isinstance(extra, NotTaken)]
    lines = not_taken_lines(left) + [str(e) for e in extras if not isinstance(e, NotTaken)]
    reasons = [getattr(refusal, "reason", str(refusal)) for refusal in refusals]
    return {c.subject: len(c.pixels) for c in cines}, reasons, "\n".join(lines)


def nifti(path: pathlib.Path, pixels=NOISE, **zooms):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(path, pixels, (1.5, 1.25), 90.0)
    return path


def zip_up(folder: pathlib.Path, out: pathlib.Path, inside: str = ""):
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{inside}{path.name}")


def test_a_stray_image_at_the_root_does_not_make_one_subject_of_a_study(tmp_path):
    for k in range(3):
        write_cine(tmp_path / f"pat{k}", 9, PatientID=f"P{k}")
    write_frame(tmp_path / "scout.dcm", 5, PatientID="P1")
    found, refused, lines = read(tmp_path)
    assert found == {"pat0": 9, "pat1": 9, "pat2": 9} and not refused
    assert "scout.dcm: DICOM files beside the subjects' folders; not taken" in lines


def test_cines_at_the_root_beside_other_persons_folders_are_a_subject_of_their_own(tmp_path):
    write_cine(tmp_path / "study/pat1", 9, PatientID="P1")
    write_cine(tmp_path / "study", 8, PatientID="P0")
    assert read(tmp_path / "study")[0] == {"pat1": 9, "study": 8}
    write_cine(tmp_path / "heart/more", 8, PatientID="P", ImagePositionPatient=[0, 0, 9])
    write_cine(tmp_path / "heart", 8, PatientID="P")
    assert len(read_cines(tmp_path / "heart")) == 2
    assert read(tmp_path / "heart")[0] == {"heart": 8}


def test_folders_of_the_series_of_one_examination_are_one_subject(tmp_path):
    for number, view in enumerate(("2ch", "4ch", "sax")):
        write_cine(
            tmp_path / f"heart/SE{number}",
            9,
            100 * number,
            PatientID="P",
            StudyInstanceUID="1.2",
            SeriesDescription=f"cine {view}",
        )
    (cine,) = read_cines(tmp_path / "heart")
    assert cine.subject == "heart" and cine.pixels[0].min() == 100


def test_one_flat_folder_of_several_patients(tmp_path):
    for k in range(3):
        write_cine(tmp_path / "all", 9, first=10 * k, PatientID=f"P{k}")
    assert read(tmp_path / "all")[0] == {"P0": 9, "P1": 9, "P2": 9}
    (tmp_path / "all/phenotypes.csv").write_text("subject,es_frame\nP1,4\nP9,3\n")
    card = prepare(tmp_path / "all", tmp_path / "out", Options(size=8), on_refusal=print)
    assert card["subjects"] == {"train": 3}
    cines = list(Records(tmp_path / "out", "train"))
    assert sorted(cine.es_frame or 0 for cine in cines) == [0, 0, 4]
    assert len(read_phenotypes(tmp_path / "out/phenotypes.csv")) == 1
    texts = [p.read_bytes() for p in (tmp_path / "out").iterdir()]
    assert not any(b"P1" in text for text in texts)


def visit(path: pathlib.Path, tmp_path: pathlib.Path, frames=9, **fields):
    write_cine(tmp_path / "x", frames, SeriesDescription="CINE_segmented_LAX_4Ch", **fields)
    zip_up(tmp_path / "x", path)
    for file in (tmp_path / "x").iterdir():
        file.unlink()


def test_uk_biobanks_platform_is_recognised_at_any_depth(tmp_path):
    place = tmp_path / "up/Bulk/Heart MRI"
    for k in range(2):
        visit(place / f"Long axis/10/100000{k}_20208_2_0.zip", tmp_path)
        visit(place / f"Short axis/10/100000{k}_20209_2_0.zip", tmp_path)
    (place / "readme.txt").write_text("of the platform")
    found, refused, lines = read(tmp_path / "up")
    assert found == {"1000000": 9, "1000001": 9} and not refused
    assert "_20209_2_0.zip and 1 more: UK Biobank's field 20209, the short axis" in lines
    assert "readme.txt: files that hold no cine (.txt); not taken" in lines
    assert "field 20208" in read(place / "Short axis")[1][0]


def test_an_aborted_last_series_of_a_visit_loses(tmp_path):
    write_cine(tmp_path / "x", 3, 50, SeriesDescription="CINE_segmented_LAX_4Ch", SeriesNumber=9)
    visit(tmp_path / "in/1_20208_2_0.zip", tmp_path, 10, SeriesNumber=8)
    assert read(tmp_path / "in")[0] == {"1": 10}


@pytest.fixture
def dicoms(tmp_path):
    write_cine(tmp_path / "plain", 9)
    return tmp_path / "plain"


def test_gzipped_bare_and_packed_dicoms_are_read(tmp_path, dicoms):
    for path in dicoms.iterdir():
        place = tmp_path / "study"
        for name in ("gz", "bare", "nameless"):
            (place / name).mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        (place / f"gz/{path.name}.gz").write_bytes(gzip.compress(content))
        (place / f"nameless/{path.stem}").write_bytes(content[132:])  # no preamble, no mark
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.save_as(place / f"bare/{path.name}", implicit_vr=True, little_endian=True)
    zip_up(dicoms, tmp_path / "y/inner.zip", "DICOM/")
    zip_up(tmp_path / "y", tmp_path / "study/outer.zip")
    found, refused, _ = read(tmp_path / "study")
    assert found == {"bare": 9, "gz": 9, "nameless": 9, "outer": 9} and not refused


def test_archives_of_other_kinds_and_packed_videos_say_what_to_do(tmp_path, dicoms):
    (tmp_path / "study/tar").mkdir(parents=True)
    (tmp_path / "study/tar/a.tar.gz").write_bytes(b"")
    zip_up(dicoms, tmp_path / "study/deep/a.zip")
    for _ in range(3):
        (tmp_path / "z").mkdir(exist_ok=True)
        (tmp_path / "z/a.zip").write_bytes((tmp_path / "study/deep/a.zip").read_bytes())
        zip_up(tmp_path / "z", tmp_path / "study/deep/a.zip")
    (tmp_path / "v").mkdir()
    (tmp_path / "v/a.mp4").write_bytes(b"x")
    zip_up(tmp_path / "v", tmp_path / "study/film.zip")
    _, refused, _ = read(tmp_path / "study")
    assert [reason for reason in refused if "unpack it" in reason] == [
        "is a zip inside too many zips; unpack it",
        "holds videos or PNGs in a zip, which are not read there; unpack it",
        "is an archive of a kind that is not read (.tar.gz); unpack it",
    ]


def test_niftis_in_zips_pairs_and_large_letters_are_read(tmp_path):
    packed = nifti(tmp_path / "x/la_4ch.nii.gz")
    zip_up(packed.parent, tmp_path / "study/zipped.zip", "heart/")
    (tmp_path / "study/caps").mkdir()
    (tmp_path / "study/caps/LA_4CH.NII.GZ").write_bytes(packed.read_bytes())
    (tmp_path / "study/pair").mkdir()
    image = nibabel.load(packed)
    nibabel.save(
        nibabel.Nifti1Pair(np.asarray(image.dataobj), image.affine, image.header),
        tmp_path / "study/pair/heart.hdr",
    )
    cines = read_cines(tmp_path / "study")
    assert [cine.subject for cine in cines] == ["caps", "pair", "zipped"]
    for cine in cines:
        np.testing.assert_array_equal(cine.pixels, NOISE)
        assert (cine.spacing_mm, cine.frame_ms) == ((1.5, 1.25), 90)


def test_label_maps_are_known_by_words_of_their_names_and_by_content(tmp_path):
    for name in ("sub-01", "damask01", "segovia"):
        nifti(tmp_path / f"{name}.nii.gz")
    for name in ("sub-01_seg", "sub-01_label", "a_gt", "sub-01_dseg", "MaskLV", "roi_2"):
        nifti(tmp_path / f"{name}.nii.gz", NOISE % 3)
    nifti(tmp_path / "unnamed.nii.gz", NOISE % 3)
    nifti(tmp_path / "flat.nii.gz", NOISE % 3 * 300)
    found, reasons, lines = read(tmp_path)
    assert found == {"sub-01": 10, "damask01": 10, "segovia": 10, "flat": 10}
    assert reasons == ["is a label map by its content, 3 integers"]
    assert "and 5 more: label maps, by their names; not taken" in lines


@pytest.mark.parametrize(
    "shape, zooms, axis, said",
    [
        ((20, 24, 10), (1, 1, 8), None, "--time-axis 2"),
        ((20, 24, 10), (1, 1, 8), 2, 10),
        ((20, 24, 25, 1), (1, 1, 8, 1), None, 25),
        ((20, 24, 12, 1), (1, 1, 8, 1), None, "stack of 12 slices and no time"),
        ((20, 24, 25, 1), (1, 1, 1, 1), None, "stack of 25 slices"),  # voxels of a volume
        ((20, 24, 12, 1), (1, 1, 8, 1), 2, 12),
        ((20, 24, 30, 3), (1, 1, 8, 1), None, "stack of 3 slices; "),
        ((20, 24, 3, 30), (1, 1, 8, 1), None, "stack of 3 slices; "),
    ],
)
def test_time_is_an_axis_that_is_said_or_found_by_size(tmp_path, shape, zooms, axis, said):
    from gancmri_jax.cine.layouts.found import ReadOptions

    array = np.random.default_rng(0).integers(0, 999, shape, np.int16)
    image = nibabel.Nifti1Image(array, np.diag([*zooms[:3], 1]))
    image.header.set_zooms(zooms)
    nibabel.save(image, tmp_path / "a.nii.gz")
    found, reasons, _ = read(tmp_path, options=ReadOptions(time_axis=axis))
    if isinstance(said, int):
        assert found == {"a": said}
    else:
        assert not found and said in reasons[0]


def test_numbers_that_lost_their_zeros_are_matched_and_the_rest_is_named(tmp_path):
    for name in ("001", "002", "010", "x"):
        nifti(tmp_path / f"study/{name}/la_4ch.nii.gz", np.roll(NOISE, int(name, 36), 1))
    table = "subject,es_frame\n1,3\n2.0,4\n10,5\n77,6\n"
    (tmp_path / "study/phenotypes.csv").write_text(table)
    extras = []
    prepare(
        tmp_path / "study",
        tmp_path / "out",
        Options(size=8, keep_ids=True),
        on_refusal=print,
        on_extra=extras.append,
    )
    cines = {c.subject: c.es_frame for c in Records(tmp_path / "out", "train")}
    assert cines == {"001": 3, "002": 4, "010": 5, "x": None}
    said = "phenotypes: 1 rows match no subject (77); 1 subjects have no row (x)"
    assert [e.text for e in extras if "phenotypes" in getattr(e, "text", "")] == [said]
    assert {c.subject: c.es_frame for c in read_cines(tmp_path / "study")} == cines
    nifti(tmp_path / "study/01/la_4ch.nii.gz")  # and now 1 may be either
    assert {c.es_frame for c in read_cines(tmp_path / "study") if "1" in c.subject} == {None, 5}


def test_pictures_of_mixed_depths_are_refused_and_transparent_is_black(tmp_path):
    (tmp_path / "study/mixed").mkdir(parents=True)
    (tmp_path / "study/clear").mkdir()
    for i in range(10):
        kind = np.uint8 if i % 2 else np.uint16
        Image.fromarray(NOISE[i].astype(kind)).save(tmp_path / f"study/mixed/{i}.png")
        colours = np.full((8, 8, 4), 255, np.uint8)
        colours[:4, :, 3] = 0
        colours[4:, :, :3] = 20 * i
        Image.fromarray(colours).save(tmp_path / f"study/clear/{i}.png")
    found, reasons, _ = read(tmp_path / "study")
    assert found == {"clear": 10} and "8" in reasons[0] and "16" in reasons[0]
    (cine,) = read_cines(tmp_path / "study/clear")
    assert not cine.pixels[:, :4].any() and cine.pixels[9, 5, 0] == 180


def test_what_lies_in_a_subject_besides_its_cine_is_one_line_a_kind(tmp_path, dicoms):
    for i in range(30):
        (dicoms / f"{i}.txt").write_text("a report")
    nifti(dicoms / "copy.nii.gz")
    found, _, lines = read(dicoms)
    assert found == {"plain": 9}
    assert "0.txt and 29 more: files that hold no cine (.txt); not taken" in lines
    assert "copy.nii.gz: files of another kind than the cine beside them; not taken" in lines
    assert len(lines.splitlines()) == 2


def test_many_refusals_for_one_reason_are_one_line(tmp_path, dicoms):
    for i in range(30):
        (dicoms / f"torn{i}.dcm").write_bytes(b"torn")
    found, refused, _ = read(dicoms)
    assert found == {"plain": 9} and len(refused) == 1 and "as 29 more files here" in refused[0]
