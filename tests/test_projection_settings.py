import pytest

from gancmri_jax.projection.settings import Settings


@pytest.mark.parametrize(
    ("num_steps", "chunk", "looks"),
    [
        (1, 1, 1),
        (10, 10, 1),
        (50, 10, 5),
        (250, 25, 10),
        (300, 15, 20),
        (1000, 50, 20),
        (37, 10, 4),
    ],
)
def test_chunks_come_out_even_where_they_can(num_steps, chunk, looks):
    settings = Settings(num_steps=num_steps)
    assert (settings.chunk, settings.num_looks) == (chunk, looks)
