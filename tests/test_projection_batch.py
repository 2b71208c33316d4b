from gancmri_jax.projection.batch import batch_in, step_bytes, suitable_batch
from gancmri_jax.projection.settings import Settings
from tests.tiny import tiny_model


def test_a_cpu_takes_fewer_large_frames(monkeypatch):
    import jax

    devices = len(jax.local_devices())
    assert suitable_batch(tiny_model(resolution=64), Settings()) == 8 * devices


def test_memory_says_how_many_frames_fit(monkeypatch):
    model = tiny_model(resolution=8)
    # 100 bytes and 10 a frame: 250 bytes hold fifteen, of which eight are a power of two.
    needs = lambda model, settings, frames: 100 + 10 * frames  # noqa: E731
    monkeypatch.setattr("gancmri_jax.projection.batch.step_bytes", needs)
    assert batch_in(250, model, Settings()) == 8
    assert batch_in(260, model, Settings()) == 16
    assert batch_in(0, model, Settings()) == 1
    assert batch_in(1e9, model, Settings()) == 256


def test_a_step_needs_more_memory_for_more_frames():
    model = tiny_model(resolution=8)
    few, many = (step_bytes(model, Settings(), frames) for frames in (2, 16))
    a_frame = 4 * 8 * 8 * 8  # one activation of eight channels at 8²
    assert many - few > 14 * a_frame
