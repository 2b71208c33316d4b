import contextlib
import functools
import sqlite3

import pytest
from click.testing import CliRunner

from gancmri_jax.apps.reader_study import server as server_module
from gancmri_jax.apps.reader_study.answers import read_answers, record
from gancmri_jax.apps.reader_study.server import study_app
from gancmri_jax.apps.reader_study.store import open_study, progress
from gancmri_jax.apps.serve import LOOPBACK
from gancmri_jax.cli.main import gancmri
from tests.browser import served
from tests.readers import client, make_study, serving, some_answer, write_gifs, write_niftis

# Text whose contrast with what is behind it is below 4.5 (WCAG 2.2, 1.4.3).
FAINT = """() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = rgb(colour).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (rgb(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("h1, p, label, legend, kbd, button:enabled, .ranks")]
    .filter((node) => node.offsetParent && node.textContent.trim())
    .filter((node) => {
      const pair = [getComputedStyle(node).color, ground(node)].map(light).sort((a, b) => a - b);
      return (pair[1] + 0.05) / (pair[0] + 0.05) < 4.5;
    }).map((node) => node.outerHTML);
}"""
NAMELESS = """() => [...document.querySelectorAll("input, select, button, canvas")]
  .filter((node) => node.offsetParent)
  .filter((node) => !(node.labels?.[0]?.textContent.trim() || node.textContent.trim()
    || node.getAttribute("aria-label"))).map((node) => node.outerHTML)"""
PIXELS = """() => [...document.querySelectorAll("canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.width, canvas.height, ...data.filter((_, i) => i % 4 === 0)];
})"""


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_niftis(folder / "real", 4)
    write_gifs(folder / "ed", 4)
    write_gifs(folder / "f2f", 4, seed=3)
    return folder


def new_study(hearts, path, **asked):
    kinds = {"ed": hearts / "ed", "f2f": hearts / "f2f"}
    return list(make_study(path, hearts / "real", kinds, **asked).values())


@contextlib.contextmanager
def study_at(path):
    with open_study(path) as connection, served(study_app(connection)) as url:
        yield connection, url


@pytest.fixture
def study(hearts, tmp_path):
    tokens = new_study(hearts, tmp_path / "study.db", items=2, repeats=1, readers=2)
    with study_at(tmp_path / "study.db") as (connection, url):
        yield connection, url, tokens


def rank(page, letter, value):
    page.get_by_role("radiogroup", name=f"Rank of {letter}").get_by_label(value).check()


def answer_all(page, chosen, ranks):
    page.get_by_label(f"{chosen} is real").check()
    for letter, value in zip("ABC", ranks, strict=True):
        rank(page, letter, value)


def wait_for_count(page, text):
    page.locator("#count", has_text=text).wait_for()


def save(page):
    return page.get_by_role("button", name="Save and go on")


def test_a_reader_completes_a_study(study, page):
    connection, url, tokens = study
    page.goto(f"{url}/#{tokens[0]}")
    placed = []
    for done, (chosen, ranks) in enumerate((("A", "132"), ("C", "321"), ("B", "213"))):
        wait_for_count(page, f"{done} of 3")
        page.get_by_label(f"{chosen} is real").check()
        rank(page, "A", ranks[0])
        rank(page, "B", ranks[1])
        assert save(page).is_disabled()  # C has no rank yet
        rank(page, "C", ranks[2])
        save(page).click()
        placed.append((chosen, ranks))
    page.get_by_text("all your answers are saved").wait_for()
    page.reload()
    page.get_by_text("all your answers are saved").wait_for()

    for answer, (chosen, ranks) in zip(read_answers(connection), placed, strict=True):
        assert answer.reader == "reader-1" and answer.places.index(answer.chosen) == "ABC".index(
            chosen
        )
        assert [answer.ranks[kind] for kind in answer.places] == [int(rank) for rank in ranks]
        assert 0 < answer.response_ms < 60_000
    assert progress(connection)["reader-2"] == (0, 3)


