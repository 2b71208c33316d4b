"""Hearts of different makes, studies of them, and readers who answer over HTTP."""

import contextlib
import pathlib
import subprocess
import sys

import httpx
import numpy as np

from gancmri_jax.apps.guard import TOKEN_HEADER
from gancmri_jax.apps.reader_study.create import create_study
from gancmri_jax.apps.reader_study.items import Plan
from gancmri_jax.apps.reader_study.store import open_study, read_study
from gancmri_jax.cine.nifti import write_nifti
from gancmri_jax.cine.video_file import write_gif


def heart(rng, frames, height, width):
    """A disc that beats, brightest at its rim, in noise."""
    row, column = np.indices((height, width))
    centre = rng.uniform(0.4, 0.6, 2) * (height, width)
    radius = np.hypot(row - centre[0], column - centre[1]) / min(height, width)
    beat = 0.25 + 0.08 * np.cos(2 * np.pi * np.arange(frames) / frames + rng.uniform(0, 0.3))
    disc = radius < beat[:, None, None]
    return 100 * disc + 60 * disc * radius * 3 + rng.uniform(0, 40, (frames, height, width))


def write_niftis(folder, count, seed=0, frames=12, height=40, width=44, name="heart"):
    """Scanner-like files: 16 bits, not square."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        pixels = (7 * heart(rng, frames, height, width)).astype(np.int16)
        write_nifti(folder / f"{name}{i:03d}.nii.gz", pixels, (1.5, 1.5), 1000 / frames)
    return folder


def write_gifs(folder, count, seed=1, frames=10, side=32, name="fake"):
    """Model-like files: 8 bits, square, enlarged, with a comment."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        pixels = heart(rng, frames, side, side).astype(np.uint8)
        write_gif(folder / f"{name}{i:03d}.gif", pixels, 20.0, "synthetic")
    return folder


def make_study(out: pathlib.Path, real, synthetic, *, readers=1, **asked):
    """Write a study; return the tokens of its readers, by name."""
    asked = {"kind": "videos", "items": 4, "repeats": 1, "seed": 0} | asked
    said: list[str] = []
    plan = Plan(real=real, synthetic=synthetic, **asked)
    _, tokens = create_study(out, plan, readers, say=said.append, progress=lambda steps, _: steps)
    return tokens


def client(url, path, token):
    """A reader's browser, which holds the page's token too."""
    with open_study(path) as connection:
        page_token = read_study(connection).page_token
    headers = {TOKEN_HEADER: page_token, "Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=30)


def some_answer(view, choice=0):
    """A complete answer to a screen: the stimulus at a place, ranks from left to right."""
    screen = view["screens"][0]
    answer = {
        "screen": screen["name"],
        "chosen": screen["stimuli"][choice],
        "response_ms": 1500.0,
    }
    if view["kind"] == "videos":
        answer["ranks"] = {name: i + 1 for i, name in enumerate(screen["stimuli"])}
    return answer


@contextlib.contextmanager
def serving(path, port=0):
    """Run `gancmri study serve` in a process of its own; yield it and its address."""
    command = ["study", "serve", "--study", str(path), "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from gancmri_jax.cli.main import main; main()", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("http"):
                break
        else:
            raise AssertionError("".join(said))
        yield process, line.split()[0].rstrip("/")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
