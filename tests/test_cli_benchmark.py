import json

import pytest
from click.testing import CliRunner

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
    sizes = ["--size", "8", "--channel-base", "64", "--channel-max", "8", "--batch", "4"]
    options = [*sizes, "--rounds", "1", "--json", str(file)]
    printed = CliRunner().invoke(gancmri, ["benchmark", what, *options], catch_exceptions=False)
    report = json.loads(file.read_text())
    assert report["benchmark"] == what and report[unit] > 0
    assert report["matmul_gflops"] > 0 and report["settings"]["batch"] == 4
    assert f"{report['matmul_gflops']:.0f} GFLOP/s" in printed.output
    if what == "pipeline":
        assert report["gflops"] is None and report["fraction"] is None
    else:
        assert report["fraction"] == pytest.approx(report["gflops"] / report["matmul_gflops"])


def test_a_size_no_network_has_is_refused():
    result = CliRunner().invoke(gancmri, ["benchmark", "synthesis", "--size", "100"])
    assert result.exit_code == 2 and "power of two" in result.output
