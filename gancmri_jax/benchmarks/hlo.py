"""What an optimised program does, read from XLA's text of it."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2, "s64": 8, "u64": 8}
_BYTES |= {"f64": 8, "c64": 8}
_SHAPE = re.compile(r"([a-z]+\d+|pred)\[([\d,]*)\]")
_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%?([\w.\-]+) = (\((?:[^()]|\([^()]*\))*\)|\S+) ([\w\-]+)\((.*)$"
)
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{\s*$")
_CALLED = re.compile(r"(?:body|true_computation|false_computation|to_apply)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "all-to-all",
    "collective-permute",
    "reduce-scatter",
    "collective-broadcast",
)
# What moves no bytes of its own.
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional"}
_FREE |= {"call", "after-all", "partition-id", "iota"}


class Shape(NamedTuple):
    """An array's element type and its sizes."""

    dtype: str
    sizes: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of its elements."""
        return math.prod(self.sizes) * _BYTES.get(self.dtype, 4)


class Instruction(NamedTuple):
    """One line of a program: the results' shapes, the operation, and the rest of the line."""

    name: str
    shapes: list[Shape]
    operation: str
    rest: str


class Findings(NamedTuple):
    """What a program does on one chip.

    Attributes:
        collectives: How many of each kind there are.
        reduced: The types that are reduced over the chips.
        gathers: How many.
        callbacks: Calls back to Python.
        gflop: Of cuDNN's and cuBLAS's calls and of products in fused kernels.
        gbytes: What its kernels read and write, each operand whole.
        float32_sides: The largest image side of each float32 convolution that cuDNN gets.
    """

    collectives: dict[str, int]
    reduced: set[str]
    gathers: int
    callbacks: int
    gflop: float
    gbytes: float
    float32_sides: list[int]


def read_program(text: str) -> Findings:
    """Read a compiled program's `as_text()`; branches of a conditional all count."""
    computations, entry = _computations(text)
    everything = [each for lines in computations.values() for each in lines]
    shapes = {each.name: each.shapes for each in everything}
    collectives: Counter[str] = Counter()
    reduced: set[str] = set()
    flop, sides = 0, []
    for each in everything:
        kind = each.operation.removesuffix("-start")
        if kind in _COLLECTIVES:
            collectives[kind] += 1
            reduced |= {shape.dtype for shape in each.shapes}
        flop += _flop(each, shapes)
        if "__cudnn$conv" in each.rest:
            image = _operands(each, shapes)[0]
            if image.dtype == "f32":
                sides.append(max(image.sizes[1:3]))
    run = [each for name in _reached(computations, entry) for each in computations[name]]
    moved = sum(
        sum(shape.bytes for shape in [*each.shapes, *_operands(each, shapes)])
        for each in run
        if each.operation not in _FREE and not each.operation.endswith("-done")
    )
    return Findings(
        collectives=dict(collectives),
        reduced=reduced,
        gathers=sum(each.operation == "gather" for each in everything),
        callbacks=sum("callback" in each.rest.partition("metadata=")[0] for each in everything),
        gflop=flop / 1e9,
        gbytes=moved / 1e9,
        float32_sides=sides,
    )


def float32_sides(stablehlo: str) -> list[int]:
    """Return the largest image side of each float32 convolution that a program asks for."""
    found = []
    pattern = re.compile(
        r"stablehlo\.convolution\(.*?dim_numbers = \[(.*?)\]x\[.*?\]->\[.*?\].*?"
        r": \(tensor<([\dx]+)xf32>"
    )
    for labels, sizes in pattern.findall(stablehlo):
        sizes = [int(size) for size in sizes.split("x")]
        places = [label.strip() for label in labels.split(",")]
        found.append(max(n for n, label in zip(sizes, places, strict=True) if label.isdigit()))
    return found


def _computations(text: str) -> tuple[dict[str, list[Instruction]], str]:
    computations: dict[str, list[Instruction]] = {}
    entry, lines = "", []
    for line in text.splitlines():
        if begun := _COMPUTATION.match(line):
            lines = computations.setdefault(begun[2], [])
            entry = begun[2] if begun[1] else entry
        elif found := _INSTRUCTION.match(line):
            name, result, operation, rest = found.groups()
            lines.append(Instruction(name, _shapes(result), operation, rest))
    return computations, entry


def _reached(computations: dict[str, list[Instruction]], name: str) -> Iterator[str]:
    """Yield a computation and those that it runs as programs of their own, not as fused kernels."""
    yield name
    for each in computations.get(name, []):
        if each.operation in ("while", "conditional", "call"):
            called = _CALLED.findall(each.rest)
            for branches in _BRANCHES.findall(each.rest):
                called += [branch.strip().lstrip("%") for branch in branches.split(",")]
            for inner in called:
                yield from _reached(computations, inner)


def _shapes(text: str) -> list[Shape]:
    return [
        Shape(dtype, tuple(int(size) for size in sizes.split(",") if size))
        for dtype, sizes in _SHAPE.findall(text)
    ]


def _operands(each: Instruction, shapes: dict[str, list[Shape]]) -> list[Shape]:
    names = re.findall(r"%([\w.\-]+)", each.rest.partition(")")[0])
    return [shape for name in names for shape in shapes.get(name, [])[:1]]


def _flop(each: Instruction, shapes: dict[str, list[Shape]]) -> int:
    if each.operation == "dot":
        first = _operands(each, shapes)[0].sizes
        contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", each.rest)
        return _product_flop(each, first, contracted[1] if contracted else "")
    if "__cublas" in each.rest:
        first = _operands(each, shapes)[0].sizes
        contracted = re.search(r'"lhs_contracting_dimensions":\[([^\]]*)\]', each.rest)
        return _product_flop(each, first, (contracted[1] if contracted else "").replace('"', ""))
    if "__cudnn$conv" in each.rest:
        labels = re.search(r"dim_labels=\w+_(\w+)->", each.rest)
        result, (a, b, *_) = each.shapes[0].sizes, [s.sizes for s in _operands(each, shapes)]
        assert labels is not None
        if "BackwardFilter" in each.rest:
            kernel, outputs = result, b
        elif "BackwardInput" in each.rest:
            kernel, outputs = b, a
        else:
            kernel, outputs = b, result
        return 2 * math.prod(outputs) * math.prod(kernel) // kernel[labels[1].index("o")]
    return 0


def _product_flop(each: Instruction, first: tuple[int, ...], contracted: str) -> int:
    depth = math.prod(first[int(axis)] for axis in contracted.split(",") if axis)
    return 2 * math.prod(each.shapes[0].sizes) * depth
