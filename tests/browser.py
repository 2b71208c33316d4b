"""Fixtures for pages: a real browser, and servers for it to visit."""

import contextlib
import os
import shutil
import threading
import time

import pytest

from gancmri_jax.apps.serve import LOOPBACK, listen, server


@contextlib.contextmanager
def served(app, patience=None):
    """Serve an application in a thread, and yield its address."""
    taken = listen(LOOPBACK, 0)
    running = server(app, patience)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [taken]})
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        yield f"http://{LOOPBACK}:{taken.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join()
        taken.close()


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; tests that need it are skipped where there is none.

    It ends with its module: as long as it runs, other code of the thread cannot use asyncio.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs chromium; on Debian, apt-get install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A new page, 1280×800, that must meet no error in its scripts and ask nothing of others.

    What a test brings about itself it names in `page.expected`, by a part of the browser's words:
    they come when they come, some after the page has shown the error.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(120_000)  # a busy machine is no error
    opened = context.new_page()
    errors, hosts = [], set()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    opened.on("request", lambda asked: hosts.add(asked.url.split("/")[2].split(":")[0]))
    opened.expected = []
    yield opened
    context.close()
    assert not [error for error in errors if not any(part in error for part in opened.expected)]
    assert hosts <= {LOOPBACK, ""}, hosts
