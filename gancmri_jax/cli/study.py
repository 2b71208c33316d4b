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
    help="What `gancmri study create` wrote.",
)


@click.group("study")
def command() -> None:
    """Let readers say which hearts are real, and analyse what they said."""


def _kinds(
    _: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, pathlib.Path]:
    """Read `name=folder` options."""
    kinds = {}
    for text in texts:
        name, equals, where = text.partition("=")
        if not (equals and where and re.fullmatch(r"[\w-]{1,40}", name)):
            raise click.BadParameter(f"{text!r} is not of the form ed-to-es=FOLDER", param=option)
        if name in kinds:
            raise click.BadParameter(f"{name} stands twice", param=option)
        kinds[name] = pathlib.Path(where)
    return kinds


@command.command("create")
@click.option("--real", required=True, type=click.Path(path_type=pathlib.Path), metavar="FOLDER")
@click.option(
    "--synthetic",
    multiple=True,
    required=True,
    callback=_kinds,
    metavar="NAME=FOLDER",
    help="A kind of synthetic hearts; repeat for more.",
)
@click.option(
    "--kind",
    type=click.Choice(["pairs", "videos"]),
    default="videos",
    show_default=True,
    help="Pairs of frames, of which one is real; or a real video beside one of each kind, to rank. "
    "Pairs of super-resolved hearts need `gancmri superres --all-generated`, which renders the "
    "original frames too.",
)
@click.option("--items", default=100, show_default=True, type=click.IntRange(1))
@click.option(
    "--repeats",
    default=10,
    show_default=True,
    type=click.IntRange(0),
    help="Items that each reader sees a second time.",
)
@click.option(
    "--readers",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="With a link each; 0 is one reader, on this machine, without.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Draws the same study again; readers must not know it.  [default: a random one]",
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    help="Rows and columns of what is shown.  [default: the shortest side of the kinds' first]",
)
@click.option(
    "--frames",
    "num_frames",
    type=click.IntRange(2, 1000),
    help="Of a video as it is shown.  [default: the fewest of the kinds' first]",
)
@click.option(
    "--beat-ms",
    default=1000.0,
    show_default=True,
    type=click.FloatRange(100, 10_000),
    help="Time in which every video is played.",
)
@click.option("--keep-ids", is_flag=True, help="Keep subjects' names instead of keyed hashes.")
@click.option(
    "--out",
    default=pathlib.Path("study.db"),
    show_default=True,
    type=click.Path(path_type=pathlib.Path),
)
def create(out: pathlib.Path, readers: int, seed: int | None, **asked) -> None:
    """Draw hearts of each kind, make them alike, and write a study to one file.

    A folder is anything that `gancmri prepare` reads, or its records. All are shown at the same
    size, with the same frames in the same time, windowed alike. Readers' tokens are printed once.
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
            raise click.BadParameter(f"{name!r}: only letters, digits, _ and -", param=option)
    return names


@command.command("invite")
@STUDY
@click.option(
    "--add",
    multiple=True,
    callback=_reader_names,
    metavar="NAME",
    help="A further reader; repeat for more.",
)
@click.option(
    "--renew",
    multiple=True,
    metavar="NAME",
    help="Another token for a reader whose link is lost; what was answered stays.",
)
def invite(path: pathlib.Path, add: tuple[str, ...], renew: tuple[str, ...]) -> None:
    """Give a link to further readers, or another link to one."""
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
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 for the network.")
@click.option(
    "--port", default=8008, show_default=True, type=click.IntRange(0, 65535), help="0 for any."
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A host name that readers' links begin with; addresses need none. Repeat for more.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the page.")
def serve(
    path: pathlib.Path, host: str, port: int, names: tuple[str, ...], no_browser: bool
) -> None:
    """Show readers their screens and keep their answers, until Ctrl-C.

    An answer is on the disk before its reader sees it saved. What broke off goes on when this is
    called again.
    """
    from gancmri_jax.apps.packages import insist_packages

    insist_packages()
    from gancmri_jax.apps.reader_study.create import LOCAL_READER
    from gancmri_jax.apps.reader_study.server import study_app
    from gancmri_jax.apps.reader_study.store import open_study, progress, reader_of
    from gancmri_jax.apps.serve import is_loopback
    from gancmri_jax.apps.serve import serve as serve_app
    from gancmri_jax.errors import InputError

    with open_study(path) as connection:
        local = reader_of(connection, "") is not None
        if local and not is_loopback(host):
            raise InputError(
                f"{path}: has a reader without a token, so it is served on this machine alone; a "
                f"link gives `gancmri study invite --study {path} --renew {LOCAL_READER}`"
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
)
def report(path: pathlib.Path, out: pathlib.Path) -> None:
    """Unblind the answers: accuracy, fooled rate, ranks, agreement, response times.

    OUT/report.md and report.html are for people, report.json holds every number, answers.csv every
    answer, and PNGs the plots. Readers may still be at work.
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
