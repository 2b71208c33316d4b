import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cine.preprocess import to_uint8
from gancmri_jax.metrics.similarity import ssim
from gancmri_jax.model.file import load_model
from gancmri_jax.projection.project import project
from gancmri_jax.projection.settings import Settings
from gancmri_jax.projection.start import w_statistics


@pytest.mark.slow
def test_codes_of_generated_hearts_are_found_again():
    """The demo model's own frames, from the mean w in 300 steps."""
    model = load_model("demo")
    hearts = model.synthesize(jnp.stack([model.sample(seed) for seed in range(8)]))
    keys = jnp.stack([jax.random.key(seed) for seed in range(8)])
    found = project(model, hearts, keys, Settings(num_steps=300), w_statistics(model))
    rendered = model.synthesize(found.ws, found.noise)
    shown = [to_uint8(np.asarray(images[..., 0])) for images in (rendered, hearts)]
    assert np.median(ssim(*shown)) >= 0.95
