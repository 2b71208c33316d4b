"""Whether this accelerator computes what a CPU does: operations and networks, in each precision."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gancmri_jax.networks.cardiac_fcn import CardiacFCN
from gancmri_jax.networks.discriminator import Discriminator
from gancmri_jax.networks.encoder import ResidualEncoder
from gancmri_jax.networks.generator import Generator, draw_noise
from gancmri_jax.ops.conv import conv, conv_transpose, kernel_gradient
from gancmri_jax.ops.conv3d import conv3d
from gancmri_jax.ops.conv_by_rows import conv_by_rows
from gancmri_jax.ops.resample import downsample, fir, upsample
from gancmri_jax.training.augmentation import augment

# The largest relative error, ‖a − b‖ / ‖b‖, that is right: every product in float32, products in
# the processor's own format for float32 (TF32, or bfloat16 on TPUs), and bfloat16.
TOLERANCES = {"exact": 1e-4, "float32": 2e-2, "bfloat16": 3e-2}

Case = tuple[Callable[..., Any], tuple[Any, ...]]


def cases(size: int, channel_base: int, channel_max: int) -> dict[str, Case]:
    """Return functions of arrays, with what they are called with; float arrays can be narrowed."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    x, kernel = normal(4, 16, 16, 128), normal(3, 3, 128, 128)
    wide, grey = normal(4, 33, 33, 128), normal(1, 1, 128, 1)
    images = rng.uniform(-1, 1, (4, size, size, 1)).astype(np.float32)

    def warped(images):
        key = jax.random.key(1, impl="threefry2x32")
        return augment(key, images.astype(jnp.float32), jnp.asarray(1.0))

    found: dict[str, Case] = {
        "convolution": (lambda x, k: conv(x, k, 1, 1), (x, kernel)),
        "convolution to grey": (lambda x, k: conv(x, k, 1, 0), (x, grey)),
        "transposed convolution": (lambda x, k: conv_transpose(x, k, 2, 0), (x, kernel)),
        "kernel gradient": (lambda x, y: kernel_gradient(x, y, 3, 1, 1), (x, x)),
        "strided kernel gradient": (lambda x, y: kernel_gradient(x, y, 3, 2, 0), (wide, x)),
        "grey kernel gradient": (lambda x, y: kernel_gradient(x, y, 1, 1, 0), (x, x[..., :1])),
        "convolution by rows": (lambda x, k: conv_by_rows(x, k, 2, 1), (x, kernel)),
        "convolution in time": (conv3d, (normal(2, 8, 16, 16, 16), normal(3, 3, 3, 16, 16))),
        "filter": (lambda x: fir(x, (2, 2)), (x,)),
        "upsampling": (upsample, (x,)),
        "downsampling": (downsample, (x,)),
        "augmentation": (warped, (images,)),
    }
    generator = Generator(size, channel_base=channel_base, channel_max=channel_max)
    noise = _arrays(jax.eval_shape(lambda: draw_noise(jax.random.key(0), size)), rng)
    ws = normal(2, generator.num_ws, generator.w_dim)
    networks: dict[str, tuple[Any, tuple[Any, ...], str | None]] = {
        "mapping": (generator, (normal(4, generator.z_dim),), "map"),
        "synthesis": (generator, (ws, noise), "synthesize"),
        "discriminator": (Discriminator(size, channel_base, channel_max), (images,), None),
        "encoder": (ResidualEncoder(size, 512, 1024, 64), (images,), None),
        "segmenter": (CardiacFCN(), (images[:, :, :, :],), None),
    }
    for name, (network, args, method) in networks.items():
        if size % 16 and name == "segmenter":
            continue
        start = (np.zeros((1, generator.z_dim), np.float32),) if network is generator else args
        shapes = jax.eval_shape(network.init, jax.random.key(0), *start)
        found[name] = (_applied(network, method), (_variables(shapes, rng), *args))
    return found


def errors(
    size: int, channel_base: int, channel_max: int, on_case: Callable[[str], object]
) -> dict[str, dict[str, float]]:
    """Return each case's relative error against a CPU's float32, by precision."""
    here, cpu = jax.devices()[0], jax.devices("cpu")[0]
    found = {}
    for name, (function, args) in cases(size, channel_base, channel_max).items():
        with jax.default_matmul_precision("highest"):
            expected = _run(function, args, cpu)
            own = {"exact": relative_error(_run(function, args, here), expected)}
        own["float32"] = relative_error(_run(function, args, here), expected)
        # Coordinates stay float32 in training, and so do mapping and augmentation.
        if name not in ("augmentation", "mapping"):
            own["bfloat16"] = relative_error(_run(_narrowed(function), args, here), expected)
        found[name] = own
        on_case(name)
    return found


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Return ‖found − expected‖ / ‖expected‖."""
    apart = found.astype(np.float64) - expected.astype(np.float64)
    size = float(np.linalg.norm(expected.astype(np.float64)))
    return float(np.linalg.norm(apart)) / max(size, 1e-30)


def _run(function: Callable[..., Any], args: tuple[Any, ...], device: jax.Device) -> np.ndarray:
    return np.asarray(jax.jit(function)(*jax.device_put(args, device)), np.float32)


def _narrowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compute in bfloat16: a network clones itself, an operation gets narrow arrays."""
    if isinstance(function, _applied):
        return function.in_bfloat16()

    def narrow(leaf: Any) -> Any:
        return leaf.astype(jnp.bfloat16) if leaf.dtype == jnp.float32 else leaf

    return lambda *args: function(*jax.tree.map(narrow, args))


class _applied:  # noqa: N801 (it is called like a function)
    """A network's application, to variables and then inputs."""

    def __init__(self, network: Any, method: str | None) -> None:
        self.network, self.method = network, method

    def __call__(self, variables: Any, *inputs: Any) -> Any:
        return self.network.apply(variables, *inputs, method=self.method)

    def in_bfloat16(self) -> Callable[..., Any]:
        """Return the same with convolutions in bfloat16."""
        if hasattr(self.network, "dtype"):
            return _applied(self.network.clone(dtype=jnp.bfloat16), self.method)

        def narrow(variables: Any, *inputs: Any) -> Any:
            args = jax.tree.map(lambda x: x.astype(jnp.bfloat16), (variables, *inputs))
            return self(*args)

        return narrow


def _variables(shapes: Any, rng: np.random.Generator) -> Any:
    """Draw variables as large as networks have them, on the host."""

    def draw(path: Any, leaf: Any) -> np.ndarray:
        names = [part.key for part in path]
        if names[0] == "batch_stats":
            return np.full(leaf.shape, float(names[-1] == "var"), np.float32)
        if names[-1] == "scale":
            return np.ones(leaf.shape, np.float32)
        if names[-1] == "bias":
            return np.full(leaf.shape, float("affine" in names), np.float32)
        return rng.normal(0, 100 if "mapping" in names else 1, leaf.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def _arrays(shapes: Any, rng: np.random.Generator) -> Any:
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
