"""The StyleGAN2 generator (Karras et al. 2020): a mapping z → w and a skip synthesis ws → image."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.networks.layers import (
    Dense,
    at_least_float32,
    block_resolutions,
    clamp,
    num_channels,
)
from gancmri_jax.ops.activation import leaky_relu, normalize_second_moment
from gancmri_jax.ops.modulated_conv import modulated_conv
from gancmri_jax.ops.resample import upsample

# One noise map a noisy layer, coarse to fine: [n h w], or [1 h w] for all images alike.
Noise = tuple[Float[Array, "_ _ _"], ...]


class Mapping(nn.Module):
    """z [n z_dim] → w [n w_dim]: fully connected layers at a hundredth of the learning rate."""

    w_dim: int
    num_layers: int

    @nn.compact
    def __call__(self, z: Float[Array, "n z_dim"]) -> Float[Array, "n w_dim"]:
        x = normalize_second_moment(z)
        for index in range(self.num_layers):
            x = leaky_relu(Dense(self.w_dim, lr_multiplier=0.01, name=f"fc{index}")(x))
        return x


class StyledConv(nn.Module):
    """Modulated 3×3 convolution, noise, bias, activation."""

    features: int
    up: bool = False
    clamp: float | None = None

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "n h w i"],
        w: Float[Array, "n w_dim"],
        noise: Float[Array, "#n oh ow"] | None,
    ) -> Float[Array, "n oh ow o"]:
        style = Dense(x.shape[-1], bias_init=1, name="affine")(w)
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1), shape)
        strength = self.param("noise_strength", nn.initializers.zeros, ())
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x = modulated_conv(x, kernel, style, up=self.up)
        if noise is not None:
            x = x + (strength * noise)[..., None].astype(x.dtype)
        return clamp(leaky_relu(x + bias[None, None, None].astype(x.dtype)), self.clamp)


class ToGrey(nn.Module):
    """Modulated 1×1 convolution to image channels, without demodulation ("ToRGB")."""

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w i"], w: Float[Array, "n w_dim"]
    ) -> Float[Array, "n h w c"]:
        style = Dense(x.shape[-1], bias_init=1, name="affine")(w) / x.shape[-1] ** 0.5
        shape = (1, 1, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x = modulated_conv(x, kernel, style, demodulate=False)
        return at_least_float32(x) + bias[None, None, None]


class Synthesis(nn.Module):
    """ws [n num_ws w_dim] → images [n h w c]: every resolution adds to one image."""

    resolution: int
    img_channels: int
    channel_base: int
    channel_max: int
    dtype: DTypeLike
    clamp: float | None

    @nn.compact
    def __call__(
        self, ws: Float[Array, "n num_ws w_dim"], noise: Noise | None
    ) -> Float[Array, "n h w c"]:
        maps = iter(noise if noise is not None else (None,) * (ws.shape[1] - 1))
        rows = iter(range(ws.shape[1]))
        x = image = None
        for res in block_resolutions(self.resolution):
            features = num_channels(res, self.channel_base, self.channel_max)
            if x is None:
                const = self.param("const", nn.initializers.normal(1), (res, res, features))
                x = jnp.broadcast_to(const[None], (ws.shape[0], *const.shape)).astype(self.dtype)
            else:
                up = StyledConv(features, True, self.clamp, name=f"b{res}_conv0")
                x = up(x, ws[:, next(rows)], next(maps))
            same = StyledConv(features, clamp=self.clamp, name=f"b{res}_conv1")
            x = same(x, ws[:, next(rows)], next(maps))
            # The image's row is also the next resolution's first, so `rows` does not advance.
            grey = ToGrey(self.img_channels, name=f"b{res}_torgb")
            contribution = grey(x, ws[:, _row_of_image(res)])
            image = contribution if image is None else upsample(image) + contribution
        assert image is not None
        return image


def _row_of_image(res: int) -> int:
    """Return the row of ws that colours the image at a resolution: 1 at 4², then 3, 5, …."""
    return 2 * (res.bit_length() - 3) + 1


class Generator(nn.Module):
    """StyleGAN2's generator; `map` and `synthesize` are its two halves.

    Attributes:
        resolution: Height and width of the images, a power of two.
        img_channels: 1 for grey, 3 for colour.
        z_dim, w_dim: Lengths of z and w.
        mapping_layers: Depth of the mapping.
        channel_base, channel_max: Layers at resolution r are min(channel_base / r, channel_max)
            wide.
        dtype: What the convolutions compute in; parameters and images are float32.
        clamp: What activations are kept within, or None; NVIDIA takes 256 with float16.
    """

    resolution: int = 256
    img_channels: int = 1
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    dtype: DTypeLike = jnp.float32
    clamp: float | None = None

    def setup(self) -> None:
        self.mapping = Mapping(self.w_dim, self.mapping_layers)
        self.synthesis = Synthesis(
            self.resolution,
            self.img_channels,
            self.channel_base,
            self.channel_max,
            self.dtype,
            self.clamp,
        )

    @property
    def num_ws(self) -> int:
        """Return how many rows of ws synthesis reads: 14 at 256²."""
        return 2 * len(block_resolutions(self.resolution))

    def map(self, z: Float[Array, "n z_dim"]) -> Float[Array, "n w_dim"]:
        """Map z to w."""
        return self.mapping(z)

    def synthesize(
        self, ws: Float[Array, "n num_ws w_dim"], noise: Noise | None = None
    ) -> Float[Array, "n h w c"]:
        """Render ws with the given noise maps, or with none."""
        return self.synthesis(ws, noise)

    def __call__(
        self, z: Float[Array, "n z_dim"], noise: Noise | None = None
    ) -> Float[Array, "n h w c"]:
        """Render z; this is how parameters are initialised."""
        w = self.map(z)
        return self.synthesize(jnp.repeat(w[:, None], self.num_ws, axis=1), noise)


def draw_noise(key: PRNGKeyArray, resolution: int, num: int = 1) -> Noise:
    """Draw N(0, 1) noise maps for `num` images: 13 of them at 256²."""
    sizes = [res for res in block_resolutions(resolution) for _ in range(2)][1:]
    keys = jax.random.split(key, len(sizes))
    return tuple(
        jax.random.normal(k, (num, size, size)) for k, size in zip(keys, sizes, strict=True)
    )
