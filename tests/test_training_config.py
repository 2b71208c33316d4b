import pytest
from ml_collections import ConfigDict

from gancmri_jax.errors import InputError
from gancmri_jax.training.config import check_config
from tests.tiny import tiny_config


def test_a_sound_configuration_passes():
    check_config(tiny_config())
    check_config(tiny_config(ema_rampup=0.05, dtype="bfloat16", r1_gamma=None, ada_target=0.6))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("mapping_layers", 0),
        ("learning_rate", 0.0),
        ("total_kimg", -1.0),
        ("r1_gamma", -1.0),
        ("seed", 2**32),
        ("style_mixing", 1.5),
        ("ema_rampup", 0.0),
        ("resolution", 48),
        ("resolution", 4),
        ("channel_base", 4),
        ("dtype", "float16"),
        ("accumulate", 0),
        ("ada_target", 1.0),
        ("clamp", 0.0),
        ("inversion_learning_rate", 0.0),
        ("distance_frames", 3),
        ("anneal_kimg", -1.0),
        ("anneal_kimg", 99.0),
    ],
)
def test_what_cannot_be_trained_with_is_named(name, value):
    with pytest.raises(InputError, match=rf"config\.{name} must be .*, got {value}"):
        check_config(tiny_config(**{name: value}))


def test_keys_too_few_and_too_many_are_named():
    config = tiny_config().to_dict()
    with pytest.raises(InputError, match="key learning_rat; did you mean learning_rate"):
        check_config(ConfigDict({**config, "learning_rat": 1.0}))
    del config["seed"]
    with pytest.raises(InputError, match="has no seed"):
        check_config(ConfigDict(config))


def test_stages_that_nothing_precedes_are_refused():
    with pytest.raises(InputError, match="inversion_kimg needs an inversion_learning_rate"):
        check_config(tiny_config(inversion_kimg=1.0))
    with pytest.raises(InputError, match="d_warmup_kimg .*: give init_from or inversion_kimg"):
        check_config(tiny_config(d_warmup_kimg=1.0))
    check_config(tiny_config(d_warmup_kimg=1.0, init_from="demo"))
    learned = {"inversion_kimg": 1.0, "inversion_learning_rate": 0.002}
    check_config(tiny_config(d_warmup_kimg=1.0, **learned))
