import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.networks.lpips import LPIPS
from gancmri_jax.projection.distance import LpipsFeatures, image_features
from gancmri_jax.projection.search import in_bfloat16
from tests.tiny import tiny_model
from tests.tiny_segmenter import tiny_segmenter

ROOT = pathlib.Path(__file__).parents[1]


def test_feature_maps_see_in_half_precision_what_they_see_in_full():
    images = jax.random.uniform(jax.random.key(0), (2, 16, 16, 1), minval=-1)
    network, colour = LPIPS(), jnp.zeros((1, 16, 16, 3))
    params = jax.jit(network.init)(jax.random.key(1), colour, colour)["params"]
    model = dataclasses.replace(tiny_model(), segmenter=tiny_segmenter())
    for features in (LpipsFeatures(network, params), image_features("cardiac_features", model)):
        full = jax.jit(lambda features, images: features(images))(features, images)
        half = jax.jit(lambda features, images: features(images))(
            in_bfloat16(features), images.astype(jnp.bfloat16)
        )
        assert half.dtype == jnp.bfloat16
        error = jnp.linalg.norm(half.astype(jnp.float32) - full) / jnp.linalg.norm(full)
        assert error < 0.03


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
