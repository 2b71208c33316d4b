import csv

import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.experiments.temporal_superres import (
    METHODS,
    Recovery,
    Row,
    draw_strangest,
    halfway,
    halve,
    recover_all,
    strangest,
    summarize,
    verdict,
    write_rows,
)
from gancmri_jax.latents.codes import Codes
from gancmri_jax.video.render import render_uint8
from tests.tiny import tiny_model


def disc(column: float) -> np.ndarray:
    """A soft bright disc in a frame of 32²."""
    y, x = np.mgrid[:32, :32]
    edge = np.hypot(y - 16, x - column) - 6
    return (20 + 200 / (1 + np.exp(edge))).astype(np.uint8)


def cine(num_frames: int = 16, size: int = 32) -> Cine:
    at = 16 + 3 * np.cos(2 * np.pi * np.arange(num_frames) / num_frames)
    frames = np.stack([disc(column)[:size, :size] for column in at])
    return Cine(frames, (1.0, 1.0), 20.0, "anna", ed_frame=4, es_frame=9)


@pytest.fixture(scope="module")
def model():
    return tiny_model(resolution=32)


def codes_of(model, cines, ws):
    count, frames = ws.shape[:2]
    return Codes(
        ws=ws,
        valid=np.ones((count, frames), bool),
        distances=np.zeros((count, frames), np.float32),
        num_frames=np.full(count, frames),
        ed_frame=np.zeros(count, int),
        es_frame=np.zeros(count, int),
        subjects=[c.subject for c in cines],
    )


@pytest.fixture(scope="module")
def recoveries(model):
    """A random heart that stands still, and one that the model's own codes move."""
    rng = np.random.default_rng(0)
    ws = np.repeat(rng.normal(size=(2, 1, model.num_ws, 8)), 16, axis=1).astype(np.float32)
    ws[1] += np.linspace(0, 1, 16, dtype=np.float32)[:, None, None]
    cines = [
        Cine(render_uint8(model, path), (1.0, 1.0), None, name)
        for name, path in zip(("still", "moving"), ws, strict=True)
    ]
    return recover_all(model, cines, codes_of(model, cines, ws[:, ::2]))


def test_every_second_frame_stays_and_the_beat_lasts_as_long():
    half = halve(cine())
    np.testing.assert_array_equal(half.pixels, cine().pixels[::2])
    assert half.frame_ms == 40.0 and half.ed_frame == 2 and half.es_frame is None


def test_what_is_too_short_or_too_small_is_refused():
    with pytest.raises(InputError, match="anna: has 12 frames; .* needs 13 at least"):
        halve(cine(12))
    with pytest.raises(InputError, match="too small for SSIM"):
        halve(cine(16, 10))


def test_a_still_heart_is_found_by_every_method(recoveries):
    still = recoveries[0]
    assert still.interior == 7 and len(still.removed) == 8
    for method in METHODS:
        assert len(still.ssim[method]) == (7 if method == "latent, t′" else 8)
        np.testing.assert_allclose(still.ssim[method][:7], 1.0, atol=1e-3, err_msg=method)


def test_codes_find_what_the_generator_made_between_them(recoveries):
    moving = recoveries[1]
    assert np.abs(moving.found["latent, t"][:7] - moving.removed[:7]).max() < 0.51
    rows = {row.method: row for row in summarize(recoveries)}
    assert rows["latent, t"].ssim > 0.999 > rows["nearest"].ssim
    assert np.isnan(rows["latent, t′"].ssim_last) and rows["blend"].ssim_last < 1
    by_hand = [r.ssim["nearest"][:7].mean() for r in recoveries]
    assert rows["nearest"].ssim == pytest.approx(np.mean(by_hand))
    gains = np.array(by_hand) - [r.ssim["blend"][:7].mean() for r in recoveries]
    assert rows["nearest"].gain == pytest.approx(gains.mean())
    assert rows["nearest"].gain_error == pytest.approx(abs(gains[0] - gains[1]) / 2)


def test_optical_flow_moves_a_disc_half_the_way():
    middle = halfway(disc(14), disc(17))
    assert middle.max() > 200
    truth = disc(15.5).astype(float)
    blend = (disc(14).astype(float) + disc(17)) / 2
    assert np.abs(middle - truth).mean() < 0.5 * np.abs(blend - truth).mean()


def row(method, ssim, gain, error=0.01):
    return Row(method, ssim, 30.0, gain, error, float("nan"))


def test_the_verdict_says_so_where_blending_wins(tmp_path):
    rows = [row("blend", 0.9, 0), row("optical flow", 0.95, 0.05), row("latent, t", 0.7, -0.2)]
    assert verdict(rows) == (
        "The best with codes, latent, t at 0.7000, does not reach a plain blend of pixels at "
        "0.9000 (-0.20000 ± 0.01000); optical flow without any model reaches 0.9500."
    )
    assert "residual at 0.9600, beats a" in verdict([*rows, row("residual", 0.96, 0.06)])
    assert "cannot be told from" in verdict([*rows, row("residual", 0.91, 0.01)])
    alone = verdict([rows[0], row("residual", 0.96, 0.06, float("nan"))])
    assert alone.endswith("beats a plain blend of pixels at 0.9000 (+0.06000, one video).")
    write_rows(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open() as file:
        assert list(csv.DictReader(file))[2] == {
            "method": "latent, t",
            "ssim": "0.7",
            "psnr": "30",
            "gain": "-0.2",
            "gain_error": "0.01",
            "ssim_last": "",
        }


def test_the_strangest_frame_is_the_one_least_like_its_neighbours(recoveries, tmp_path):
    odd = {name: frames.copy() for name, frames in recoveries[0].found.items()}
    odd["latent, t"][3] = 255 - odd["latent, t"][3]
    first = Recovery(*recoveries[0][:3], odd, *recoveries[0][4:])
    found, frame = strangest([recoveries[1], first])
    assert found is first and frame == 3
    draw_strangest(tmp_path / "strange.png", [first])
    with Image.open(tmp_path / "strange.png") as picture:
        assert picture.width > 2 * picture.height
