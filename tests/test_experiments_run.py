import html.parser
import json

import numpy as np
import pytest

from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.phantom.write import write_phantoms
from gancmri_jax.cine.records import write_records
from gancmri_jax.cine.video_file import write_mp4, write_png
from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS
from gancmri_jax.errors import InputError
from gancmri_jax.experiments import run as module
from gancmri_jax.experiments import run_stages as stages
from gancmri_jax.experiments.run import RunOptions, run
from gancmri_jax.experiments.run_report import Study, report_blocks
from gancmri_jax.metrics.backbones import BACKBONES
from gancmri_jax.model.file import load_model, save_model
from gancmri_jax.page import render_html
from tests.tiny import tiny_config, tiny_model


class Page(html.parser.HTMLParser):
    """Gathers a page's text and what it refers to."""

    def __init__(self, page):
        super().__init__()
        self.text, self.sources = "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of 8² frames in three splits."""
    folder = tmp_path_factory.mktemp("records") / "records"
    rng = np.random.default_rng(0)

    def hearts(first, count):
        pixels = rng.integers(0, 256, (count, 6, 8, 8)).astype(np.uint8)
        return [Cine(p, (9.0, 9.0), 30.0, f"s{i}") for i, p in enumerate(pixels, first)]

    splits = {"train": hearts(0, 5), "validation": hearts(5, 1), "test": hearts(6, 1)}
    write_records(folder, splits)
    (folder / "phenotypes.csv").write_text("subject,lv_area_ed_cm2\ns0,20\ns1,24\n")
    return folder


@pytest.fixture
def calls(monkeypatch):
    """Stand-ins for the stages; the list has the stages that were done, each once it is done."""
    done = []

    def stand_in(name, result, writes=lambda *arguments: None):
        def work(*arguments):
            writes(*arguments)
            done.append(name)
            return result

        monkeypatch.setattr(stages, name, work)

    def metric(name, *_):
        if name.startswith("fid"):
            raise InputError("inception: not in the cache")
        done.append(name)
        return {"line": f"{name} = 1"}

    def save(folder):
        folder.mkdir(parents=True)
        save_model(tiny_model(resolution=8), folder / "model.safetensors")

    stand_in("train_model", {"kimg": 1}, lambda config, records, workdir: save(workdir))
    stand_in("project_cines", {"frames": 1, "videos": 1, "line": "near"})
    stand_in(
        "fit_model", {"motions": {}, "directions": {}}, lambda model, *a: save_model(model, a[-1])
    )
    stand_in("synthesize", {"hearts": 1})
    stand_in("audit", {"lines": ["no copies"]})
    monkeypatch.setattr(stages, "measure_metric", metric)
    monkeypatch.setattr(module, "report_blocks", lambda study: study)
    monkeypatch.setattr(module, "write_report", lambda out, study: done.append(study))
    return done


def test_a_study_goes_through_all_stages_once(records, tmp_path, calls):
    out, told = tmp_path / "study", []
    options = RunOptions(beats=2, pairs=2)
    report = run(records, out, config=tiny_config(), options=options, tell=told.append)
    assert report == out / "report.html"
    *done, study = calls
    assert done == [
        *("train_model", "project_cines", "project_cines", "fit_model", "synthesize"),
        *("fcn_fd6", "fvd16_equispaced", "roughness", "closure", "audit"),
    ]
    assert study.missing == {"fid6": "inception: not in the cache"}
    assert study.results["records"]["videos"] == {"train": 5, "validation": 1, "test": 1}
    assert "fid6: left out: inception: not in the cache" in told
    assert load_model(out / "model.safetensors").segmenter is not None  # the borrowed one

    calls.clear()
    run(records, out, config=tiny_config(), options=options)
    assert len(calls) == 1  # the report alone; the metric is tried again, and still cannot be had


def test_a_study_that_broke_off_goes_on(records, tmp_path, calls, monkeypatch):
    out, fit = tmp_path / "study", stages.fit_model

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "fit_model", killed)
    with pytest.raises(KeyboardInterrupt):
        run(records, out, config=tiny_config())
    assert calls == ["train_model", "project_cines"]  # there are fewer videos than beats
    monkeypatch.setattr(stages, "fit_model", fit)
    run(records, out, config=tiny_config())
    assert calls[2:4] == ["fit_model", "synthesize"]


def test_other_options_are_refused(records, tmp_path, calls):
    out = tmp_path / "study"
    run(records, out, config=tiny_config())
    again = [
        (dict(config=tiny_config(), options=RunOptions(beats=3, steps=4)), "beats and steps"),
        (dict(config=tiny_config(seed=1)), "config"),
        (dict(model="demo"), "config and model and prepare.size"),
    ]
    for changed, said in again:
        with pytest.raises(InputError, match=f"another {said}; choose another --out"):
            run(records, out, **changed)


