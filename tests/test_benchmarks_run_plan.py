import dataclasses

import numpy as np
import pytest

from gancmri_jax.benchmarks import run_plan
from gancmri_jax.benchmarks.run_plan import (
    Sizes,
    Timing,
    count_sizes,
    equivalent_steps,
    kinds_of_steps,
    list_stages,
    make_plan,
    planned_settings,
    step_gflop,
)
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.records import write_records
from gancmri_jax.experiments.run import Origin, RunOptions
from gancmri_jax.training.config import read_config
from tests.tiny import tiny_config, tiny_model

OPTIONS = RunOptions(beats=2, pairs=3, steps=100, distance="multiscale_pixel", videos=4, frames=10)
SIZES = Sizes({"train": 8, "validation": 1, "test": 1}, 20, 36.0)


def stages_of(origin, sizes=SIZES, options=OPTIONS):
    settings = planned_settings(origin, tiny_model(), options)
    seconds = Timing(3.6), Timing(0.01), Timing(5.0, computed=True)
    return {s.name: s for s in list_stages(origin, options, sizes, settings, *seconds)}


def test_hours_follow_from_sizes_and_seconds():
    config = tiny_config(g_reg_interval=10**6, d_reg_interval=10**6, total_kimg=4.0)
    stages = stages_of(Origin(8, config=config))
    assert stages["records"].hours == 36 / 3600
    extra = equivalent_steps(config) - 1000  # the first step has both regularisers
    assert 0 < extra < 2
    assert stages["train"].hours == pytest.approx((1000 + extra) * 3.6 / 3600)
    assert stages["beats"].hours == pytest.approx(2 * 20 * 100 * 0.01 / 3600)
    assert stages["beats"].what == "40 frames, 100 steps each"
    assert stages["pairs"].hours == pytest.approx(2 * 3 * 100 * 0.01 / 3600)
    assert stages["synthesize"].hours == pytest.approx(8 * 5 / 3600)
    assert stages["metrics"].what == "10 frames and 1 videos of each set"


def test_a_model_that_is_there_is_not_trained():
    stages = stages_of(Origin(16, "tiny", tiny_model()), Sizes({"train": 2}, 20, 0.0))
    assert "train" not in stages and "pairs" not in stages  # two videos are both beats


def test_steps_of_a_projection_depend_on_where_it_begins():
    options = dataclasses.replace(OPTIONS, steps=None)
    trained_along = Origin(64, config=read_config("phantom64"))
    assert planned_settings(trained_along, tiny_model(), options).num_steps == 100
    alone = Origin(8, config=tiny_config())
    assert planned_settings(alone, tiny_model(), options).num_steps == 1000


def test_every_kind_of_step_is_counted():
    config = read_config("phantom64")
    kinds = kinds_of_steps(config)
    assert sum(kinds.values()) == 22_500  # 180 kimg in batches of 8
    by_inversion = [n for kind, n in kinds.items() if not dict(kind)["train_d"]]
    assert by_inversion == [7500]  # 60 kimg
    whole = dict(train_g=True, train_d=True, regularize_g=False, regularize_d=False, invert=True)
    alone = whole | dict(train_g=False, train_d=False)
    assert step_gflop(config, **alone) < step_gflop(config, **whole) / 2
    assert 15_000 < equivalent_steps(config) < 25_000


def test_cines_and_records_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "cines").mkdir()
    for i in range(12):
        frames = rng.integers(0, 1000, (5, 12, 12), dtype=np.int16)
        write_nifti(tmp_path / f"cines/p{i}.nii.gz", frames, (1.5, 1.5), 200.0)
    sizes = count_sizes(tmp_path / "cines", 8, None)
    assert sizes.videos == {"train": 10, "validation": 1, "test": 1} and sizes.frames == 5
    assert sizes.read_s > 0
    pixels = rng.integers(0, 256, (3, 7, 8, 8)).astype(np.uint8)
    cines = [Cine(p, (9.0, 9.0), 30.0, f"s{i}") for i, p in enumerate(pixels)]
    write_records(tmp_path / "records", {"train": cines[:2], "test": cines[2:]})
    assert count_sizes(tmp_path / "records", 8, None) == Sizes({"train": 2, "test": 1}, 7, 0.0)


def test_a_plan_is_printed_and_leaves_nothing(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 7, 8, 8)).astype(np.uint8)
    cines = [Cine(p, (9.0, 9.0), 30.0, f"s{i}") for i, p in enumerate(pixels)]
    write_records(tmp_path / "records", {"train": cines})
    for name in ("time_training_step", "time_projection_step", "time_video"):
        monkeypatch.setattr(run_plan, name, lambda *_: Timing(3.6))
    monkeypatch.setattr(run_plan, "matmul_gflops", lambda: 100.0)
    out = tmp_path / "study"
    plan = make_plan(tmp_path / "records", out, config=tiny_config(), options=OPTIONS)
    assert not out.exists()
    said = str(plan).splitlines()
    assert [line.split()[0] for line in said] == [
        *("records", "train", "beats", "pairs", "fit", "synthesize", "metrics", "memorisation"),
        *("total", "measured"),
    ]
    assert plan.as_json()["hours"] == pytest.approx(sum(s.hours for s in plan.stages))
    (out / "stages").mkdir(parents=True)
    (out / "stages" / "train.json").write_text("{}")
    again = make_plan(tmp_path / "records", out, config=tiny_config(), options=OPTIONS)
    trained = {stage.name: stage for stage in again.stages}["train"]
    assert trained.hours == 0 and trained.what.endswith("(done)")


@pytest.mark.slow
def test_what_is_measured_takes_time_and_what_is_too_much_is_computed():
    model = dataclasses.replace(tiny_model(resolution=8), segmenter=None)
    settings = planned_settings(Origin(8, "tiny", model), model, OPTIONS)
    for timing in (
        run_plan.time_training_step(tiny_config(), 100.0),
        run_plan.time_projection_step(model, settings, 100.0),
        run_plan.time_video(model, 100.0),
    ):
        assert 0 < timing.seconds < 10 and not timing.computed
    paper = read_config("ukbb256")
    computed = run_plan.time_training_step(paper, 100.0)
    assert computed.computed
    # A batch of 32; of 1,207 GFLOP an image, 6/16 D + 3/4 G are regularisers (D 93, G 90).
    assert computed.seconds == pytest.approx(32 * (1207 - 102) / (100 * 0.58), rel=0.01)
    assert run_plan.matmul_gflops() > 0
