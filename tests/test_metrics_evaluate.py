import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.cine.cine import Cine
from gancmri_jax.errors import InputError
from gancmri_jax.metrics import backbones as backbones_module
from gancmri_jax.metrics.backbones import BACKBONES, Backbone
from gancmri_jax.metrics.evaluate import Evaluation
from gancmri_jax.metrics.fvd_table import fvd_table
from gancmri_jax.metrics.names import parse_metric
from gancmri_jax.metrics.protocol import Protocol
from gancmri_jax.metrics.sets import CineSet, GeneratedSet
from gancmri_jax.model.motion import Motion
from tests.tiny import tiny_model


def corners(pixels):
    """Two features: the first pixel and the second, of a frame or of a clip's first frame."""
    flat = pixels.reshape(len(pixels), -1).astype(jnp.float32)
    return flat[:, :2]


@pytest.fixture(autouse=True)
def backbones(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    looked = []

    def make(name):
        def features(batch):
            looked.append(name)
            return jax.jit(corners)(batch)

        return lambda _: Backbone(name, "0" * 64, "none", 8, features)

    for name in ("inception", "i3d"):
        monkeypatch.setitem(BACKBONES, name, make(name))
    monkeypatch.setattr(backbones_module, "fcn_conv4", lambda *_: make("fcn")(None))
    return looked


def source(name, seed, shift=0, videos=8, frames=20):
    values = np.random.default_rng(seed).integers(0, 200, (videos, frames, 16, 16))
    pixels = (values + shift).astype(np.uint8)
    return CineSet(name, [Cine(video, (1.0, 1.0), 30.0, "a") for video in pixels])


REAL, FAKE = source("real", 0), source("fake", 1, shift=50)


def measure(name, real=REAL, fake=FAKE, **protocol):
    return Evaluation(real, fake, Protocol(bootstrap=0, **protocol)).measure(parse_metric(name))


def test_a_shift_of_both_features_is_its_square():
    card = measure("fid100_full")
    assert (card.metric, card.n_real, card.n_fake) == ("fid100_full", 160, 100)
    assert card.value == pytest.approx(2 * 50**2, rel=0.15)
    assert card.floor[0] < 0.05 * card.value and card.floor[1] == 80
    assert (card.ddof, card.backbone, card.size) == (1, "inception", (16, 16))
    assert card.warnings == ()


def test_the_interval_holds_the_value():
    card = Evaluation(REAL, FAKE, Protocol(bootstrap=10)).measure(parse_metric("fid100"))
    assert card.n_real == card.n_fake == 100
    assert card.interval[0] < card.value < card.interval[1]
    assert "10 bootstrap resamples" in card.interval_by


def test_kid_precision_and_recall_share_the_features(backbones):
    evaluation = Evaluation(REAL, FAKE, Protocol(bootstrap=0))
    values = [evaluation.measure(parse_metric(f"{n}100")) for n in ("fid", "kid", "precision")]
    assert len(backbones) == 2 * -(-100 // 8)  # batches of each set, looked at once
    assert values[1].value > values[1].floor[0] and values[1].ddof is None
    assert 0 <= values[2].value <= 1


def test_features_of_the_real_set_are_kept_and_found_again(backbones, tmp_path):
    first = measure("fid100")
    looked = len(backbones)
    assert measure("fid100").value == first.value
    assert len(backbones) == looked + looked // 2  # only the fakes again
    (kept,) = (tmp_path / "cache" / "features").iterdir()
    kept.write_bytes(kept.read_bytes()[:50])
    assert measure("fid100").value == first.value  # cut short, so taken again
    assert measure("fid100", keep_features=False).value == first.value
    assert measure("fid100", real=source("real", 3)).value != first.value


def test_clips_are_one_a_video():
    card = measure("fvd16_equispaced")
    assert (card.n_real, card.n_fake, card.frames) == (8, 8, "16 equispaced")
    model = GeneratedSet("model", tiny_model(), Motion(num_frames=16))
    assert measure("fvd16_consecutive", fake=model).n_fake == 8


def test_pairs_are_compared_video_by_video():
    assert measure("ssim", fake=REAL).value == 1
    card = measure("psnr")
    assert card.n_fake == 8 and 5 < card.value < 15
    with pytest.raises(InputError, match="real has 8 videos, fake has 7"):
        measure("ssim", fake=source("fake", 1, videos=7))
    with pytest.raises(InputError, match=r"video 0 is \(20, 16, 16\) in real and \(19, 16, 16\)"):
        measure("ssim", fake=source("fake", 1, frames=19))


def test_movement_is_told_beside_the_real_sets():
    card = measure("roughness")
    assert card.value == pytest.approx(3**0.5, rel=0.05)  # frames are independent
    assert "8 real ones" in card.details and card.n_real == 0


def test_a_segmenters_distance_is_never_called_cfid():
    with pytest.raises(InputError, match="needs a model with a segmenter"):
        measure("fcn_fd100")
    card = measure("fcn_fd100", segmenter=(None, "demo"))
    assert card.metric == "fcn_fd100"
    with pytest.raises(InputError, match="cardiac-fcn"):
        measure("cfid100")


def test_what_cannot_be_measured_is_refused(monkeypatch):
    with pytest.raises(InputError, match="has 160 frames and fid1k takes 1000; ask for fid160"):
        measure("fid1000")
    small = CineSet("small", [Cine(np.zeros((5, 8, 8), np.uint8), (1.0, 1.0), 30.0, "a")])
    with pytest.raises(InputError, match=r"real has frames of \(16, 16\), small of \(8, 8\)"):
        measure("fid4", fake=small)
    with pytest.raises(InputError, match="ppl_wend measures a model, and fake is not one"):
        measure("ppl_wend")
    broken = Backbone("inception", "1", "none", 8, lambda x: np.full((len(x), 2), np.nan))
    monkeypatch.setitem(BACKBONES, "inception", lambda _: broken)
    with pytest.raises(InputError, match="real: inception gives features that are not finite"):
        measure("fid100")


def test_fewer_samples_than_features_are_told(monkeypatch):
    wide = Backbone("inception", "2", "none", 8, jax.jit(lambda x: x.reshape(len(x), -1) / 1.0))
    evaluation = Evaluation(REAL, FAKE, Protocol(bootstrap=0, keep_features=False))
    monkeypatch.setitem(BACKBONES, "inception", lambda _: wide)
    (warning,) = evaluation.measure(parse_metric("fid100")).warnings
    assert warning.startswith("100 samples are fewer than the 256 features")


def test_the_papers_table_has_every_pair_once():
    seeds = {"real": (0, 0), "fake": (1, 50), "again": (2, 0)}
    sets = {n: source(n, seed, shift, videos=80, frames=16) for n, (seed, shift) in seeds.items()}
    table, clips = fvd_table(sets, parse_metric("fvd16_equispaced"), Protocol())
    assert clips == 40 and len(table) == 6
    for like in ("real", "again"):
        assert table["real", like] < 0.3 * table["real", "fake"]
