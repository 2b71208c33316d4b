"""Other projects' networks, converted and saved, compute what they computed there."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cli.convert import command
from gancmri_jax.errors import InputError
from gancmri_jax.latents.truncation import mix_styles, truncate
from gancmri_jax.model.convert import LICENCE, convert
from gancmri_jax.model.file import load_discriminator, load_model, save_model
from gancmri_jax.training.losses import (
    discriminator_loss,
    generator_loss,
    path_lengths,
    r1_squared_norms,
)
from gancmri_jax.weights.stylegan2_files import read_foreign
from tests import foreign
from tests.test_stylegan2_reference import assert_close

PICKLES = ["stylegan2_tf_res32.pkl", "stylegan2_ada_pytorch_res32.pkl"]


@functools.partial(jax.jit, static_argnums=(0, 1))
def compute(generator, network, g, d, w_avg, noise, given):
    """Return every array of the reference from its inputs, NHWC."""

    def render(ws, maps):
        return generator.apply({"params": g}, ws, maps, method="synthesize")

    def judge(images):
        return network.apply({"params": d}, images)

    w = generator.apply({"params": g}, given["z"], method="map")
    ws = jnp.repeat(w[:, None], generator.num_ws, axis=1)
    mixed = mix_styles(ws, ws[::-1], 3)
    images = render(ws, noise)
    real, fake = judge(given["real"]), judge(images)
    lengths, gradients = path_lengths(lambda ws: render(ws, noise), ws, given["pl_noise"])
    return {
        "ws": ws,
        "ws_trunc07": truncate(ws, w_avg, 0.7),
        "ws_trunc05_cutoff4": truncate(ws, w_avg, 0.5, cutoff=4),
        "ws_mix": mixed,
        "img_noise_none": render(ws, None),
        "img_noise_const": images,
        "img_mix_noise_const": render(mixed, noise),
        "logits_real": real[:, None],
        "logits_fake": fake[:, None],
        "logits_real8": judge(given["real8"])[:, None],
        "r1_grad_sq_sum": r1_squared_norms(judge, given["real"]),
        "g_loss": generator_loss(fake)[:, None],
        "d_loss": discriminator_loss(real, fake),
        "pl_lengths": lengths,
        "pl_grads": gradients,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKLES)
def test_reference_pickles_give_every_reference_array(shared, tmp_path, name):
    out = tmp_path / "model.safetensors"
    source = shared / "reference" / name
    result = CliRunner().invoke(command, ["--input", str(source), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "discriminator: taken along" in result.output and LICENCE in result.output

    model, judge = load_model(out), load_discriminator(out)
    assert model.card["converted"]["file"] == name and model.card["licence"] == LICENCE
    arrays = dict(np.load(shared / "reference" / "stylegan2_res32.npz"))
    wanted = {k.removeprefix("out/"): a for k, a in arrays.items() if k.startswith("out/")}
    wanted = {k: a.transpose(0, 2, 3, 1) if a.ndim == 4 else a for k, a in wanted.items()}
    given = {key: wanted.pop(key) for key in ("z", "real", "real8", "pl_noise")}
    found = compute(
        model.generator, judge.network, model.params, judge.params, model.w_avg, model.noise, given
    )
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        assert_close(found[key], array)


def test_a_converted_model_comes_back_from_its_file(tmp_path):
    """In colour, with a discriminator of groups of two, and with a card that names its source."""
    source, out = tmp_path / "net.pkl", tmp_path / "model.safetensors"
    g, d = foreign.generator(resolution=8), foreign.discriminator(resolution=8)
    foreign.write_ada(source, g, d)
    model, judge = convert(read_foreign(source), source.name)
    save_model(model, out, judge)
    loaded, loaded_judge = load_model(out), load_discriminator(out)
    assert loaded.generator == model.generator and loaded.card == model.card
    assert loaded_judge.network == judge.network and loaded_judge.network.mbstd_group == 2
    for before, after in ((model.params, loaded.params), (judge.params, loaded_judge.params)):
        jax.tree.map(np.testing.assert_array_equal, before, after)
    images = loaded.render(jnp.zeros((2, loaded.num_ws, loaded.w_dim)), at_once=2)
    assert images.shape == (2, 8, 8, 3)
    logits = jax.jit(loaded_judge.network.apply)({"params": loaded_judge.params}, images)
    assert logits.shape == (2,) and np.isfinite(logits).all()


def test_the_mean_of_w_is_estimated_where_a_file_has_none(tmp_path):
    """A mapping that is one layer without bias halves what is negative: E w is known."""
    source = tmp_path / "net.pt"
    g = foreign.generator(z_dim=6, mapping_layers=1)
    g["mapping.fc0.weight"] = np.eye(6, dtype=np.float32) * 6**0.5 / 0.01
    g["mapping.fc0.bias"] = np.zeros(6, np.float32)
    foreign.write_rosinality(source, g, foreign.discriminator())
    model, _ = convert(read_foreign(source), source.name)
    # w = √2·lrelu(z), z of unit second moment in 6 dimensions: E|z_i| = √6·Γ(3)/(Γ(7/2)·√π).
    mean = 2**0.5 * 0.4 * 6**0.5 * 2 / (3.3233509704478426 * 3.141592653589793**0.5)
    np.testing.assert_allclose(model.w_avg, mean, atol=0.04)
    assert "mean of 10000" in model.card["converted"]["w_avg"]


def test_a_discriminator_that_is_missing_or_broken_is_refused(tmp_path):
    path, source = tmp_path / "model.safetensors", tmp_path / "net.pkl"
    foreign.write_ada(source, foreign.generator(), foreign.discriminator())
    model, judge = convert(read_foreign(source), source.name)
    save_model(model, path)
    with pytest.raises(InputError, match="model.safetensors: has no discriminator"):
        load_discriminator(path)
    judge.params["b4_out"]["bias"] = judge.params["b4_out"]["bias"] * np.nan
    save_model(model, path, judge)
    with pytest.raises(InputError, match="values that are not finite"):
        load_discriminator(path)
    assert load_model(path).fingerprint == model.fingerprint
    judge.params["b4_out"]["bias"] = np.zeros(2, np.float32)
    save_model(model, path, judge)
    with pytest.raises(InputError, match="not those of its sizes"):
        load_discriminator(path)
