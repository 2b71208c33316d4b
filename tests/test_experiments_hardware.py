import jax

from gancmri_jax.experiments.hardware import hardware


def test_hardware_is_told_without_names():
    told = hardware()
    if jax.default_backend() == "cpu":
        assert told.split(" ")[1:3] == ["CPU", "cores"] and int(told.split(" ")[0]) >= 1
    else:
        assert told == f"{jax.device_count()} × {jax.devices()[0].device_kind}"
