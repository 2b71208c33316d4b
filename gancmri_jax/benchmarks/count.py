"""How much work a function asks for: the ideal cost that a measured time is held against."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax.extend import core


def multiply_adds(function: Callable[..., Any], *args: Any) -> int:
    """Return the multiply-adds of a function's convolutions and matrix products.

    The function is traced and not run, so that arguments may be `jax.ShapeDtypeStruct`s.
    Products with padding count; those with the zeros that a transposed convolution puts between
    its inputs do not, nor does what the outputs do not depend on. Of branches, of which one
    runs, the largest counts.
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: core.Jaxpr) -> int:
    total = 0
    needed = _variables(jaxpr.outvars)
    for equation in reversed(jaxpr.eqns):
        if not equation.effects and needed.isdisjoint(equation.outvars):
            continue
        needed |= _variables(equation.invars)
        total += _of_equation(equation)
    return total


def _of_equation(equation: core.JaxprEqn) -> int:
    out, *_ = (math.prod(_shape(variable)) for variable in equation.outvars)
    params = equation.params
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        shape = _shape(equation.invars[0])
        return out * math.prod(shape[axis] for axis in contracted)
    if equation.primitive.name == "conv_general_dilated":
        kernel = _shape(equation.invars[1])
        taps = math.prod(kernel) // kernel[params["dimension_numbers"].rhs_spec[0]]
        return out * taps // math.prod(params["lhs_dilation"])
    if equation.primitive.name == "cond":
        return max(map(_count, _inside(params["branches"])))
    return params.get("length", 1) * sum(map(_count, _inside(params.values())))  # of a scan


def _shape(variable: Any) -> tuple[int, ...]:
    return getattr(variable.aval, "shape", ())


def _variables(atoms: Iterable[Any]) -> set[core.Var]:
    return {atom for atom in atoms if isinstance(atom, core.Var)}


def _inside(values: Iterable[Any]) -> list[core.Jaxpr]:
    found: list[core.Jaxpr] = []
    for value in values:
        if isinstance(value, core.ClosedJaxpr):
            found.append(value.jaxpr)
        elif isinstance(value, core.Jaxpr):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _inside(value)
    return found
