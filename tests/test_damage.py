"""Files that are damaged at random: what is read is what was written, or one line says no.

Each kind is written once, and a copy of it damaged again and again: bits flipped, files cut short,
emptied or deleted. Kinds that carry checksums never give other values. The others (uncompressed
NIfTI, DICOM, GIF, MP4, text) cannot know of every flipped bit, and never end in a traceback.
"""

import dataclasses
import shutil
from collections.abc import Callable

import jax
import nibabel
import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.dicom_write import write_dicom
from gancmri_jax.cine.nifti import read_nifti, write_nifti
from gancmri_jax.cine.pictures import read_pngs, read_video
from gancmri_jax.cine.read import read_cines
from gancmri_jax.cine.records import Records, record_splits, write_records
from gancmri_jax.cine.staging import Staged, read_staged
from gancmri_jax.cine.video_file import write_gif, write_mp4
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.journal import Journal
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.model.segmenter import load_segmenter, save_segmenter, to_tensors
from gancmri_jax.projection.store import (
    LatentStore,
    Video,
    VideoCodes,
    read_latents,
    read_noise,
    read_quality,
)
from gancmri_jax.runs.checkpoint import Checkpoints
from gancmri_jax.runs.curves import read_run
from gancmri_jax.runs.writer import MetricsFile, pin_config
from tests.test_cine_records import make_cines
from tests.test_runs_checkpoint import make_state
from tests.tiny import tiny_config, tiny_model
from tests.tiny_segmenter import tiny_segmenter

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 24, 24), np.uint8)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        write: Writes it into a folder.
        read: Returns all that it holds.
        trials: How often it is damaged.
        checked: It carries checksums.
        older: Also returns what may come instead: of two checkpoints, the one before.
        loses: Files may be deleted too; nobody knows how many pictures a folder had.
    """

    write: Callable
    read: Callable
    trials: int = 40
    checked: bool = True
    older: Callable | None = None
    loses: bool = True


def write_nifti_plain(folder):
    image = nibabel.Nifti1Image(PIXELS.transpose(2, 1, 0)[:, :, None], np.diag([-1.5, -1.5, 8, 1]))
    nibabel.save(image, folder / "a.nii")


def write_pair(folder):
    image = nibabel.Nifti1Pair(PIXELS.transpose(2, 1, 0)[:, :, None], np.diag([-1.5, -1.5, 8, 1]))
    nibabel.save(image, folder / "a.img.gz")


def write_pngs(folder):
    for index, frame in enumerate(PIXELS):
        Image.fromarray(frame).save(folder / f"{index}.png")


def read_cine(read):
    def read_all(folder):
        cine = read(folder)
        return cine.pixels, cine.spacing_mm, cine.frame_ms or 0.0

    return read_all


def read_folder(folder):
    (cine,) = read_cines(folder)
    return cine


def write_a_dicom(folder):
    write_dicom(folder / "a.dcm", Cine(PIXELS, (1.5, 1.25), 30.0, "s"))


def read_records(folder):
    splits = record_splits(folder / "records")
    return [
        (cine.pixels, cine.spacing_mm, cine.frame_ms or 0.0, cine.subject, cine.ed_frame)
        for split in splits
        for cine in Records(folder / "records", split)
    ]


def write_store(folder):
    videos = [Video(f"s{i}", 3, 0, 1 + i, "records") for i in range(2)]
    store = LatentStore.open(folder / "z", videos, (2, 4), [4, 8], {"model": "m"}, 2)
    rng = np.random.default_rng(0)
    for video in range(2):
        noise = tuple(rng.normal(size=(3, size, size)).astype(np.float16) for size in (4, 8))
        ws = rng.normal(size=(3, 2, 4)).astype(np.float32)
        distances = np.array([0.5, 0.25, np.nan], np.float32)
        store.write(
            video,
            [0, 1, 2],
            VideoCodes(ws, noise, distances, np.arange(3), rng.normal(size=(3, 2))),
        )
    store.flag_far(None)


def read_store(folder):
    codes, provenance = read_latents(folder / "z")
    quality = read_quality(folder / "z")
    arrays = [codes.ws, codes.valid, codes.distances, codes.num_frames, codes.es_frame]
    noise = [read_noise(folder / "z", video) for video in range(len(codes.subjects))]
    said = (codes.subjects, provenance, quality.flagged_above)
    return arrays, said, (quality.steps, quality.curve, quality.flags), noise


def write_checkpoints(folder):
    with Checkpoints(folder / "checkpoints") as checkpoints:
        for step in (1, 2):
            checkpoints.save(make_state(step), {"next_index": 10 * step})


def read_checkpoints(folder):
    with Checkpoints(folder / "checkpoints") as checkpoints:
        loaded = checkpoints.load_latest(make_state(0))
    return None if loaded is None else jax.tree.leaves(loaded)


def read_checkpoints_before(_):
    return jax.tree.leaves((make_state(1), {"next_index": 10}))


def read_model(folder):
    model = load_model(folder / "m.safetensors")
    return jax.tree.leaves((model.params, model.noise, model.w_avg, model.directions)), model.card


def write_staged(folder):
    said = np.frombuffer(
        b'{"staged": [[{"subject": "s"}, {"frames": 4}]], "refused": [], "not_taken": []}', np.uint8
    )
    np.savez(folder / "a.npz", frames_0=PIXELS, said=said)


def read_a_staged(folder):
    ((staged, *_), _, _) = read_staged(folder / "a.npz")
    assert isinstance(staged, Staged)
    return staged.pixels(), staged.fields, staged.summary


def write_stages(folder):
    Journal(folder, {"seed": 1}).stage("a", lambda: {"value": 0.125, "name": "x"}, str)


def read_stages(folder):
    result = Journal(folder, {"seed": 1}).stage("a", lambda: {"value": 0.125, "name": "x"}, str)
    return result["value"], result["name"]


def write_run(folder):
    pin_config(folder, tiny_config(), "records")
    file = MetricsFile(folder / "metrics.jsonl", 0)
    for step in range(1, 5):
        file.append({"step": step, "kimg": step / 10, "loss/g": 1.5})


def read_a_run(folder):
    pin_config(folder, tiny_config(), "records")
    lines = read_run(folder)
    MetricsFile(folder / "metrics.jsonl", 2)
    return lines


KINDS = {
    "nifti.gz": Kind(
        lambda f: write_nifti(f / "a.nii.gz", PIXELS, (1.5, 1.25), 30.0),
        read_cine(lambda f: read_nifti(f / "a.nii.gz", "s")),
        trials=200,
    ),
    "nifti pair, gzipped": Kind(
        write_pair, read_cine(lambda f: read_nifti(f / "a.hdr.gz", "s")), 100
    ),
    "PNGs": Kind(write_pngs, read_cine(lambda f: read_pngs(f, "s")), 200, loses=False),
    "records": Kind(
        lambda f: write_records(f / "records", {"train": make_cines(3), "test": make_cines(1)}),
        read_records,
    ),
    "latent store": Kind(write_store, read_store, trials=25),
    "checkpoints": Kind(
        write_checkpoints, read_checkpoints, trials=12, older=read_checkpoints_before
    ),
    "model": Kind(lambda f: save_model(tiny_model(), f / "m.safetensors"), read_model, 40),
    "segmenter": Kind(
        lambda f: save_segmenter(tiny_segmenter(), f / "s.safetensors"),
        lambda f: jax.tree.leaves(to_tensors(load_segmenter(f / "s.safetensors"))),
        8,
    ),
    "staged subject": Kind(write_staged, read_a_staged, 200),
    "stages": Kind(write_stages, read_stages, 100),
    "nifti": Kind(
        write_nifti_plain, read_cine(lambda f: read_nifti(f / "a.nii", "s")), 200, checked=False
    ),
    "DICOM": Kind(write_a_dicom, read_cine(read_folder), 60, checked=False),
    "GIF": Kind(
        lambda f: write_gif(f / "a.gif", PIXELS, 30.0),
        read_cine(lambda f: read_video(f / "a.gif", "s")),
        60,
        checked=False,
    ),
    "MP4": Kind(
        lambda f: write_mp4(f / "a.mp4", PIXELS, 30.0),
        read_cine(lambda f: read_video(f / "a.mp4", "s")),
        40,
        checked=False,
    ),
    "a run's text": Kind(write_run, read_a_run, 100, checked=False),
}


def damage(folder, rng, loses):
    """Damage one file of a folder, and say how."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[rng.integers(len(files))]
    content = bytearray(path.read_bytes())
    how = rng.choice(["flip", "flip", "flip", "cut", "empty", "delete" if loses else "flip"])
    if how == "delete":
        path.unlink()
    elif how == "empty" or not content:
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: rng.integers(len(content))])
    else:
        at = int(rng.integers(len(content)))
        content[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
    return f"{how} {path.relative_to(folder)}"


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_known_or_harmless(name, tmp_path):
    kind = KINDS[name]
    (tmp_path / "whole").mkdir()
    kind.write(tmp_path / "whole")
    held = kind.read(shutil.copytree(tmp_path / "whole", tmp_path / "first"))
    allowed = [held] + ([kind.older(None)] if kind.older else [])
    rng = np.random.default_rng(sum(name.encode()))
    refused = 0
    for trial in range(kind.trials):
        folder = shutil.copytree(tmp_path / "whole", tmp_path / str(trial))
        said = damage(folder, rng, kind.loses)
        try:
            found = kind.read(folder)
        except (InputError, OSError) as error:
            assert "\n" not in str(error), said
            refused += 1
        else:
            assert not kind.checked or any(same(found, value) for value in allowed), said
        shutil.rmtree(folder)
    assert refused > kind.trials / 4 or name in ("checkpoints", "MP4", "GIF")


def same(one, other):
    """Compare two trees of arrays, numbers and texts, bit for bit."""
    leaves, structure = jax.tree.flatten(one)
    others, structure_other = jax.tree.flatten(other)
    return structure == structure_other and all(
        np.asarray(a).shape == np.asarray(b).shape
        and np.asarray(a).dtype == np.asarray(b).dtype
        and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(leaves, others, strict=True)
    )
