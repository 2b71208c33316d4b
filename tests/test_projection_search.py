import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]

_DEVICES = """
import json
import jax
import jax.numpy as jnp
from gancmri_jax.projection.projector import Settings, first_gradient, project, w_statistics
from tests.tiny import tiny_model

devices, jax.local_devices = jax.local_devices(), None
model = tiny_model(resolution=8)
statistics = w_statistics(model)
targets = model.synthesize(model.map(jax.random.normal(jax.random.key(5), (8, 8))))
keys = jnp.stack([jax.random.key(seed) for seed in range(8)])
for number in (1, 4, 8):
    jax.local_devices = lambda: devices[:number]
    found = project(model, targets, keys, Settings(num_steps=150), statistics)
    print(json.dumps(found.distances.tolist()))
"""


@pytest.mark.slow
def test_devices_share_a_batch_and_find_the_same():
    process = subprocess.run(
        [sys.executable, "-c", _DEVICES],
        cwd=ROOT,
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    one, four, eight = (np.array(json.loads(line)) for line in process.stdout.splitlines())
    assert one.shape == (8,) and (one > 0).all()
    np.testing.assert_allclose(four, one, rtol=0.02)
    np.testing.assert_allclose(eight, one, rtol=0.02)