@pytest.mark.slow
def test_hearts_are_there_and_beat_and_stop(study, page):
    _, url, tokens = study
    page.goto(f"{url}/#{tokens[0]}")
    page.locator("fieldset").nth(2).wait_for()
    for width, height, *pixels in page.evaluate(PIXELS):
        assert (width, height) == (40, 40) and max(pixels) - min(pixels) > 200
    assert len({tuple(canvas) for canvas in page.evaluate(PIXELS)}) == 3
    page.get_by_role("button", name="Pause").click()
    at = page.get_by_label("Frame")
    still = page.evaluate(PIXELS)
    page.wait_for_timeout(250)
    assert page.evaluate(PIXELS) == still
    at.fill("7" if at.input_value() != "7" else "2")
    moved = page.evaluate(PIXELS)
    assert moved != still
    page.get_by_role("button", name="Play").click()
    assert any(page.evaluate(PIXELS) != moved for _ in range(100))


@pytest.mark.slow
def test_a_reload_loses_nothing(study, page):
    connection, url, tokens = study
    page.goto(f"{url}/#{tokens[0]}")
    page.get_by_label("B is real").check()
    rank(page, "A", "2")
    rank(page, "C", "2")  # takes it from A
    page.reload()
    page.get_by_label("B is real").wait_for()
    assert page.get_by_label("B is real").is_checked() and save(page).is_disabled()
    marked = page.locator(".ranks input:checked").evaluate_all(
        "all => all.map((i) => [i.name, i.value])"
    )
    assert marked == [["rank-2", "2"]]
    rank(page, "A", "3")
    rank(page, "B", "1")
    save(page).click()
    wait_for_count(page, "1 of 3")
    page.reload()
    wait_for_count(page, "1 of 3")
    assert page.locator("input:checked").count() == 0 and len(read_answers(connection)) == 1


@pytest.mark.slow
def test_a_pause_ends_the_clock(study, page):
    """Paused and played again at once, it still tells of one phase a frame."""
    page.goto(study[1])
    told, frames = page.evaluate(
        """async () => {
          const { Clock } = await import("/static/player.js");
          const next = () => new Promise(requestAnimationFrame);
          let told = 0;
          const clock = new Clock(() => told++);
          for (let i = 0; i < 5; i++) { clock.play(); clock.pause(); }
          clock.play();
          let frames = 0;
          while (frames < 10) { await next(); frames++; }
          return [told, frames];
        }"""
    )
    assert frames - 1 <= told <= frames
    page.expected.append("status of 401")  # no link was given


@pytest.mark.slow
def test_the_next_hearts_are_not_answered_before_they_are_shown(study, page):
    connection, url, tokens = study
    asked, held, released = [], [], []

    def hold(route):
        asked.append(route)
        route.continue_() if released or len(asked) <= 3 else held.append(route)

    page.route("**/stimulus/*", hold)
    page.goto(f"{url}/#{tokens[0]}")
    answer_all(page, "A", "123")
    save(page).click()
    wait_for_count(page, "1 of 3")
    assert not page.locator("#screen").is_visible()
    page.keyboard.press("c")
    page.wait_for_timeout(300)
    released.append(True)
    for route in held:
        route.continue_()
    page.locator("#screen").wait_for()
    assert page.locator("input:checked").count() == 0
    answer_all(page, "B", "123")
    save(page).click()
    wait_for_count(page, "2 of 3")
    assert [answer.places.index(answer.chosen) for answer in read_answers(connection)] == [0, 1]


@pytest.mark.slow
def test_what_is_marked_while_an_answer_is_on_its_way_is_not_sent(study, page):
    connection, url, tokens = study
    first = []

    def fail_once(route):
        first.append(route.request.post_data_json)
        route.abort() if len(first) == 1 else route.continue_()

    page.route("**/answer", fail_once)
    page.goto(f"{url}/#{tokens[0]}")
    answer_all(page, "A", "123")
    save(page).click()
    page.get_by_text("Trying again").wait_for()
    rank(page, "A", "2")  # takes it from B
    wait_for_count(page, "1 of 3")
    assert len(first) == 2 and first[0] == first[1]
    (answer,) = read_answers(connection)
    assert [answer.ranks[kind] for kind in answer.places] == [1, 2, 3]
    page.expected.append("ERR_FAILED")  # the answer that was lost


