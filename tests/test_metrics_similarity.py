import numpy as np
import pytest
from skimage.metrics import structural_similarity

from gancmri_jax.metrics.similarity import psnr, ssim

NOISE = np.random.default_rng(0).integers(0, 256, (3, 24, 20)).astype(np.uint8)


def test_it_is_that_of_scikit_image():
    a, b = NOISE[:2].astype(float)
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    assert ssim(a, b) == pytest.approx(structural_similarity(a, b, **options), abs=1e-6)


def test_constant_pictures_by_hand():
    """Only luminance counts: (2 · 100 · 110 + c1) / (100² + 110² + c1), c1 = 2.55²."""
    a, b = np.full((16, 16), 100, np.uint8), np.full((16, 16), 110, np.uint8)
    assert ssim(a, b) == pytest.approx((22000 + 6.5025) / (22100 + 6.5025), rel=1e-9)
    assert psnr(a, b) == pytest.approx(10 * np.log10(255**2 / 100))


def test_a_picture_is_like_itself_and_unlike_its_negative():
    np.testing.assert_allclose(ssim(NOISE, NOISE), 1)
    assert np.isinf(psnr(NOISE, NOISE)).all()
    assert (ssim(NOISE, 255 - NOISE) < 0).all()


def test_a_window_weighs_as_written_in_the_paper():
    """One window, 11×11, by the definition."""
    a, b = NOISE[0, :11, :11].astype(float), NOISE[1, :11, :11].astype(float)
    at = np.arange(11) - 5
    weights = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    mean = lambda x: (weights * x).sum()  # noqa: E731
    mu_a, mu_b, c1, c2 = mean(a), mean(b), 2.55**2, 7.65**2
    var_a, var_b = mean((a - mu_a) ** 2), mean((b - mu_b) ** 2)
    cov = mean((a - mu_a) * (b - mu_b))
    expected = (2 * mu_a * mu_b + c1) / (mu_a**2 + mu_b**2 + c1)
    expected *= (2 * cov + c2) / (var_a + var_b + c2)
    found = ssim(NOISE[0, :11, :11], NOISE[1, :11, :11])
    assert found == pytest.approx(expected, rel=1e-9)


def test_only_some_pixels_are_compared():
    a, b = NOISE[:2], NOISE[1:]
    where = np.zeros(a.shape, bool)
    where[:, 8:16, 8:16] = True
    changed = np.where(where, b, 255 - b)
    np.testing.assert_allclose(psnr(a, changed, where), psnr(a, b, where))
    part = psnr(a[:, 8:16, 8:16], b[:, 8:16, 8:16])
    np.testing.assert_allclose(psnr(a, b, where), part)
    everywhere = np.ones_like(where)
    np.testing.assert_allclose(ssim(a, b, everywhere), ssim(a, b))
    assert (ssim(a, np.where(where, a, b), where) > ssim(a, b, where)).all()
    assert np.isnan(psnr(a, b, ~everywhere)).all()
