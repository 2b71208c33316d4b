import pytest
from click.testing import CliRunner

from gancmri_jax.benchmarks.chips import CHIPS, parse_target
from gancmri_jax.cli.main import gancmri
from gancmri_jax.errors import InputError


def test_a_target_is_a_chip_and_how_many():
    assert parse_target("tpu:v5e:2x2") == (CHIPS["v5e"], "2x2")
    assert parse_target("cuda:h200:4") == (CHIPS["h200"], "4")
    assert CHIPS["h200"].memory_gib == pytest.approx(131.3, abs=0.1)  # 141 GB


@pytest.mark.parametrize(
    "target", ["tpu:v5e", "tpu:h200:4", "cuda:h300:4", "v5e", "", "cuda:h200:2x2", "cuda:h200:0"]
)
def test_other_targets_are_refused(target):
    with pytest.raises(InputError, match="--target"):
        parse_target(target)


@pytest.mark.parametrize(
    "words, said",
    [
        (["training", "--target", "tpu:v5e:2x2"], "--target needs `benchmark compilation`"),
        (["training", "--config", "ukbb256"], "--config needs --target"),
        (["training", "--minutes", "3"], "--minutes needs `benchmark all`"),
        (["all", "--out", "x"], "needs --model and --out"),
        (["all", "--model", "x", "--out", "x", "--remat"], "--remat has no effect with all"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(words, said):
    result = CliRunner().invoke(gancmri, ["benchmark", *words])
    assert result.exit_code == 2 and said in result.output
