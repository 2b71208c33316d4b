"""`gancmri personalise`: tune a model to one patient's heart."""

import pathlib

import click
from tqdm import tqdm

from gancmri_jax.cine.layouts.found import ReadOptions
from gancmri_jax.cli.reading import read_chosen, reads_cines
from gancmri_jax.cli.writing import JSON, Answer
from gancmri_jax.errors import InputError

SUFFIX = ".safetensors"


@click.command("personalise")
@reads_cines
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Model with an encoder: demo, a model file or a run folder.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Output model file, e.g. mine.safetensors; for several cines, a folder of such files.",
)
@click.option(
    "--search-steps",
    default=150,
    show_default=True,
    type=click.IntRange(1),
    help="Optimisation steps of the search for the heart's path in latent space.",
)
@click.option(
    "--steps",
    default=300,
    show_default=True,
    type=click.IntRange(1),
    help="Optimisation steps of tuning the generator.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Frames of the beat per step.  [default: 8, or 4 from 256² on]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Stop after this many minutes for each heart, a fifth of them for the search at most.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the search and of tuning.",
)
@click.option(
    "--segmenter",
    help="Segmenter whose features tuning compares too: a run of `gancmri train-segmenter`. "
    "Segmenters that ship with the package are refused, because they measure models.",
)
@click.option(
    "--lpips",
    is_flag=True,
    help="Also minimise LPIPS, after `gancmri weights fetch vgg16-lpips`; for accelerators.",
)
@click.option(
    "--own-noise/--no-own-noise",
    default=True,
    show_default=True,
    help="Give the heart noise maps of its own, outside of its chambers: they hold what is still.",
)
@click.option(
    "--ignore-flags",
    is_flag=True,
    help="Accept a cine whose segmentation does not look like a four-chamber heartbeat.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    help="Also write a PNG of eight frames: the cine, the model before and after tuning.",
)
@JSON
def command(
    source: pathlib.Path,
    reading: ReadOptions,
    keep_ids: bool,
    name: str,
    out: pathlib.Path,
    search_steps: int,
    steps: int,
    batch_size: int | None,
    minutes: float | None,
    seed: int,
    segmenter: str | None,
    lpips: bool,
    own_noise: bool,
    ignore_flags: bool,
    picture: pathlib.Path | None,
    report: pathlib.Path | None,
) -> None:
    """Tune a model to one patient's heart.

    Finds the heart's path in latent space, then tunes the generator until it renders the cine's
    frames there, while other hearts stay as they were. The result is a model file with the motion
    `own`: `gancmri synthesize --model mine.safetensors --motion own` replays the heart, and
    --adjust or --target change it.

    The file is marked as made from a patient's images: keep it as you keep the cine. To resume
    after an interruption, run the same command again.
    """
    import dataclasses

    from gancmri_jax.cine.video_file import write_png
    from gancmri_jax.lock import one_run
    from gancmri_jax.model.file import load_model, save_model
    from gancmri_jax.personal.looks import looks_of
    from gancmri_jax.personal.personalise import film_strip, insist_room, personalise
    from gancmri_jax.personal.settings import Settings

    answer = Answer(report)
    model = load_model(name)
    looks = looks_of(model, segmenter, lpips)
    cines = read_chosen(source, model.resolution, reading, keep_ids)
    several = out.suffix != SUFFIX
    if not several and len(cines) > 1:
        raise InputError(
            f"--out {out}: {len(cines)} cines were read, and a model file is of one heart; give a "
            "folder as --out, or one cine as --input"
        )
    if several and picture is not None:
        raise click.UsageError("--picture needs one cine, and a file as --out")
    settings = Settings(
        search_steps=search_steps,
        steps=steps,
        frames=batch_size or (4 if model.resolution >= 256 else 8),
        seed=seed,
    )
    if not own_noise:
        settings = dataclasses.replace(settings, noise_rate=0.0)
    if several:
        out.mkdir(parents=True, exist_ok=True)
    results = {}
    for index, cine in enumerate(cines):
        path = out / f"{cine.subject}-{index:04d}{SUFFIX}" if several else out
        on_the_way = path.with_name(f".{path.name}.tuning")
        insist_room(path, model)
        with one_run(path, "personalise", beside=True):
            with _Bars() as bars:
                found = personalise(
                    model,
                    cine,
                    settings,
                    on_the_way,
                    looks=looks,
                    minutes=minutes,
                    ignore_flags=ignore_flags,
                    on_step=bars,
                )
            save_model(found.model, path)
            on_the_way.unlink(missing_ok=True)
        if picture is not None:
            write_png(picture, film_strip(model, found.model, cine))
        for line in found.lines():
            answer.say(line)
        answer.say(f"wrote {path}; made from a patient's images, keep it as you keep the cine")
        results[str(path)] = {
            "before": found.before._asdict(),
            "after": found.after._asdict(),
            "others_changed_grey_levels": found.others,
            "steps": found.steps,
            "settings": dataclasses.asdict(settings),
        }
    answer.give({"models": results})


class _Bars:
    """A progress bar for each stage of a heart."""

    def __init__(self) -> None:
        self._stage, self._bar = "", tqdm(disable=True)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._bar.close()
            self._stage = stage
            self._bar = tqdm(desc=stage, total=total, initial=done, unit=" steps")
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
