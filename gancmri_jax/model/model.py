"""The model users pass around: a generator with the motion and physiology it has learned."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import Own
from gancmri_jax.latents.truncation import broadcast_w, truncate
from gancmri_jax.model.encoder import Encoder
from gancmri_jax.model.mesh import platform_of
from gancmri_jax.model.motion import LearnedMotion, Motion, to_tensors
from gancmri_jax.model.segmenter import Segmenter
from gancmri_jax.networks.generator import Generator, Noise, draw_noise

RenderDtype = Literal["auto", "float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class Model:
    """A generator and what is known of its latent space.

    Attributes:
        generator: The network; it holds the sizes, not the parameters.
        params: The generator's parameters (the moving average).
        w_avg: Mean of w [w_dim], the centre of truncation.
        noise: Constant noise maps, each [1 h w].
        motion: How hearts move; nothing until `gancmri fit`.
        directions: Phenotype directions [num_ws w_dim] by name; empty until `gancmri fit`.
        segmenter: A network that finds the heart's chambers; None until one is put in.
        encoder: A network that guesses an image's w; None until `gancmri train-encoder`.
        card: How the model was made and how good it is: JSON-like.
        own_noise: Noise maps of the heart that the model was tuned to (`gancmri personalise`);
            None where there is none.
        dtype: What images are rendered in: `float32`, `bfloat16`, or `auto`, which is bfloat16 on
            accelerators and on a CPU what the generator says. Images are float32 in any case.
    """

    generator: Generator
    params: Any
    w_avg: Float[Array, "w_dim"]
    noise: Noise
    motion: LearnedMotion = dataclasses.field(default_factory=LearnedMotion)
    directions: dict[str, Array] = dataclasses.field(default_factory=dict)
    segmenter: Segmenter | None = None
    encoder: Encoder | None = None
    card: dict[str, Any] = dataclasses.field(default_factory=dict)
    own_noise: Noise | None = None
    dtype: RenderDtype = "auto"

    @property
    def of_own_heart(self) -> "Model":
        """The model with the noise maps of the heart that it was tuned to as the constant ones."""
        return self if self.own_noise is None else dataclasses.replace(self, noise=self.own_noise)

    @property
    def resolution(self) -> int:
        """Height and width of its images."""
        return self.generator.resolution

    @property
    def z_dim(self) -> int:
        """Length of z."""
        return self.generator.z_dim

    @property
    def w_dim(self) -> int:
        """Length of w."""
        return self.generator.w_dim

    @property
    def num_ws(self) -> int:
        """Rows of ws: 14 at 256²."""
        return self.generator.num_ws

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Spacing of rows and columns of its images, as its training data's; None if unknown."""
        known = self.card.get("spacing_mm")
        return None if known is None else (float(known[0]), float(known[1]))

    @property
    def frame_ms(self) -> float | None:
        """Time of a frame of its training data; None if unknown."""
        return self.card.get("frame_ms")

    @property
    def trajectories(self) -> dict[str, Array]:
        """Its motion by the names that a model file has for it."""
        return to_tensors(self.motion)

    def insist_grey(self) -> None:
        """See that its images have one channel, as cines have.

        Raises:
            InputError: They are in colour.
        """
        if self.generator.img_channels != 1:
            raise InputError(
                f"the model makes images of {self.generator.img_channels} channels; cines are grey"
            )

    @property
    def fingerprint(self) -> str:
        """Identify the generator by its parameters, so that latents are not used with another."""
        digest = hashlib.sha256()
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
            digest.update(jax.tree_util.keystr(path).encode())
            digest.update(np.asarray(leaf, np.float32).tobytes())
        return digest.hexdigest()[:16]

    def map_w(self, z: Float[Array | np.ndarray, "n z_dim"]) -> Float[Array, "n w_dim"]:
        """Map z to w."""
        return _map(self.generator, self.params, jnp.asarray(z))

    def map(
        self,
        z: Float[Array | np.ndarray, "n z_dim"],
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Float[Array, "n num_ws w_dim"]:
        """Map z to ws, truncated towards `w_avg`."""
        ws = broadcast_w(self.map_w(z), self.num_ws)
        return truncate(ws, self.w_avg, truncation_psi, truncation_cutoff)

    def synthesize(
        self,
        ws: Float[Array | np.ndarray, "n num_ws w_dim"],
        noise: Literal["const", "none"]
        | Noise
        | tuple[Float[np.ndarray, "_ _ _"], ...]
        | PRNGKeyArray = "const",
    ) -> Float[Array, "n h w c"]:
        """Render ws; images are nominally in [−1, 1] and unclipped.

        Args:
            ws: Latent codes.
            noise: `const` for the model's own maps, `none`, the maps themselves, or a key to draw
                fresh ones from.
        """
        maps: Noise | None
        if isinstance(noise, tuple):
            maps = tuple(map(jnp.asarray, noise))
        elif isinstance(noise, jax.Array):
            maps = draw_noise(noise, self.resolution, len(ws))
        else:
            maps = {"const": self.noise, "none": None}[noise]
        return render_codes(self.renderer, self.params, jnp.asarray(ws), maps)

    @property
    def renderer(self) -> Generator:
        """The generator, computing in `dtype`."""
        on_cpu = platform_of(self.params) == "cpu"
        if self.dtype == "auto" and on_cpu:
            return self.generator
        return self.generator.clone(dtype=jnp.float32 if self.dtype == "float32" else jnp.bfloat16)

    def encode(self, images: Float[Array | np.ndarray, "..."]) -> Float[Array, "n w_dim"]:
        """Guess the w of images [n h w c] in [−1, 1], in one pass through the encoder.

        Raises:
            InputError: The model has no encoder, or the images are not of its size.
        """
        if self.encoder is None:
            raise InputError(
                "the model has no encoder; `gancmri train-encoder --model MODEL --out FOLDER` "
                "leaves one with it in FOLDER, or start from the mean"
            )
        wanted = (self.resolution, self.resolution, self.generator.img_channels)
        if images.ndim != 4 or images.shape[1:] != wanted:
            raise InputError(
                f"the encoder takes images [n h w c] of {wanted}, got {tuple(images.shape)}"
            )
        return self.encoder(jnp.asarray(images))

    def sample(self, seed: int, truncation_psi: float = 1.0) -> Float[Array, "num_ws w_dim"]:
        """Return the ws of a seed, at any moment of the beat: z ~ N(0, 1), mapped and truncated."""
        z = jax.random.normal(jax.random.key(seed), (1, self.z_dim))
        return self.map(z, truncation_psi)[0]

    def at_ed(self, ws: Float[Array, "num_ws w_dim"]) -> Float[Array, "num_ws w_dim"]:
        """Take a heart back to end-diastole, from the moment of the beat that `ws` shows.

        Raises:
            InputError: The model has learned no motion.
        """
        return self.motion.at_ed(ws)

    def adjust(
        self, ws: Float[Array, "num_ws w_dim"], amounts: Mapping[str, float]
    ) -> Float[Array, "num_ws w_dim"]:
        """Move along phenotype directions, w + c·k (GANcMRI, section 3.4).

        Raises:
            InputError: The model has no such direction.
        """
        for name, amount in amounts.items():
            ws = ws + amount * learned_direction(self.directions, name)
        return ws

    def beat(
        self, start: Float[Array, "num_ws w_dim"], motion: Motion | None = None
    ) -> Float[Array, "t num_ws w_dim"]:
        """Return the path of a beat of the heart that is at end-diastole at `start`.

        Raises:
            InputError: The model has not learned this motion, or has too few steps for it.
        """
        return self.motion.path(start, motion or Motion())

    def render(
        self,
        path: Float[Array | np.ndarray, "t num_ws w_dim"],
        at_once: int | None = None,
        noise: Noise | None = None,
    ) -> Float[np.ndarray, "t h w c"]:
        """Render a path, by default with the model's constant noise.

        All batches have one shape, so a frame is the same in any request. On some processors the
        last bit of a float depends on the frame's place in its batch.

        Args:
            path: Codes, frame by frame.
            at_once: Frames of a batch, if not as many as suit the machine.
            noise: Maps of each frame [t h w], in place of the constant ones; see `model.noise`.
        """
        at_once = at_once or _frames_at_once(self.resolution, platform_of(self.params))
        batches = []
        for first in range(0, len(path), at_once):
            ws = path[first : first + at_once]
            maps: Literal["const"] | Noise = "const"
            if noise is not None:
                maps = tuple(_filled(level[first : first + at_once], at_once) for level in noise)
            batches.append(self.synthesize(_filled(ws, at_once), maps)[: len(ws)])
        return np.concatenate(batches)

    def video(
        self,
        seed: int = 0,
        method: str = "frame-to-frame",
        num_frames: int = 50,
        truncation_psi: float = 1.0,
        adjust: Mapping[str, float] | None = None,
    ) -> Float[np.ndarray, "t h w c"]:
        """Render one beat of the heart of a seed; `at_ed`, `beat` and `render` say the rest.

        Args:
            seed: Which heart.
            method: `frame-to-frame`, `ed-to-es`, or one of `latents.motions.MOTIONS`.
            num_frames: Frames of the beat.
            truncation_psi: Below one, the heart is more typical.
            adjust: Amounts by phenotype direction to move by.
        """
        start = self.adjust(self.at_ed(self.sample(seed, truncation_psi)), adjust or {})
        return self.render(self.beat(start, Motion(method, num_frames)))

    def with_fit(
        self, motion: LearnedMotion, directions: Mapping[str, Array], note: dict[str, Any]
    ) -> "Model":
        """Return the model with this motion, directions beside its own, and `note` on its card.

        The beat of the heart that it was tuned to stays.
        """
        return dataclasses.replace(
            self,
            motion=motion.with_own(self.motion.of(Own)),
            directions={**self.directions, **directions},
            card={**self.card, "fit": note},
        )


def _filled(part: Array | np.ndarray, length: int) -> Array:
    """Repeat the last of a batch's elements until it is full."""
    return jnp.concatenate([part, jnp.repeat(part[-1:], length - len(part), axis=0)])


def learned_direction(directions: Mapping[str, Array], name: str) -> Float[Array, "num_ws w_dim"]:
    """Return a phenotype direction that a model has learned, in float32.

    Raises:
        InputError: There is no such direction; the message lists what there is.
    """
    if name not in directions:
        has = ", ".join(directions) or "none"
        raise InputError(
            f"the model has no {name} among its directions (it has {has}); see `gancmri fit`"
        )
    return jnp.asarray(directions[name], jnp.float32)


def _frames_at_once(resolution: int, platform: str) -> int:
    """Return how many frames to render in a batch: on CPU, as many as its caches like."""
    if platform == "cpu":
        return min(max(2**17 // resolution**2, 1), 25)
    return 50


@functools.partial(jax.jit, static_argnums=0)
def _map(generator, params, z):
    return generator.apply({"params": params}, z, method="map")


@functools.partial(jax.jit, static_argnums=0)
def render_codes(generator, params, ws, noise):
    """Render codes [n num_ws w_dim] with noise maps or None, in the generator's dtype."""
    return generator.apply({"params": params}, ws, noise, method="synthesize")
