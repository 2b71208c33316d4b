"""The explorer in a real browser, with the embedded model and with one that projects quickly."""

import dataclasses
import pathlib
import re
import shutil

import numpy as np
import pytest

from gancmri_jax.apps.explorer import choice as explorer_choice
from gancmri_jax.apps.explorer.app import explorer_app
from gancmri_jax.cine.nifti import read_nifti, write_nifti
from gancmri_jax.model.file import load_model
from tests.browser import served
from tests.tiny import tiny_model

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-browser")),
    reason="needs chromium; on Debian, apt-get install chromium",
)

DRAWN = "#canvas-a[data-frame]"
PIXELS = """id => {
    const canvas = document.getElementById(id);
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 4 === 0);
}"""
MOVE = """(slider, value) => {
    slider.value = value;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
}"""

WITHIN = "([low, high]) => { const ed = parseFloat(document.getElementById('readout-a')"
WITHIN += ".textContent.slice(3)); return low <= ed && ed < high; }"
LARGER = "area => parseFloat(document.getElementById('readout-a').textContent.slice(3)) > area"


@pytest.fixture(scope="module")
def demo():
    app = explorer_app(load_model("demo"), "demo")
    with served(app) as url:
        yield url
    app.state.close()


@pytest.fixture(scope="module")
def tiny():
    model = dataclasses.replace(tiny_model(), card={"spacing_mm": [2.5, 2.0]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer_choice, "PROJECTION_STEPS", 2)
        app = explorer_app(model, "tiny", most_upload_bytes=2**16)
        with served(app) as url:
            yield url
        app.state.close()


def pixels(page, pane="a"):
    return np.array(page.evaluate(PIXELS, f"canvas-{pane}"))


def settled(page):
    """Wait until both hearts are those that were asked for."""
    page.wait_for_selector("#panes[aria-busy=false]")
    page.wait_for_timeout(50)


def paused(page, url):
    page.goto(f"{url}/#paused=0.0000")
    page.wait_for_selector(DRAWN)
    settled(page)


@pytest.mark.slow
def test_a_heart_beats_on_first_paint(page, demo):
    page.goto(demo)
    page.wait_for_selector(DRAWN)
    for pane in "ab":
        assert pixels(page, pane).std() > 20
    first = page.locator("#canvas-a").get_attribute("data-frame")
    page.wait_for_selector(f"#canvas-a[data-frame]:not([data-frame='{first}'])")
    assert page.locator("#motion-a").input_value() == "frame-to-frame"
    assert page.locator("#motion-b").input_value() == "ed-to-es"


@pytest.mark.slow
def test_sliders_move_the_heart_and_what_is_measured_of_it(page, demo):
    paused(page, demo)
    readout = page.locator("#readout-a")
    area = re.compile(r"ED (\d+\.\d), ES (\d+\.\d) cm² · FAC \d+ % · sphericity 0\.\d\d")
    page.wait_for_selector("#readout-a:has-text('sphericity')")
    before, small = pixels(page), float(area.fullmatch(readout.inner_text())[1])
    other = pixels(page, "b")
    page.locator("#direction-lv_area").evaluate(MOVE, 2)
    settled(page)
    assert np.abs(pixels(page) - before).mean() > 2
    assert np.abs(pixels(page, "b") - other).mean() > 2  # both, as they are bound together
    assert page.locator("#direction-lv_area + output").inner_text() == "+2.0"
    page.wait_for_function(LARGER, arg=small + 3)
    page.locator("[data-edit=b]").click()
    first, second = pixels(page), pixels(page, "b")
    page.locator("#next").click()
    settled(page)
    np.testing.assert_array_equal(pixels(page), first)
    assert np.abs(pixels(page, "b") - second).mean() > 2
    page.locator("#reset").click()
    assert page.locator("#direction-lv_area + output").inner_text() == "0.0"


@pytest.mark.slow
def test_a_heart_is_made_to_measure_what_is_asked_for(page, demo):
    page.goto(f"{demo}/#view=one&paused=0.0000")
    page.wait_for_selector(DRAWN)
    page.locator("#aim [name=lv_area_ed_cm2]").fill("31")
    page.keyboard.press("Enter")
    page.wait_for_selector("#status:has-text('; moved by lv_area')")
    assert page.locator("#direction-lv_area").input_value() != "0"
    page.wait_for_function(WITHIN, arg=[30, 33])  # as the curve finds it as well
    page.locator("#aim [name=lv_area_ed_cm2]").fill("900")
    page.locator("#aim button").click()
    page.wait_for_selector("#status.bad:has-text('cannot be reached')")
    page.expected.append("status of 400")


@pytest.mark.slow
def test_dragging_shows_the_last_value_in_the_end(page, demo):
    paused(page, demo)
    slider = page.locator("#direction-lv_area")
    for value in np.linspace(-3, 3, 13):
        slider.evaluate(MOVE, float(value))
    settled(page)
    dragged = pixels(page)
    page.reload()
    page.wait_for_selector(DRAWN)
    settled(page)
    np.testing.assert_array_equal(pixels(page), dragged)


@pytest.mark.slow
def test_a_link_brings_everything_back(page, demo, browser):
    paused(page, demo)
    page.locator("[data-edit=a]").click()
    page.locator("#seed").fill("12")
    page.locator("#truncation").evaluate(MOVE, 0.5)
    page.locator("#direction-sphericity_index").evaluate(MOVE, -1.5)
    page.locator("#speed").select_option("0.5")
    page.locator("#loop").uncheck()
    page.locator("#scrub").evaluate(MOVE, 400)
    settled(page)
    shown = pixels(page), pixels(page, "b")
    page.wait_for_timeout(300)  # the address follows at a distance
    elsewhere = browser.new_page()
    elsewhere.goto(page.url)
    elsewhere.wait_for_selector(DRAWN)
    settled(elsewhere)
    for pane, expected in zip("ab", shown, strict=True):
        np.testing.assert_array_equal(pixels(elsewhere, pane), expected)
    values = {"#seed": "12", "#truncation": "0.5", "#direction-sphericity_index": "-1.5"}
    for field, value in values.items():
        assert elsewhere.locator(field).input_value() == value
    assert elsewhere.locator("#speed").input_value() == "0.5"
    assert not elsewhere.locator("#loop").is_checked()
    assert elsewhere.locator("#play").inner_text() == "Play"
    assert elsewhere.locator("#position").inner_text() == page.locator("#position").inner_text()
    elsewhere.close()


@pytest.mark.slow
def test_a_link_of_nonsense_shows_the_first_heart(page, demo):
    nonsense = "a.seed=-1&a.motion=<b>&a.adjust.lv_area=99&b.truncation=x&view=no&speed=1e9&c.d=1"
    page.goto(f"{demo}/#{nonsense}")
    page.wait_for_selector(DRAWN)
    assert page.locator("#seed").input_value() == "0"
    assert page.locator("#direction-lv_area").input_value() == "0"
    assert page.locator("#motion-a").input_value() == "frame-to-frame"


@pytest.mark.slow
def test_all_goes_by_keyboard(page, demo):
    paused(page, demo)
    assert page.locator("#position").inner_text() == "1 / 50"
    page.keyboard.press(".")
    page.keyboard.press(".")
    page.keyboard.press(",")
    assert page.locator("#position").inner_text() == "2 / 50"
    page.keyboard.press(",")
    page.keyboard.press(",")
    assert page.locator("#position").inner_text() == "50 / 50"  # a beat is a circle
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Pause"
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Play"
    page.keyboard.press("]")
    assert page.locator("#speed").input_value() == "2"
    page.keyboard.press("n")
    assert page.locator("#seed").input_value() == "1"
    page.keyboard.press("p")
    assert page.locator("#seed").input_value() == "0"
    page.keyboard.press("b")
    assert page.locator("[data-edit=b]").get_attribute("aria-pressed") == "true"
    slider = page.locator("#direction-lv_area")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.2" and slider.get_attribute("aria-valuetext") == "+0.2"
    page.keyboard.press("Backspace")
    assert slider.input_value() == "0"
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("n")
    assert page.locator("#seed").input_value() == "0"  # the list of keys is open
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible()


@pytest.mark.slow
def test_without_loop_a_beat_ends_at_its_last_frame(page, demo):
    page.goto(f"{demo}/#loop=false&speed=2")
    page.wait_for_selector("#canvas-a[data-frame='49']")
    page.wait_for_selector("#play:has-text('Play')")
    page.locator("#play").click()
    page.wait_for_selector("#canvas-a:not([data-frame='49'])")


@pytest.mark.slow
def test_downloads_are_what_is_shown(page, demo, tmp_path):
    paused(page, demo)
    page.locator("#seed").fill("3")
    settled(page)
    heads = {
        "mp4": (4, b"ftyp"),
        "gif": (0, b"GIF89a"),
        "nifti": (0, b"\x1f\x8b"),
        "dicom": (128, b"DICM"),
    }
    for form, (place, magic) in heads.items():
        with page.expect_download() as begun:
            page.locator(f"#downloads-a [data-form={form}]").click()
        path = tmp_path / begun.value.suggested_filename
        begun.value.save_as(path)
        assert path.name.startswith("heart-0003-frame-to-frame.")
        assert path.read_bytes()[place:].startswith(magic)
    cine = read_nifti(tmp_path / "heart-0003-frame-to-frame.nii.gz", "")
    np.testing.assert_array_equal(pixels(page), cine.pixels[0].ravel())
    page.locator("#downloads-b .command").click()
    page.wait_for_selector("#status:has-text('gancmri synthesize')")
    said = page.locator("#status").inner_text()
    assert "--motion ed-to-es" in said and "--seed 3" in said and "--truncation 0.7" in said


@pytest.mark.slow
def test_views_set_both_hearts(page, demo):
    paused(page, demo)
    view = page.locator("#view")
    view.select_option("hearts")
    assert page.locator("#motion-b").input_value() == "frame-to-frame"
    assert page.locator("#seed").input_value() == "1"  # of B, which the sliders move now
    view.select_option("one")
    assert not page.locator("#pane-b").is_visible()
    view.select_option("motions")
    assert page.locator("#motion-b").input_value() == "ed-to-es"
    view.select_option("superres")
    assert "Open a cine first" in page.locator("#status").inner_text()


@pytest.mark.slow
def test_what_people_need_who_cannot_see_or_point_is_there(page, demo):
    paused(page, demo)
    assert page.evaluate("document.documentElement.lang") == "en"
    named = """() => [...document.querySelectorAll('input, select, button, canvas, a')]
        .filter((e) => e.offsetParent && !(e.labels?.length || e.getAttribute('aria-label')
            || e.getAttribute('aria-labelledby') || e.textContent.trim()))
        .map((e) => e.outerHTML)"""
    assert page.evaluate(named) == []
    assert page.locator("main").count() == 1 and page.locator("h1").count() == 1
    assert page.locator("#status").get_attribute("aria-live") == "polite"
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    # Each place that the tabulator reaches is seen to be reached.
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")


# Texts whose contrast with the ground behind them is below WCAG AA's 4.5.
CONTRASTS = """() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b]
        .map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const color = channels(getComputedStyle(e).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('body *')]
        .filter((e) => e.offsetParent && !e.disabled && [...e.childNodes].some(
            (n) => n.nodeType === 3 && n.textContent.trim()))
        .filter((e) => {
            const [a, b] = [light(channels(getComputedStyle(e).color)), light(ground(e))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
        })
        .map((e) => e.outerHTML.slice(0, 80));
}"""


@pytest.fixture
def cine(tmp_path) -> pathlib.Path:
    path = tmp_path / "anna.nii.gz"
    frames = np.random.default_rng(0).integers(0, 255, (4, 16, 16), dtype=np.uint8)
    write_nifti(path, frames, (2.0, 1.0), 40.0)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("how", ["chosen", "dropped"])
def test_a_cine_is_loaded_super_resolved_and_guided(page, tiny, cine, how):
    page.goto(f"{tiny}/#paused=0.0000")
    page.wait_for_selector(DRAWN)
    if how == "chosen":
        page.locator("#file").set_input_files(cine)
    else:
        page.evaluate(DROP, [cine.name, list(cine.read_bytes())])
    page.wait_for_selector("#status:has-text('is ready')")
    settled(page)
    assert page.locator("#view").input_value() == "superres"
    assert page.locator("#motion-a").input_value() == "original"
    assert page.locator("#motion-b").input_value() == "x2"
    original = pixels(page)
    np.testing.assert_array_equal(pixels(page, "b"), original)  # the first frame is its own
    page.locator("#view").select_option("guided")
    settled(page)
    before = pixels(page, "b")
    page.locator("#direction-lv_area").evaluate(MOVE, 2)
    settled(page)
    assert (pixels(page, "b") != before).any()
    np.testing.assert_array_equal(pixels(page), original)
    page.wait_for_timeout(300)
    guided = pixels(page, "b")
    page.reload()
    page.wait_for_selector(DRAWN)
    settled(page)
    np.testing.assert_array_equal(pixels(page, "b"), guided)
    page.locator("#view").select_option("superres")
    assert page.locator("#direction-lv_area").input_value() == "0"
    settled(page)
    np.testing.assert_array_equal(pixels(page, "b"), original)


DROP = """([name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer: data, cancelable: true }));
}"""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("heart.exe", b"MZ", "takes .nii.gz"),
        ("<img src=x>.mp4", b"<html>", "is broken or no video"),
        ("large.zip", bytes(2**16 + 1), "larger than the 0.0625 MiB"),
    ],
)
def test_files_that_are_no_cines_are_refused_on_the_page(page, tiny, tmp_path, name, content, said):
    page.goto(tiny)
    page.wait_for_selector(DRAWN)
    path = tmp_path / name
    path.write_bytes(content)
    page.locator("#file").set_input_files(path)
    page.wait_for_selector(f"#status.bad:has-text('{said}')")
    assert page.locator("#status img").count() == 0
    page.expected.append("status of 4")  # 400, and 413 of what is too large
    settled(page)
    assert page.locator("#motion-a").input_value() == "frame-to-frame"