def test_what_cannot_begin_leaves_nothing(records, tmp_path):
    out = tmp_path / "study"
    with pytest.raises(InputError, match="no such file or folder"):
        run(tmp_path / "nowhere", out, model="demo")
    with pytest.raises(InputError, match="lies inside the input"):
        run(tmp_path, out, model="demo")
    with pytest.raises(InputError, match="give a model, or a configuration"):
        run(records, out)
    assert not out.exists()


def results(folder):
    """Return what the stages of a study leave, with its pictures."""
    for name in ("lv_area", "memorisation/closest_pixel", "codes/beats-report/worst"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{name}.png", np.zeros((8, 8), np.uint8))
    write_mp4(folder / "hearts.mp4", np.zeros((2, 8, 8), np.uint8), 30.0)
    card = dict(metric="fcn_fd6", value=1.25, interval=[1, 2], n_real=6, n_fake=6)
    card |= dict(floor=[0.5, 3], details="by halves", warnings=["6 samples are few"])
    projected = dict(videos=2, frames=12, steps=3, start="mean", line="mean 0.2", flagged=1)
    motion = dict(peak=0.9, frame=3, closure=1.0, roughness=0.25)
    fit = dict(motions={"closed": motion}, counts={"closed": 2}, calibration="× 2")
    fit |= dict(fac_percent=40.0, directions={"lv_area": 2}, flagged_left_out=1)
    fit |= dict(left_out=["phenotype directions: too few"])
    audit = dict(spaces=[{"space": "pixel"}], lines=["pixel: 0 % are copies"])
    counts = {"train": 5, "test": 1}
    found = {
        "records": dict(subjects=counts, videos=counts, frames=counts, refused=2),
        "beats": projected,
        "fit": fit,
        "synthesize": dict(hearts=4, guided=["lv_area"], beside=1),
        "fcn_fd6": card,
        "memorisation": audit,
    }
    return {name: {**result, "seconds": 1.5} for name, result in found.items()}


def test_the_report_is_one_file_that_says_everything(tmp_path):
    study = Study(
        results=results(tmp_path),
        missing={"fid6": "inception: not in the cache"},
        metrics=["fcn_fd6", "fid6"],
        folder=tmp_path,
        model=("demo", "abc"),
        size=8,
        options={"beats": 2},
        borrowed_segmenter=True,
        measured_phenotypes=True,
    )
    page = Page(render_html(report_blocks(study), tmp_path))
    assert len(page.sources) == 4 and all(s.startswith("data:") for s in page.sources)
    for said in (
        "6 cines at 8×8 pixels and the model demo",
        "protect it like the images",
        "Not done, fid6: inception: not in the cache.",
        "1.25",
        "1 to 2",
        "0.5 at 3",
        "6 samples are few.",
        "pixel: 0 % are copies.",
        "copies of these records only",
        "median fractional area change of 40.0 %: × 2.",
        "Not learned: phenotype directions: too few.",
        "2 files were refused",
        NOT_FOR_DIAGNOSIS,
    ):
        assert said in page.text, said


@pytest.mark.slow
def test_twelve_phantoms_become_a_report(tmp_path, monkeypatch):
    def refused(*_):
        raise InputError("not in the cache; get it by `gancmri weights fetch`")

    for name in ("i3d", "inception"):
        monkeypatch.setitem(BACKBONES, name, refused)
    cines, out = tmp_path / "cines", tmp_path / "study"
    write_phantoms(cines, range(12), 32, 8, 0)
    options = RunOptions(beats=2, pairs=3, steps=2, distance="multiscale_pixel", videos=1, frames=8)
    report = run(cines, out, config=tiny_config(), options=options)
    page = Page(report.read_text())
    assert all(source.startswith("data:") for source in page.sources)
    assert sum(source.startswith("data:video/mp4") for source in page.sources) == 1
    for said in ("fcn_fd8", "roughness", "Not done, fid8", "Not done, memorisation", "training"):
        assert said in page.text, said
    model = load_model(out / "model.safetensors")
    assert "lv_area" in model.directions and model.motion.names
    assert {p.name for p in (out / "videos").iterdir()} == {"heart-0000.mp4", "heart-0000.gif"}
    before = {p: p.stat().st_mtime_ns for p in (out / "stages").iterdir()}
    assert run(cines, out, config=tiny_config(), options=options) == report
    assert before == {p: p.stat().st_mtime_ns for p in (out / "stages").iterdir()}
    fit = json.loads((out / "stages" / "fit.json").read_text())
    assert set(fit["motions"]) >= set(model.motion.names) - {"ed-to-es", "frame-to-frame"}
