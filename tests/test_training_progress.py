import dataclasses
import json
import struct

import imageio.v3 as iio
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.cine.records import Records, write_records
from gancmri_jax.cine.video_file import tile
from gancmri_jax.metrics.table import METRICS
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.model.motion import LearnedMotion
from gancmri_jax.training import progress as progress_module
from gancmri_jax.training.encoder import score
from gancmri_jax.training.progress import Progress, real_frames
from tests.tiny import tiny_config, tiny_model
from tests.tiny_encoder import encoding_model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    cines = [
        Cine(rng.integers(0, 256, (20, 16, 16), np.uint8), (1.5, 1.5), 30.0, f"s{i}")
        for i in range(3)
    ]
    out = tmp_path_factory.mktemp("data") / "records"
    write_records(out, {"train": cines})
    return out


def test_real_frames_are_drawn_once_each(data):
    frames = real_frames(data, 60, seed=0)
    assert len({frame.tobytes() for frame in frames}) == 60
    some = real_frames(data, 7, seed=1)
    np.testing.assert_array_equal(some, real_frames(data, 7, seed=1))
    assert {f.tobytes() for f in some} < {f.tobytes() for f in frames}
    assert len(real_frames(data, 1000, seed=0)) == 60


@pytest.mark.slow
def test_a_snapshot_is_measured_and_the_best_is_kept(data, tmp_path, monkeypatch):
    distances = iter([5.0, 3.0, 4.0])

    made_up = dataclasses.replace(METRICS["fcn_fd"], function=lambda *_: next(distances))
    monkeypatch.setitem(METRICS, "fcn_fd", made_up)
    (tmp_path / "samples").mkdir()
    config = tiny_config(distance_frames=30, ada_target=0.6)
    models = [tiny_model(seed) for seed in range(3)]
    for start in (0, 2):  # the third snapshot is of a resumed run
        progress = Progress(config, tmp_path, data)
        progress.start(start, 3)
        for step in range(start, min(start + 2, 3)):
            progress.snapshot(models[step], step + 1)
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["fcn_fd30"] for line in lines] == [5.0, 3.0, 4.0]
    assert all(line["leak"] > 0 for line in lines)
    best, last = (load_model(tmp_path / f"model{end}.safetensors") for end in ("_best", ""))
    assert best.fingerprint == models[1].fingerprint
    assert last.fingerprint == models[2].fingerprint
    assert best.card["distances"] == {"fcn_fd30": 3.0}
    again = Progress(config, tmp_path, data)
    again.start(3, 3)  # a finished run, called again, leaves what it left
    again.leave(models[2])
    for left in (last, load_model(tmp_path / "model.safetensors")):
        assert left.card["distances"] == {"fcn_fd30": 4.0}


def test_a_real_snapshot_has_a_distance(data, tmp_path):
    (tmp_path / "samples").mkdir()
    progress = Progress(tiny_config(distance_frames=8), tmp_path, data)
    progress.start(0, 1)
    progress.snapshot(tiny_model(), 1)
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["fcn_fd8"] > 0


@pytest.mark.slow
def test_an_encoder_is_scored_on_frames_that_it_has_not_seen(data, tmp_path, monkeypatch):
    monkeypatch.setattr(progress_module, "_SCORED", 9)  # fewer than videos have frames
    rng = np.random.default_rng(1)
    others = [Cine(rng.integers(0, 256, (20, 16, 16), np.uint8), (1.5, 1.5), 30.0, "other")]
    both = tmp_path / "records"
    write_records(both, {"train": Records(data, "train")[:], "validation": others})
    (tmp_path / "samples").mkdir()
    model, config = (
        encoding_model(),
        tiny_config(resolution=16, distance_frames=8, inversion_learning_rate=0.002),
    )
    for source, splits in ((both, {"train", "validation"}), (data, {"train"})):
        progress = Progress(config, tmp_path, source)
        progress.start(0, 1)
        progress.snapshot(model, 1)
        (line,) = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
        told = {key.removeprefix("inversion/ssim9_") for key in line if "ssim" in key}
        assert told == splits
        card = load_model(tmp_path / "model.safetensors").encoder.card
        unseen = real_frames(source, 9, config.seed, "validation") if source == both else None
        assert card.get("held_back", {}) == (
            {} if unseen is None else {"validation": score(model, unseen)}
        )
        first = {frames.pixels[0].tobytes() for frames in others}
        assert unseen is None or not {frame.tobytes() for frame in unseen} <= first


def test_a_run_from_a_model_that_moves_leaves_strips_of_beating_hearts(data, tmp_path):
    model = tiny_model()
    save_model(model, tmp_path / "start.safetensors")
    (tmp_path / "samples").mkdir()
    config = tiny_config(init_from=str(tmp_path / "start.safetensors"), resolution=16)
    progress = Progress(config, tmp_path, data)
    progress.start(0, 1)
    still = dataclasses.replace(model, motion=LearnedMotion(), directions={})
    progress.snapshot(still, 250)
    strip = iio.imread(tmp_path / "samples" / "000001kimg_motion.png")
    assert strip.shape == (4 * 16, 10 * 16)
    np.testing.assert_array_equal(
        strip[16:32], tile(to_uint8(model.video(1, num_frames=10)[..., 0]), 10)
    )
    assert not load_model(tmp_path / "model.safetensors").motion.names


def events_of(path):
    """Read a file of records: length in 8 bytes, its checksum in 4, the record, its checksum."""
    rest = path.read_bytes()
    while rest:
        (length,) = struct.unpack_from("<Q", rest)
        yield Event.FromString(rest[12 : 12 + length])
        rest = rest[16 + length :]


def test_tensorboard_is_told_what_the_file_is(data, tmp_path):
    (tmp_path / "samples").mkdir()
    for start in (0, 4):
        progress = Progress(tiny_config(distance_frames=8), tmp_path, data, tensorboard=True)
        progress.start(start, 8)
        progress.report({"step": start + 2, "images_per_second": 1.0, "loss/g": 0.5 + start})
        progress.snapshot(tiny_model(), start + 4)
        progress.close()
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    told = {}
    for path in sorted((tmp_path / "tensorboard").iterdir()):
        for event in events_of(path):
            for value in event.summary.value:
                told.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert told["loss/g"] == [(2, 0.5), (6, 4.5)]
    distances = [(x["step"], pytest.approx(x["fcn_fd8"])) for x in lines if "fcn_fd8" in x]
    assert told["fcn_fd8"] == distances and len(distances) == 2
    assert [step for step, _ in told["samples"]] == [4, 8]
