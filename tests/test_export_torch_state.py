import dataclasses

import jax
import numpy as np

from gancmri_jax.export.torch_state import export_torch
from gancmri_jax.model.convert import convert
from gancmri_jax.weights.stylegan2_files import read_foreign
from gancmri_jax.weights.torch_files import read_notes, read_torch
from tests import foreign

CARD = {"licence": "CC0", "note": "Hërz", "fit": {"counts": {"ed_to_es": 3}}}


def test_there_and_back_is_bit_for_bit(tmp_path):
    """Names, values, w_avg, noise, the discriminator's groups; and the card goes along."""
    source, out = tmp_path / "net.pkl", tmp_path / "net.pt"
    foreign.write_ada(source, foreign.generator(), foreign.discriminator())
    model, judge = convert(read_foreign(source), source.name)
    model = dataclasses.replace(model, card={**model.card, **CARD})
    export_torch(model, judge, out)
    tensors = read_torch(out)
    for room, state in (("G_ema", foreign.generator()), ("D", foreign.discriminator())):
        assert {n for n in tensors if n.startswith(f"{room}/")} == {f"{room}/{n}" for n in state}
        for name, array in state.items():
            np.testing.assert_array_equal(tensors[f"{room}/{name}"], array)
    assert read_notes(out)["mbstd_group_size"] == 2

    back, back_judge = convert(read_foreign(out), out.name)
    assert back.fingerprint == model.fingerprint and back.generator == model.generator
    for name in ("params", "noise", "w_avg"):
        jax.tree.map(np.testing.assert_array_equal, getattr(model, name), getattr(back, name))
    assert back_judge.network == judge.network
    jax.tree.map(np.testing.assert_array_equal, judge.params, back_judge.params)
    assert (back.card["licence"], back.card["note"]) == ("CC0", "Hërz")
    assert "fit" not in back.card  # as the motion it tells of
    assert back.card["converted"]["kind"] == "stylegan2-ada-pytorch state"

    export_torch(back, None, out)
    assert not any(name.startswith("D/") for name in read_torch(out))
    assert convert(read_foreign(out), out.name)[1] is None
