import html.parser
import json

import numpy as np
import pytest
from PIL import Image

from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.prepare import Options, prepare


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    (root / "study").mkdir()
    rng = np.random.default_rng(0)
    for i in range(11):
        frames = rng.integers(0, 1000, (4 + i % 2, 12, 10 + i // 10), dtype=np.int16)
        write_nifti(root / f"study/patient{i}.nii.gz", frames, (1.5, 1.25), 200.0)
    copied = (root / "study/patient0.nii.gz").read_bytes()
    (root / "study/patient11.nii.gz").write_bytes(copied)
    (root / "study/patient<b>.nii.gz").write_bytes(b"torn")
    prepare(root / "study", root / "out", Options(size=16, keep_ids=True), on_refusal=str)
    return root / "out"


def test_numbers(out):
    report = json.loads((out / "report.json").read_text())
    assert report["sizes"] == {"12 × 10": 11, "12 × 11": 1}
    assert report["frames_per_video"] == {"known": 12, "least": 4, "median": 4.0, "most": 5}
    assert report["spacing_mm"] == {"known": 24, "least": 1.25, "median": 1.375, "most": 1.5}
    assert report["heart_rate_bpm"] == {"known": 12, "least": 60, "median": 75, "most": 75}
    assert sum(report["intensity_histogram"]) == pytest.approx(1, abs=1e-3)
    (twice,) = report["duplicates"]
    assert twice["subjects"] == ["patient0", "patient11"] and twice["pixels"] == "equal"
    assert [r["subject"] for r in report["refused"]] == ["patient<b>"]
    splits = {cine["subject"]: cine["split"] for cine in report["cines"]}
    assert splits["patient0"] == splits["patient11"]
    assert sum(report["videos"].values()) == 12


def test_the_grid_shows_a_frame_of_each(out):
    grid = np.asarray(Image.open(out / "report.png"))
    assert grid.shape == (2 * 96, 8 * 96)
    assert grid[:96].std() > 10 and not grid[96:, 4 * 96 :].any()


def test_the_page_needs_nothing_else(out):
    page = (out / "report.html").read_text()

    class Assets(html.parser.HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag, attributes):
            assert tag not in ("script", "link", "iframe", "object", "b")
            self.found += [v for k, v in attributes if k in ("src", "href")]

    Assets().feed(page)
    assert [asset[:22] for asset in Assets.found] == ["data:image/png;base64,"]
    assert "http" not in page and "url(" not in page
    assert "patient0 and patient11" in page and "patient&lt;b&gt;" in page
    assert "broken or no NIfTI file" in page