@pytest.mark.slow
def test_a_reader_learns_that_an_answer_could_not_be_stored(study, page, monkeypatch):
    connection, url, tokens = study
    failed = []

    def record_later(*arguments):
        if not failed:
            failed.append(sqlite3.OperationalError("database or disk is full"))
            failed[0].sqlite_errorcode = sqlite3.SQLITE_FULL
            raise failed[0]
        record(*arguments)

    monkeypatch.setattr(server_module, "record", record_later)
    page.goto(f"{url}/#{tokens[0]}")
    answer_all(page, "A", "123")
    save(page).click()
    said = "Your answer is not saved yet: the server stored nothing, because its disk is full"
    page.get_by_role("alert").get_by_text(said).wait_for()
    wait_for_count(page, "1 of 3")
    assert failed and page.locator("#trouble").is_hidden()
    assert len(read_answers(connection)) == 1
    page.expected.append("503")


@pytest.mark.slow
def test_a_browser_that_stores_nothing_can_answer(study, page):
    _, url, tokens = study
    page.add_init_script(
        'Object.defineProperty(window, "localStorage", { get() { throw Error("blocked"); } });'
    )
    page.goto(f"{url}/#{tokens[0]}")
    answer_all(page, "A", "123")
    save(page).click()
    wait_for_count(page, "1 of 3")


@pytest.mark.slow
def test_by_keyboard_alone(study, page):
    connection, url, tokens = study
    page.goto(f"{url}/#{tokens[0]}")
    page.locator("fieldset").first.wait_for()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play").wait_for()
    page.keyboard.press("Enter")  # not complete: nothing is sent
    for key in ("c", "1", "a", "2", "b", "3", "c"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    wait_for_count(page, "1 of 3")
    (answer,) = read_answers(connection)
    assert [answer.ranks[kind] for kind in answer.places] == [2, 3, 1]
    assert answer.chosen == answer.places[2]

    for _ in range(30):  # and by Tab and arrows, as any form
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "rank-1":
            break
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radiogroup", name="Rank of B").get_by_label("2").is_checked()


@pytest.mark.slow
def test_a_killed_server_loses_nothing_and_another_machine_goes_on(hearts, tmp_path, page, browser):
    path = tmp_path / "study.db"
    first, second = new_study(hearts, path, items=2, repeats=0, readers=2)
    with serving(path) as (server, url):
        page.goto(f"{url}/#{second}")
        answer_all(page, "A", "123")
        save(page).click()
        wait_for_count(page, "1 of 2")
        answer_all(page, "B", "321")
        server.kill()
        server.wait()
        save(page).click()
        page.get_by_text("Trying again").wait_for()
        assert save(page).is_disabled()
    page.expected += ["ERR_CONNECTION", "Failed to fetch"]
    with serving(path, port=url.rpartition(":")[2]) as (_, again):
        assert again == url
        page.get_by_text("all your answers are saved").wait_for()
        with browser.new_context() as elsewhere:
            other = elsewhere.new_page()
            other.goto(f"{url}/#{first}")
            wait_for_count(other, "0 of 2")
            other.goto(f"{url}/#{second}")
            other.get_by_text("all your answers are saved").wait_for()
    with open_study(path) as connection:
        assert progress(connection) == {"reader-1": (0, 2), "reader-2": (2, 2)}


@pytest.mark.slow
def test_pairs_by_a_click_on_the_picture(hearts, tmp_path, page):
    path = tmp_path / "study.db"
    make_study(path, hearts / "real", {"ed": hearts / "ed"}, kind="pairs", readers=0)
    with study_at(path) as (connection, url):
        page.goto(url)
        page.locator("canvas").nth(1).click()
        assert page.get_by_label("B is real").is_checked()
        assert page.get_by_role("button", name="Pause").count() == 0
        page.keyboard.press("Enter")
        wait_for_count(page, "1 of 5")
        (answer,) = read_answers(connection)
        assert answer.chosen == answer.places[1] and answer.ranks == {}


@pytest.mark.slow
def test_a_code_is_asked_for_and_a_wrong_one_refused(study, page):
    _, url, tokens = study
    page.goto(url)
    page.get_by_label("Your code").fill("guessed")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("this link is not valid").wait_for()
    page.get_by_label("Your code").fill(f"{url}/#{tokens[0]}")
    page.get_by_role("button", name="Begin").click()
    wait_for_count(page, "0 of 3")
    assert not page.get_by_role("alert").is_visible()
    page.expected.append("status of 401")


@pytest.mark.slow
def test_what_was_answered_in_another_window_stands(study, page, tmp_path):
    connection, url, tokens = study
    page.goto(f"{url}/#{tokens[0]}")
    answer_all(page, "A", "123")
    with client(url, tmp_path / "study.db", tokens[0]) as other:
        other.post("/answer", json=some_answer(other.get("/next").json(), 2))
    save(page).click()
    page.get_by_role("alert").get_by_text("answered already").wait_for()
    wait_for_count(page, "1 of 3")
    (answer,) = read_answers(connection)
    assert answer.chosen == answer.places[2]
    page.expected.append("status of 400")  # the refusal


@pytest.mark.slow
def test_the_page_can_be_used_by_all(study, page):
    _, url, tokens = study
    page.goto(f"{url}/#{tokens[0]}")
    answer_all(page, "A", "123")
    assert page.locator("html").get_attribute("lang") == "en" and page.title()
    assert page.locator("h1").count() == 1
    assert page.evaluate(NAMELESS) == [] and page.evaluate(FAINT) == []
    page.evaluate("document.querySelector('h1').style.color = '#555'")
    page.evaluate("document.querySelector('canvas').removeAttribute('aria-label')")
    assert len(page.evaluate(NAMELESS)) == len(page.evaluate(FAINT)) == 1
    assert page.get_by_role("status").count() == 1
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.slow
def test_hearts_stand_still_for_who_wants_no_motion(study, browser):
    _, url, tokens = study
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"{url}/#{tokens[0]}")
        page.get_by_role("button", name="Play").wait_for()


