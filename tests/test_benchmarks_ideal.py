import pytest

from gancmri_jax.benchmarks.ideal import discriminator_gflop, synthesis_gflop, training_gflop
from gancmri_jax.networks.generator import Generator


def test_operations_by_hand():
    """8² with 2 channels throughout: 4² conv, 4² up, 8² conv, and two 1×1 to grey."""
    generator = Generator(resolution=8, channel_base=64, channel_max=2)
    products = 16 * 9 * 4 + 16 * 9 * 4 + 64 * 9 * 4 + 16 * 2 + 64 * 2
    assert synthesis_gflop(generator) == pytest.approx(2 * products / 1e9)
    # From grey, 8² conv, down, skip, 4² conv with the deviation's map, two dense layers.
    products = 64 * 2 + 64 * 9 * 4 + 16 * 9 * 4 + 16 * 4 + 16 * 9 * 6 + 32 * 2 + 2
    assert discriminator_gflop(8, 64, 2) == pytest.approx(2 * products / 1e9)


def test_the_papers_size_and_the_training_benchmark():
    """Config-f renders an image of 256² in 90 GFLOP; training at 64² takes 3.19 an image."""
    assert synthesis_gflop(Generator()) == pytest.approx(90.2, abs=0.1)
    synthesis = synthesis_gflop(Generator(resolution=64, channel_base=2048, channel_max=64))
    discriminator = discriminator_gflop(64, 2048, 64)
    assert training_gflop(synthesis, discriminator, 4, 16) == pytest.approx(3.19, abs=0.005)
