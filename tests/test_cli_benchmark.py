import json

import pytest
from click.testing import CliRunner

from gancmri_jax.benchmarks.study import computed_hours
from gancmri_jax.cli.main import gancmri


@pytest.mark.slow
@pytest.mark.parametrize(
    "what, unit",
    [
        ("synthesis", "videos_per_second"),
        ("projection", "frame_steps_per_second"),
        ("training", "images_per_second"),
        ("pipeline", "images_per_second"),
    ],
)
def test_each_benchmark_reports_its_rate_beside_the_ceiling(tmp_path, what, unit):
    file = tmp_path / "report.json"
    sizes = ["--size", "8"]
    if what != "pipeline":
        sizes += ["--channel-base", "64", "--channel-max", "8"]
    options = [*sizes, "--batch", "4", "--rounds", "1", "--json", str(file)]
    printed = CliRunner().invoke(gancmri, ["benchmark", what, *options], catch_exceptions=False)
    report = json.loads(file.read_text())
    assert report["benchmark"] == what and report[unit] > 0
    assert report["matmul_gflops"] > 0 and report["settings"]["batch"] == 4
    assert f"{report['matmul_gflops']:.0f} GFLOP/s" in printed.output
    if what == "pipeline":
        assert report["gflops"] is None and report["fraction"] is None
    else:
        assert report["fraction"] == pytest.approx(report["gflops"] / report["matmul_gflops"])


@pytest.mark.slow
def test_features_are_counted_and_timed(tmp_path):
    file = tmp_path / "report.json"
    options = ["--network", "lpips", "--size", "16", "--batch", "2", "--rounds", "1"]
    CliRunner().invoke(
        gancmri, ["benchmark", "features", *options, "--json", str(file)], catch_exceptions=False
    )
    report = json.loads(file.read_text())
    assert report["benchmark"] == "features of lpips" and report["fraction"] > 0
    # VGG16's 13 convolutions at 16² to 1², the first of them over one channel and its shift.
    widths = [(16, 2, 64), (16, 64, 64), (8, 64, 128), (8, 128, 128), (4, 128, 256)]
    widths += [(4, 256, 256)] * 2 + [(2, 256, 512)] + [(2, 512, 512)] * 2 + [(1, 512, 512)] * 3
    ideal = 2 * 2 * 9 * sum(side**2 * i * o for side, i, o in widths) / 1e9
    assert report["gflops"] * report["seconds"] == pytest.approx(ideal, rel=0.02)


@pytest.mark.slow
def test_compilation_tells_of_each_program_and_the_state(tmp_path):
    file = tmp_path / "report.json"
    sizes = ["--size", "8", "--channel-base", "64", "--channel-max", "8", "--batch", "4"]
    printed = CliRunner().invoke(
        gancmri, ["benchmark", "compilation", *sizes, "--json", str(file)], catch_exceptions=False
    )
    report = json.loads(file.read_text())
    programs = ["plain", "path length", "R1", "both"]
    assert list(report["seconds"]) == list(report["temporary_gib"]) == programs
    temporary = report["temporary_gib"]
    assert temporary["path length"] >= temporary["plain"] > 0 and temporary["both"] > 0
    # The mapping's two layers alone are held four times: parameters, average, Adam's moments.
    assert report["state_gib"] * 2**30 > 4 * (4 * 2 * 512**2) and not report["settings"]["remat"]
    assert f"{report['state_gib']:.3g} GiB of state" in printed.output


def test_a_size_no_network_has_is_refused():
    result = CliRunner().invoke(gancmri, ["benchmark", "synthesis", "--size", "100"])
    assert result.exit_code == 2 and "power of two" in result.output


def test_a_study_needs_no_options_of_networks():
    for words in (["study", "--batch", "4"], ["synthesis", "--subjects", "9"]):
        result = CliRunner().invoke(gancmri, ["benchmark", *words])
        assert result.exit_code == 2 and words[1] in result.output


def test_computed_hours_are_operations_over_rates():
    hours = {each.name: each for each in computed_hours(45_531)}
    project = hours["project"]
    # 2,276,550 frames, 1,000 steps of 260 GFLOP each.
    assert project.exaflop == pytest.approx(2_276_550 * 1000 * 260 / 1e9, rel=0.01)
    assert project.h200 == pytest.approx(project.exaflop * 1e9 / (989e3 * 0.7) / 3600)
    assert project.node == pytest.approx(project.exaflop * 1e9 / (64 * 80 * 0.7) / 3600)
    assert hours["train"].exaflop == pytest.approx(30.2, rel=0.01)  # as ukbb256 says
    assert hours["segment"].exaflop == pytest.approx(2_276_550 * 206 / 50 / 1e9, rel=0.02)


@pytest.mark.slow
def test_a_small_study_is_measured_stage_by_stage(tmp_path):
    file = tmp_path / "report.json"
    words = ["study", "--subjects", "60", "--size", "16", "--json", str(file)]
    printed = CliRunner().invoke(gancmri, ["benchmark", *words], catch_exceptions=False)
    report = json.loads(file.read_text())
    stages = {stage["name"]: stage for stage in report["stages"]}
    assert all(
        stage["seconds"] > 0 and stage["cpu_seconds"] > 0 and stage["peak_gib"] > 0.05
        for stage in stages.values()
    )
    assert stages["records"]["subjects"] == 40 and stages["fit"]["subjects"] == 60
    assert "(extrapolated from 40)" in printed.output
    codes = 60 * 50 * 512 * 2 / 1e6
    assert stages["write and pack codes"]["megabytes"] == pytest.approx(codes, rel=0.3)