@pytest.mark.slow
def test_a_browser_is_given_nothing_that_tells(study, page):
    """All that it asked for and holds: addresses, markup, storage; the kinds' names are in none."""
    _, url, tokens = study
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda answer: said.append(answer))
    page.goto(f"{url}/#{tokens[0]}")
    answer_all(page, "A", "123")
    save(page).click()
    wait_for_count(page, "1 of 3")
    page.wait_for_timeout(200)
    held = [page.content(), page.evaluate("JSON.stringify(localStorage)"), *asked]
    held += [a.text() for a in said if "/stimulus/" not in a.url and "/static/" not in a.url]
    held += [str(answer.headers) for answer in said]
    for word in ("f2f", "heart0", "fake0", "synthetic_", '"real"', "repeat", "subject", tokens[0]):
        assert not any(word in text for text in held), word
    assert not any(tokens[0] in one.split("#")[0] for one in asked)
    lengths = {len(answer.body()) for answer in said if "/stimulus/" in answer.url}
    assert len(lengths) == 1
    assert all(one.startswith(f"http://{LOOPBACK}") for one in asked if not one.startswith("data:"))


@pytest.mark.slow
def test_the_picture_in_the_documents(tmp_path, page, request):
    """Phantoms beside hearts of the demo model, as `docs/study.png` shows them."""
    folder = request.config.getoption("--screenshots")
    if folder is None:
        pytest.skip("--screenshots docs takes the picture again")
    gancmri_on = functools.partial(CliRunner().invoke, gancmri, catch_exceptions=False)
    real, spacing = tmp_path / "real", ("--format", "nifti", "--spacing-mm", "4", "4")
    gancmri_on(["phantom", "--out", str(real), "--subjects", "2", "--size", "64", "--seed", "7"])
    for method in ("ed-to-es", "frame-to-frame"):
        out = ("--out", str(tmp_path / method), "--method", method)
        gancmri_on(["synthesize", "--videos", "2", "--seed", "40", *spacing, *out])
    kinds = {name: tmp_path / name for name in ("ed-to-es", "frame-to-frame")}
    path = tmp_path / "study.db"
    make_study(path, real, kinds, items=2, readers=0, seed=1)
    with study_at(path) as (_, url):
        page.goto(url)
        page.get_by_label("B is real").check()
        for letter, value in zip("ABC", "213", strict=True):
            rank(page, letter, value)
        page.get_by_label("Frame").fill("12")
        page.screenshot(path=folder / "study.png")
    assert page.locator("fieldset").count() == 3
