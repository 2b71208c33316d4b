"""`gancmri study`: blinded evaluations with real readers, as in GANcMRI's Figures 6 and 7."""

import pathlib
import re

import click
from tqdm import tqdm

STUDY = click.option(
    "--study",
    "path",
    default=pathlib.Path("study.db"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path, dir_okay=False),
    help="Study file from `gancmri study create`.",
)


@click.group("study")
def command() -> None:
    """Run a blinded reader study with real and generated hearts.

    Readers see hearts on a web page and choose or rank them. The usual order: create, serve,
    report.
    """


def _kinds(
    _: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, pathlib.Path]:
    """Read `name=folder` options."""
    kinds = {}
    for text in texts:
        name, equals, where = text.partition("=")
        if not (equals and where and re.fullmatch(r"[\w-]{1,40}", name)):
            raise click.BadParameter(
                f"{text!r} is not of the form NAME=FOLDER, e.g. ed-to-es=videos", param=option
            )
        if name in kinds:
            raise click.BadParameter(f"{name} is given twice", param=option)
        kinds[name] = pathlib.Path(where)
    return kinds


@command.command("create")
@click.option(
    "--real",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    metavar="FOLDER",
    help="Real hearts: cines that `gancmri prepare` can read, or training records.",
)
@click.option(
    "--synthetic",
    multiple=True,
    required=True,
    callback=_kinds,
    metavar="NAME=FOLDER",
    help="Generated hearts under a name, e.g. ed-to-es=made/ed-to-es; repeat for more.",
)
@click.option(
    "--kind",
    type=click.Choice(["pairs", "videos"]),
    default="videos",
    show_default=True,
    help="pairs: choose the real frame of two. videos: rank a real video and one of each "
    "--synthetic. With pairs, make super-resolved hearts with `gancmri superres --all-generated`.",
)
@click.option(
    "--items",
    default=100,
    show_default=True,
    type=click.IntRange(1),
    help="Number of pairs, or of sets of videos.",
)
@click.option(
    "--repeats",
    default=10,
    show_default=True,
    type=click.IntRange(0),
    help="Number of items that each reader sees twice.",
)
@click.option(
    "--readers",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Number of readers, each with a secret link; 0 is a single reader on this machine, "
    "without a link.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the study; keep it secret from readers.  [default: random]",
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    help="Height and width of a frame, in pixels.  [default: the shortest side among the first "
    "cines of all folders]",
)
@click.option(
    "--frames",
    "num_frames",
    type=click.IntRange(2, 1000),
    help="Frames per video.  [default: the fewest among the first cines of all folders]",
)
@click.option(
    "--beat-ms",
    default=1000.0,
    show_default=True,
    type=click.FloatRange(100, 10_000),
    help="Duration of a heartbeat on screen, in ms.",
)
@click.option(
    "--match",
    is_flag=True,
    help="Make all hearts as noisy and blurred as the worst, with equal shares of black and white "
    "and similar first-to-last steps, so that these give nothing away. Videos keep nine tenths of "
    "their frames.",
)
@click.option(
    "--keep-ids", is_flag=True, help="Show and write subjects' names instead of keyed hashes."
)
@click.option(
    "--out",
    default=pathlib.Path("study.db"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path),
    help="Output file.",
)
def create(out: pathlib.Path, readers: int, seed: int | None, **asked) -> None:
    """Draw hearts at random and write a study to one file.

    All hearts are shown at the same size, contrast, number of frames and speed. Warns where simple
    image statistics, such as noise, distinguish real from generated hearts. With --readers, the
    readers' links are printed once and stored nowhere: save them.
    """
    import secrets
    import sys

    from gancmri_jax.apps.reader_study.create import create_study
    from gancmri_jax.apps.reader_study.items import Plan

    def say(line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    drawn = secrets.randbelow(2**32) if seed is None else seed
    study, tokens = create_study(
        out,
        Plan(seed=drawn, **asked),
        readers,
        say=say,
        progress=lambda steps, kind: tqdm(steps, desc=kind, unit=" stimuli", disable=None),
    )
    shown = "frames" if study.kind == "pairs" else f"videos of {study.num_frames} frames"
    click.echo(
        f"{study.items} items of {study.num_shown} {shown}, {study.size}x{study.size}, and "
        f"{study.repeats} again, in {out}: {', '.join(study.kinds)}"
    )
    if readers:
        _print_tokens(tokens)
    else:
        click.echo(f"gancmri study serve --study {out}")


def _reader_names(
    _: click.Context, option: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(r"[\w-]{1,40}", name):
            raise click.BadParameter(
                f"{name!r} may contain only letters, digits, _ and -", param=option
            )
    return names


@command.command("invite")
@STUDY
@click.option(
    "--add",
    multiple=True,
    callback=_reader_names,
    metavar="NAME",
    help="Name of a new reader; repeat for more.",
)
@click.option(
    "--renew",
    multiple=True,
    metavar="NAME",
    help="Name of a reader whose link is lost; earlier answers are kept. Repeat for more.",
)
def invite(path: pathlib.Path, add: tuple[str, ...], renew: tuple[str, ...]) -> None:
    """Print links for new readers, or a new link for a known reader."""
    from gancmri_jax.apps.reader_study.readers import add_reader, renew_token
    from gancmri_jax.apps.reader_study.store import open_study, transaction

    if not (add or renew):
        raise click.UsageError("give --add NAME or --renew NAME")
    with open_study(path) as connection, transaction(connection):
        tokens = {name: add_reader(connection, name) for name in add}
        tokens |= {name: renew_token(connection, name) for name in renew}
    _print_tokens(tokens)


@command.command("serve")
@STUDY
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Network address to listen on; 0.0.0.0 opens the page to the whole network.",
)
@click.option(
    "--port",
    default=8008,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="Host name that readers use in their links; not needed for numeric addresses. Repeat for "
    "more.",
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser window.")
def serve(
    path: pathlib.Path, host: str, port: int, names: tuple[str, ...], no_browser: bool
) -> None:
    """Serve the study's web page and store the answers, until Ctrl-C.

    Each answer is on disk before the page shows it as saved. To continue after an interruption, run
    the same command again. Needs `pip install 'gancmri_jax[apps]'`.
    """
    from gancmri_jax.apps.packages import insist_packages

    insist_packages()
    from gancmri_jax.apps.reader_study.create import LOCAL_READER
    from gancmri_jax.apps.reader_study.server import study_app
    from gancmri_jax.apps.reader_study.store import damage, open_study, progress, reader_of
    from gancmri_jax.apps.serve import is_loopback
    from gancmri_jax.apps.serve import serve as serve_app
    from gancmri_jax.errors import InputError

    with open_study(path) as connection:
        if broken := damage(connection):
            raise InputError(
                f"{path}: is damaged ({broken[0]}); restore a copy, or see by `gancmri study "
                "report` which answers can still be read"
            )
        local = reader_of(connection, "") is not None
        if local and not is_loopback(host):
            raise InputError(
                f"{path}: has a reader without a token, so it can only be served on this machine; "
                f"for a link, run `gancmri study invite --study {path} --renew {LOCAL_READER}`"
            )
        for reader, (done, total) in progress(connection).items():
            click.echo(f"{reader}: {done} of {total} answered")
        app = study_app(connection, [host, *names])
        serve_app(
            app,
            host,
            port,
            open_browser=local and not no_browser,
            on_network="Readers' links begin with this machine's address, or with a --name.",
            say=click.echo,
        )


@command.command("report")
@STUDY
@click.option(
    "--out",
    default=pathlib.Path("study-report"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path, file_okay=False),
    help="Output folder.",
)
def report(path: pathlib.Path, out: pathlib.Path) -> None:
    """Unblind the answers and write a report.

    The report covers accuracy, fooled rate, ranks, agreement and response times. Writes
    OUT/report.md and report.html, report.json with every number, answers.csv with every answer, and
    plots. It can be written while readers are still at work.
    """
    from gancmri_jax.apps.reader_study.report import write_report

    for line in write_report(path, out):
        click.echo(line)
    click.echo(f"report in {out}")


def _print_tokens(tokens: dict[str, str]) -> None:
    click.echo("Links, to be kept now, since they are written nowhere:")
    for name, token in tokens.items():
        click.echo(f"  {name}: ADDRESS#{token}")
    click.echo(
        "where ADDRESS is http://THIS-MACHINE:PORT/, of the port that `gancmri study serve` prints."
    )
