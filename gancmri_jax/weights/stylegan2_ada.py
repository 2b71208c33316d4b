"""stylegan2-ada-pytorch's pickles: a dictionary of whole modules, `G`, `D`, `G_ema` among them.

Each module is pickled as a call with its source text, which is not looked at, and its state:
parameters and buffers, each a tensor whose storage is a `torch.save` inside the pickle, and the
modules inside it.
"""

from typing import Any

import numpy as np

from gancmri_jax.errors import InputError
from gancmri_jax.weights.pickles import LONGEST, Record, numpy_array
from gancmri_jax.weights.stylegan2_shapes import State
from gancmri_jax.weights.torch_files import read_storage, tensor_of

MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
PARAMETER = "torch._utils._rebuild_parameter"
TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
STORAGE = "torch.storage._load_from_bytes"
_MOST = 1000  # modules of a network, and tensors; G at 1024² has 98 and 235


def is_ada_pickle(tree: Any) -> bool:
    """Say whether a pickle holds a moving average of a generator, as a module."""
    return (
        isinstance(tree, dict)
        and isinstance(module := tree.get("G_ema"), Record)
        and module.path == MODULE
    )


def read_ada(tree: Any) -> tuple[State, State | None, int]:
    """Return the state dictionaries of G_ema and D, and the size of D's groups.

    Raises:
        InputError: The modules are not sound, or compute in a way that ours do not.
    """
    members = _members(_state_of(tree["G_ema"]), "_modules")
    mapping = _members(_state_of(members.get("mapping")), "_modules")
    if "fc0" in mapping:
        gain = _state_of(mapping["fc0"]).get("bias_gain", 0.01)
        if isinstance(gain, Record):
            gain = float(numpy_array(gain))
        if gain != 0.01:
            raise InputError("has a mapping with another lr_multiplier than 0.01")
    generator = _state_dict(tree["G_ema"])
    if (module := tree.get("D")) is None:
        return generator, None, 0
    epilogue = _members(_state_of(module), "_modules").get("b4")
    statistics = _members(_state_of(epilogue), "_modules").get("mbstd")
    group = _state_of(statistics).get("group_size", 4)
    return generator, _state_dict(module), group


def conv_clamp(tree: Any) -> float | None:
    """Return what the generator's activations were kept within, which ours are not.

    Raises:
        InputError: The modules are not sound.
    """
    synthesis = _members(_state_of(tree["G_ema"]), "_modules").get("synthesis")
    block = _members(_state_of(synthesis), "_modules").get("b4")
    layer = block and _members(_state_of(block), "_modules").get("conv1")
    limit = layer and _state_of(layer).get("conv_clamp")
    return float(limit) if isinstance(limit, int | float) else None


def _state_of(module: Any) -> dict[str, Any]:
    try:
        assert module.path == MODULE
        state = module.args[0]["state"]
        assert isinstance(state, dict)
        return state
    except (AssertionError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise InputError("holds a module that is not as stylegan2-ada-pytorch saves it") from error


def _members(state: dict[str, Any], kind: str) -> dict[str, Any]:
    found = state.get(kind, {})
    found = found.items if isinstance(found, Record) else found
    if not isinstance(found, dict):
        raise InputError(f"holds a module whose {kind} is no dictionary")
    return found


def _state_dict(module: Any) -> State:
    tensors: State = {}
    todo: list[tuple[str, Any]] = [("", module)]
    for _ in range(_MOST):
        if not todo:
            return tensors
        prefix, inner = todo.pop()
        if len(prefix) > LONGEST:
            break
        state = _state_of(inner)
        for kind in ("_parameters", "_buffers"):
            for name, record in _members(state, kind).items():
                if len(tensors) >= _MOST:
                    raise InputError("holds a module of too many tensors to be a network")
                if record is not None:
                    tensors[f"{prefix}{name[:LONGEST]}"] = _tensor(record)
        modules = _members(state, "_modules").items()
        todo += [(f"{prefix}{name[:LONGEST]}.", each) for name, each in modules if each is not None]
    raise InputError("holds a module of too many modules to be a network")


def _tensor(record: Any) -> np.ndarray:
    try:
        if record.path == PARAMETER:
            record = record.args[0]
        storage, offset, shape, strides = record.args[:4]
        assert record.path in TENSORS and storage.path == STORAGE
        return tensor_of(read_storage(storage.args[0]), offset, shape, strides)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"holds a broken tensor ({type(error).__name__})") from error
