"""Operations that the algorithms need, in GFLOP: two for each multiply and add of a convolution.

Filters, noise and activations are not counted, so they only lower what a benchmark reaches.
"""

from gancmri_jax.networks.generator import Generator
from gancmri_jax.networks.layers import block_resolutions, num_channels

# Shares of the rate of matrix products that two CPU cores reach: docs/benchmarks.md.
SHARES = {"training": 0.58, "projection": 0.7, "rendering": 0.61}
LPIPS_GFLOP = 80 / 256**2  # a pixel's, forth and back


def conv_gflop(side: int, fan_in: int, features: int, size: int = 3) -> float:
    """Count a convolution applied at side² places."""
    return 2 * side**2 * size**2 * fan_in * features / 1e9


def synthesis_gflop(generator: Generator) -> float:
    """Count one image of the synthesis network: 90 GFLOP for config-f at 256²."""
    total, previous = 0.0, 0
    for res in block_resolutions(generator.resolution):
        width = num_channels(res, generator.channel_base, generator.channel_max)
        if previous:  # the transposed convolution has a product for each pixel that goes in
            total += conv_gflop(res // 2, previous, width)
        total += conv_gflop(res, width, width)
        total += conv_gflop(res, width, generator.img_channels, size=1)
        previous = width
    return total


def discriminator_gflop(resolution: int, channel_base: int, channel_max: int) -> float:
    """Count the logit of one grey image."""

    def width(res: int) -> int:
        return num_channels(res, channel_base, channel_max)

    total = conv_gflop(resolution, 1, width(resolution), size=1)
    for res in block_resolutions(resolution)[1:]:
        total += conv_gflop(res, width(res), width(res))
        total += conv_gflop(res // 2, width(res), width(res // 2))
        total += conv_gflop(res // 2, width(res), width(res // 2), size=1)
    total += conv_gflop(4, width(4) + 1, width(4))
    return total + 2 * (16 * width(4) + 1) * width(4) / 1e9


def training_gflop(
    synthesis: float, discriminator: float, g_reg_interval: int, d_reg_interval: int
) -> float:
    """Count a training step for one image of its batch, lazy regularisation amortised.

    In units of a network's forward pass, and where a gradient by inputs and one by parameters cost
    one each: the generator's step 3 G + 2 D; the discriminator's G + 6 D; R1, whose penalty's own
    gradient goes back through both passes, 6 D; path length, on half a batch, 6 G.
    """
    steps = 4 * synthesis + 8 * discriminator
    return steps + 6 * discriminator / d_reg_interval + 3 * synthesis / g_reg_interval