@pytest.mark.slow
def test_a_cine_that_is_gone_while_it_is_searched_for_says_so(page, tiny, cine):
    searched = {"frames": 4, "state": "projecting", "share": 0.1, "spacing": True, "error": ""}
    asked = []

    def answer(route):
        asked.append(route)
        if len(asked) == 1:
            route.fulfill(json=searched)
        elif len(asked) == 2:
            route.abort()
        else:
            route.fulfill(status=400, json={"error": "that cine is gone"})

    page.route("**/cines/*", answer)
    page.goto(tiny)
    page.wait_for_selector(DRAWN)
    page.locator("#file").set_input_files(cine)
    page.wait_for_selector("#status.bad:has-text('does not answer')")
    page.wait_for_selector("#status.bad:has-text('that cine is gone')")
    page.wait_for_selector("#veil-b:has-text('that cine is gone')", timeout=5000)
    assert not page.locator("#progress").is_visible()
    page.expected += ["ERR_FAILED", "status of 400"]


def test_a_link_to_a_cine_that_is_gone_says_so(page, tiny):
    page.goto(f"{tiny}/#a.cine=gone&a.motion=original")
    page.wait_for_selector("#status.bad:has-text('open its file again')")
    page.expected.append("status of 400")


@pytest.mark.slow
def test_the_picture_in_the_documents(page, demo, request):
    folder = request.config.getoption("--screenshots")
    if folder is None:
        pytest.skip("--screenshots docs takes the picture again")
    amounts = "&".join(f"{pane}.adjust.lv_area=1.2" for pane in "ab")
    page.goto(f"{demo}/#a.seed=3&b.seed=3&{amounts}&paused=0.4200")
    page.wait_for_selector(DRAWN)
    settled(page)
    page.wait_for_selector("#curve[data-whole=true]")
    page.screenshot(path=folder / "explorer.png")
