"""Programs for accelerators that are not here, where JAX's plugins for them are installed.

Marked `ahead`: `make test-matrix` runs them, `make test` and `make test-slow` do not.
"""

import jax
import pytest

from gancmri_jax.benchmarks.ahead import HEAD, Ahead, Compiled, compile_ahead
from gancmri_jax.benchmarks.chips import CHIPS, devices_of, prepare_environment
from gancmri_jax.benchmarks.programs import PROGRAMS, programs
from gancmri_jax.errors import InputError
from gancmri_jax.model.mesh import data_mesh
from gancmri_jax.training.config import read_config


def small_config():
    config = read_config("ukbb256")
    with config.unlocked():
        config.update(resolution=16, channel_base=128, channel_max=16, batch_size=16)
        config.update(mapping_layers=2)
    return config


@pytest.fixture(scope="module", params=["tpu:v5e:2x2", "cuda:h200:4"])
def found(request):
    prepare_environment()
    try:
        devices_of(request.param)
    except InputError as error:
        pytest.skip(str(error))
    return compile_ahead(request.param, small_config(), "ukbb256 at 16²")


@pytest.mark.ahead
def test_all_programs_compile(found):
    assert [each.name for each in found.programs] == list(PROGRAMS)
    assert found.chips == 4


@pytest.mark.ahead
def test_chips_only_reduce_and_never_call_back(found):
    for each in found.programs:
        # R1's second derivative gathers the augmentation's indices and masks, and no pixels.
        gathered = each.collectives.get("all-gather", 0)
        assert set(each.collectives) <= {"all-reduce", "all-gather"}, each
        assert gathered <= (2 if each.name == "R1" else 0), each
        assert each.callbacks == 0, each
    trained = {each.name: each for each in found.programs}
    assert all(trained[name].collectives for name in ("G", "path length", "D", "R1"))
    assert not any(trained[name].collectives for name in ("synthesis", "segmentation", "features"))
    # The chip's own random numbers, not JAX's default ones, share a key.
    assert set(trained["projection"].reduced) <= {"u32"}


@pytest.mark.ahead
def test_convolutions_of_training_are_bfloat16_but_at_the_discriminators_end(found):
    for each in found.programs:
        if each.name not in ("segmentation", "features"):
            assert all(side <= 4 for side in each.float32_sides), each


@pytest.mark.ahead
def test_kernel_gradients_are_reduced_in_float32_on_tpus(found):
    trained = {each.name: each for each in found.programs}
    assert "f32" in trained["D"].reduced


@pytest.mark.ahead
def test_memory_is_below_a_gib(found):
    """Features take the most: 64 frames of 299² a chip."""
    for each in found.programs:
        assert each.memory_gib < (4 if each.name == "features" else 1), each


def test_every_program_is_traced_with_its_ideal():
    """On CPU devices: for any mesh the programs are the same."""
    mesh = data_mesh(jax.devices()[:1])
    traced = programs(small_config(), mesh)
    first = next(traced)
    assert first.name == "G" and first.gflop > 0 and first.what == "a batch of 16"


def test_a_table_has_a_row_for_a_program():
    one = Compiled(
        name="G",
        what="a batch of 32",
        memory_gib=2.5,
        gflop=2010.0,
        ideal_gflop=2000.0,
        gbytes=40.0,
        collectives={"all-reduce": 3},
        reduced=["f32"],
        float32_sides=[4, 4],
        gathers=2,
        callbacks=0,
        estimated_ms=12.5,
        compile_s=60.0,
    )
    said = str(Ahead("tpu:v5e:2x2", CHIPS["v5e"], 4, "ukbb256", [one])).splitlines()
    assert "4 × TPU v5e" in said[0] and "estimates" in said[0]
    assert said[1].count("|") == len(HEAD) + 1
    assert said[3] == "| G | 2.50 | 2,010 | 1.005 | 40.0 | 3 all-reduce | 2 (4²) | 2 | 0 | 12.50 |"
