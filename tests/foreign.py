"""A tiny StyleGAN2 under stylegan2-ada-pytorch's names, and the files others would keep it in."""

import io
from collections import OrderedDict

import numpy as np

from gancmri_jax.weights.stylegan2_shapes import (
    FILTER,
    discriminator_shapes,
    generator_shapes,
)
from tests.tf_files import tf_networks, write_tf_pickle
from tests.weight_files import Call, Global, Storage, dumps, state_dict, write_zip

SIZES = {
    "resolution": 16,
    "img_channels": 3,
    "z_dim": 4,
    "w_dim": 6,
    "mapping_layers": 2,
    "channel_base": 64,
    "channel_max": 8,
}
D_SIZES = {k: SIZES[k] for k in ("resolution", "img_channels", "channel_base", "channel_max")}


def draw(shapes, seed):
    random = np.random.default_rng(seed)
    return {
        name: FILTER
        if name.endswith("resample_filter")
        else random.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def generator(seed=0, **sizes):
    return draw(generator_shapes(SIZES | sizes), seed)


def discriminator(seed=1, **sizes):
    return draw(discriminator_shapes(D_SIZES | sizes), seed)


def write_tf(path, g, d, protocol=4, **static_kwargs):
    write_tf_pickle(path, tf_networks(g, d, **static_kwargs), protocol)


class _Module(Call):
    """Pickle as stylegan2-ada-pytorch's modules do: a call with the source text and the state."""

    def __init__(self, state):
        meta = {
            **{"type": "class", "version": 6, "class_name": "Anything", "state": state},
            "module_src": "import os; os.system('touch pwned')",
        }
        super().__init__(Global("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


def _storage(array):
    """Return the bytes of `torch.save` of one storage."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    file = io.BytesIO()
    for head in (0x1950A86A20F9469CFC6C, 1001, system):
        file.write(dumps(head))
    file.write(dumps(Storage("0", array.ravel()), legacy=True) + dumps(["0"]))
    file.write(array.size.to_bytes(8, "little") + array.astype("<f4").tobytes())
    return file.getvalue()


def ada_tensor(array):
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    storage = Call(Global("torch.storage", "_load_from_bytes"), _storage(array))
    strides = tuple(n // 4 for n in np.ascontiguousarray(array).strides) if array.ndim else ()
    inner = Call(rebuild, storage, 0, array.shape, strides, False, OrderedDict())
    return Call(Global("torch._utils", "_rebuild_parameter"), inner, True, OrderedDict())


def ada_module(state, **extra):
    """Return nested modules of the tensors, with `extra[path]` put into their states."""
    node = {"_parameters": OrderedDict(), "_buffers": {}, "_modules": OrderedDict()}
    inner = {}
    for name, array in state.items():
        first, _, rest = name.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = array
        else:
            node["_parameters"][first] = ada_tensor(array)
    node["_non_persistent_buffers_set"] = set()
    node |= extra.pop("", {})
    for first, members in inner.items():
        deeper = {
            path.partition(".")[2]: put
            for path, put in extra.items()
            if path.partition(".")[0] == first
        }
        node["_modules"][first] = ada_module(members, **deeper)
    return _Module(node)


def ada_tree(g, d, group=2, bias_gain=0.01, conv_clamp=None):
    epilogue = {"b4": {}}
    judge = ada_module(d, **epilogue)
    b4 = judge.args[0]["state"]["_modules"]["b4"].args[0]["state"]
    b4["_modules"]["mbstd"] = _Module({"group_size": group})
    told = {"mapping.fc0": {"bias_gain": bias_gain}}
    average = ada_module(g, **told, **{"synthesis.b4.conv1": {"conv_clamp": conv_clamp}})
    return {"G": None, "D": judge, "G_ema": average, "training_set_kwargs": {}}


def write_ada(path, g, d, **options):
    path.write_bytes(dumps(ada_tree(g, d, **options)))


def rosinality(g, d):
    """Return `g_ema/…` and `d/…` under rosinality's names."""
    resolution = max(int(n.split(".")[1][1:]) for n in g if n.startswith("synthesis.b"))
    ours, theirs = {}, {}
    for name, array in g.items():
        parts = name.split(".")
        leaf = parts[-1]
        if name.startswith("mapping.fc"):
            ours[f"style.{int(parts[1][2:]) + 1}.{leaf}"] = array
        if leaf == "const":
            ours["input.input"] = array[None]
        if not name.startswith("synthesis") or len(parts) < 4:
            continue
        level = int(parts[1][1:]).bit_length() - 3  # 0 at 4×4
        number = 2 * level - 1 + (parts[2] == "conv1")  # among the noisy layers
        if parts[2] == "torgb":
            layer = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        else:
            layer = f"convs.{number - 1}" if number else "conv1"
        if "affine" in name:
            ours[f"{layer}.conv.modulation.{leaf}"] = array
        elif leaf == "weight":
            ours[f"{layer}.conv.weight"] = array[None]
        elif leaf == "bias" and parts[2] == "torgb":
            ours[f"{layer}.bias"] = array.reshape(1, -1, 1, 1)
        elif leaf == "bias":
            ours[f"{layer}.activate.bias"] = array
        elif leaf == "noise_strength":
            ours[f"{layer}.noise.weight"] = array.reshape(1)
        elif leaf == "noise_const":
            ours[f"noises.noise_{number}"] = array[None, None]
        if parts[2] == "conv0":
            ours[f"{layer}.conv.blur.kernel"] = 4 * FILTER
    last = {"conv": ("final_conv.0", "final_conv.1"), "fc": ("final_linear.0",) * 2}
    last["out"] = ("final_linear.1",) * 2
    inner = {"conv0": ("conv1.0", "conv1.1"), "conv1": ("conv2.1", "conv2.2")}
    inner["skip"] = ("skip.1", "")
    for name, array in d.items():
        block, layer, *rest = name.split(".")
        if not rest or rest[0] == "resample_filter":
            continue
        place = rest[0] == "bias"
        if layer == "fromrgb":
            theirs[f"convs.0.{int(place)}.{rest[0]}"] = array
        elif block == "b4":
            theirs[f"{last[layer][place]}.{rest[0]}"] = array
        else:
            number = (resolution // int(block[1:])).bit_length()  # 1 at the image's resolution
            theirs[f"convs.{number}.{inner[layer][place]}.{rest[0]}"] = array
    theirs["convs.1.skip.0.kernel"] = FILTER
    return ours, theirs


def write_rosinality(path, g, d, **more):
    """Write what its training writes: g_ema, d, the run's options; `more` beside them."""
    ours, theirs = rosinality(g, d)
    arrays = {f"g_ema/{k}": v for k, v in ours.items()} | {f"d/{k}": v for k, v in theirs.items()}
    arrays |= more
    records = state_dict(arrays)
    tree = {"g_ema": {}, "d": {}, "args": Call(Global("argparse", "Namespace"))}
    for key, record in records.items():
        room, _, name = key.partition("/")
        if name:
            tree[room][name] = record
        else:
            tree[room] = record
    write_zip(path, arrays, tree)
