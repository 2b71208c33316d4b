"""The generator's two halves as ONNX graphs, put together operator by operator.

NCHW inside, as ONNX computes; pictures leave as [batch h w c]. Gains are multiplied into the
parameters, resampling is a convolution of each channel by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gancmri_jax.networks.generator import Generator
from gancmri_jax.networks.layers import block_resolutions
from gancmri_jax.weights.stylegan2_shapes import FILTER

_OPSET, _IR = 18, 8  # of ONNX 1.13, so that older programs read it
_BATCH = "batch"


class _Graph:
    """Operators and constants, in the order they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, *inputs: Any, out: str | None = None, **options: Any) -> str:
        """Add an operator; inputs are names, or arrays that become constants. Return its output."""
        name = out or f"{operator}_{len(self.nodes)}"
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], **options))
        return name

    def _constant(self, value: Any) -> str:
        array = np.asarray(value)
        array = np.ascontiguousarray(array, np.int64 if array.dtype.kind == "i" else np.float32)
        array = array.reshape(np.shape(value))  # which the line above makes at least [1]
        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def model(
        self, entry: Sequence[int], exit_: Sequence[int], names: tuple[str, str], told: dict
    ) -> onnx.ModelProto:
        """Return the model from one input to one output, checked."""
        tensors = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [_BATCH, *shape])
            for name, shape in zip(names, (entry, exit_), strict=True)
        ]
        constants = list(self.constants.values())
        graph = helper.make_graph(self.nodes, "gancmri_jax", tensors[:1], tensors[1:], constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR)
        model.producer_name = "gancmri_jax"
        helper.set_model_props(model, told)
        onnx.checker.check_model(model)
        return model


def mapping_graph(
    generator: Generator, params: Mapping[str, Any], told: dict[str, str]
) -> onnx.ModelProto:
    """Return z [batch z_dim] → ws [batch num_ws w_dim], untruncated.

    Args:
        generator: The network.
        params: All its parameters, as numpy arrays.
        told: Metadata to put in.
    """
    graph = _Graph()
    mean = graph.add("ReduceMean", graph.add("Mul", "z", "z"), np.array([1]), keepdims=1)
    x = graph.add("Div", "z", graph.add("Sqrt", graph.add("Add", mean, 1e-8)))
    for index in range(generator.mapping_layers):
        x = _leaky_relu(graph, _dense(graph, x, params["mapping"][f"fc{index}"], 0.01))
    rows = graph.add("Unsqueeze", x, np.array([1]))
    graph.add("Tile", rows, np.array([1, generator.num_ws, 1]), out="ws")
    shapes = (generator.z_dim,), (generator.num_ws, generator.w_dim)
    return graph.model(*shapes, ("z", "ws"), told)


def synthesis_graph(
    generator: Generator,
    params: Mapping[str, Any],
    noise: Sequence[np.ndarray],
    told: dict[str, str],
) -> onnx.ModelProto:
    """Return ws [batch num_ws w_dim] → images [batch h w c] with constant noise.

    Args:
        generator: The network.
        params: All its parameters, as numpy arrays.
        noise: Maps, coarse to fine, each [1 h w].
        told: Metadata to put in.
    """
    graph, layers, maps = _Graph(), params["synthesis"], iter(noise)
    x = graph.add("Identity", layers["const"].transpose(2, 0, 1)[None])  # [1 c h w]
    row, image, channels = 0, None, generator.img_channels
    for res in block_resolutions(generator.resolution):
        if res > 4:
            w = graph.add("Gather", "ws", np.array(row), axis=1)
            x = _styled_conv(graph, x, w, layers[f"b{res}_conv0"], next(maps), up=True)
            row += 1
        w = graph.add("Gather", "ws", np.array(row), axis=1)
        x = _styled_conv(graph, x, w, layers[f"b{res}_conv1"], next(maps), up=False)
        row += 1
        # The image's row is also the next resolution's first.
        w = graph.add("Gather", "ws", np.array(row), axis=1)
        part = _to_image(graph, x, w, layers[f"b{res}_torgb"])
        image = part if image is None else graph.add("Add", _upsample(graph, image, channels), part)
    assert image is not None
    graph.add("Transpose", image, out="images", perm=[0, 2, 3, 1])
    size = generator.resolution
    shapes = (generator.num_ws, generator.w_dim), (size, size, channels)
    return graph.model(*shapes, ("ws", "images"), told)


def _styled_conv(
    graph: _Graph, x: str, w: str, layer: Mapping[str, Any], noise: np.ndarray, up: bool
) -> str:
    """Modulated 3×3 convolution, noise, bias, activation; `networks.generator.StyledConv`."""
    kernel = layer["kernel"]  # [kh kw i o]
    style = _dense(graph, w, layer["affine"])
    x = graph.add("Mul", x, _as_image(graph, style))
    if up:
        weights = kernel.transpose(2, 3, 0, 1)  # [i o kh kw]
        x = graph.add("ConvTranspose", x, weights, strides=[2, 2])
        x = _filter(graph, x, kernel.shape[3])
    else:
        x = graph.add("Conv", x, kernel.transpose(3, 2, 0, 1), pads=[1, 1, 1, 1])
    energy = np.square(kernel).sum(axis=(0, 1))  # [i o]
    norm = graph.add("Add", graph.add("MatMul", graph.add("Mul", style, style), energy), 1e-8)
    factor = graph.add("Reciprocal", graph.add("Sqrt", norm))
    x = graph.add("Mul", x, _as_image(graph, factor))
    x = graph.add("Add", x, layer["noise_strength"] * noise[None])
    return _leaky_relu(graph, graph.add("Add", x, layer["bias"][None, :, None, None]))


def _to_image(graph: _Graph, x: str, w: str, layer: Mapping[str, Any]) -> str:
    """Modulated 1×1 convolution, not demodulated; `networks.generator.ToGrey`."""
    kernel = layer["kernel"]
    style = _dense(graph, w, layer["affine"])
    scale = np.float32(kernel.shape[2] ** -0.5)
    x = graph.add("Mul", x, _as_image(graph, style))
    return graph.add("Conv", x, kernel.transpose(3, 2, 0, 1) * scale, layer["bias"])


def _dense(graph: _Graph, x: str, layer: Mapping[str, Any], lr_multiplier: float = 1.0) -> str:
    gain = np.float32(lr_multiplier / len(layer["kernel"]) ** 0.5)
    return graph.add("Gemm", x, layer["kernel"] * gain, layer["bias"] * np.float32(lr_multiplier))


def _leaky_relu(graph: _Graph, x: str) -> str:
    return graph.add("Mul", graph.add("LeakyRelu", x, alpha=0.2), 2**0.5)


def _as_image(graph: _Graph, x: str) -> str:
    return graph.add("Unsqueeze", x, np.array([2, 3]))  # [n c] -> [n c 1 1]


def _filter(graph: _Graph, x: str, channels: int) -> str:
    """Filter after a transposed convolution; the gain makes up for the inserted zeros."""
    kernel = np.tile(4 * FILTER, (channels, 1, 1, 1))
    return graph.add("Conv", x, kernel, group=channels, pads=[1, 1, 1, 1])


def _upsample(graph: _Graph, image: str, channels: int) -> str:
    """Double the resolution: the filter, transposed."""
    kernel = np.tile(4 * FILTER, (channels, 1, 1, 1))
    return graph.add(
        "ConvTranspose", image, kernel, group=channels, strides=[2, 2], pads=[1, 1, 1, 1]
    )
