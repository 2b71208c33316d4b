"""The residual trunk of StyleGAN2's discriminator (Karras et al. 2020, figure 7c), image → 4²."""

from jax.typing import DTypeLike
from jaxtyping import Array, Float

from gancmri_jax.networks.layers import (
    Conv,
    at_least_float32,
    block_resolutions,
    clamp,
    num_channels,
)
from gancmri_jax.ops.activation import leaky_relu


def residual_trunk(
    images: Float[Array, "n h w c"],
    *,
    resolution: int,
    rgb_size: int,
    channel_base: int,
    channel_max: int,
    dtype: DTypeLike,
    limit: float | None,
) -> Float[Array, "n 4 4 o"]:
    """Halve images down to 4²; the layers become those of the module in whose call this stands.

    Args:
        images: What is halved.
        resolution: Their height and width, a power of two.
        rgb_size: Of the first layer's kernel.
        channel_base, channel_max: Layers at resolution r are min(channel_base / r, channel_max)
            wide.
        dtype: What the layers compute in; parameters and what is returned are float32.
        limit: What activations are kept within, or None.
    """

    def width(res: int) -> int:
        return num_channels(res, channel_base, channel_max)

    def active(x: Float[Array, "..."]) -> Float[Array, "..."]:
        return clamp(leaky_relu(x), limit)

    x = active(Conv(width(resolution), size=rgb_size, name="fromrgb")(images.astype(dtype)))
    for res in reversed(block_resolutions(resolution)[1:]):
        out = width(res // 2)
        skip = Conv(out, size=1, down=True, use_bias=False, name=f"b{res}_skip")(x)
        x = active(Conv(width(res), name=f"b{res}_conv0")(x))
        x = active(Conv(out, down=True, name=f"b{res}_conv1")(x))
        x = (x + skip) * 0.5**0.5
    return at_least_float32(x)
