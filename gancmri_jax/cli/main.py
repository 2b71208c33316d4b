"""The `gancmri` command: one verb per file, imported when it is called."""

import difflib
import importlib
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata

import click

from gancmri_jax.cache import keep_compiled_programs
from gancmri_jax.errors import InputError
from gancmri_jax.version import __version__

GROUPS = {
    "Study": {
        "run": "Make a whole study of cines, from training records to one report.",
    },
    "Data": {
        "phantom": "Write phantom hearts with known physiology as NIfTI files.",
        "prepare": "Convert cines to training records.",
        "segment": "Segment the chambers in cines and measure the left ventricle.",
    },
    "Model": {
        "train": "Train a model of single frames.",
        "train-segmenter": "Train a network that segments the chambers of the heart.",
        "train-encoder": "Train a network that predicts the latent code of an image.",
        "runs": "Plot the curves of training runs.",
        "images": "Generate single frames, or a video that blends between hearts.",
        "info": "Print the contents of a model file.",
        "convert": "Convert a StyleGAN2 from another project to a model file.",
        "export": "Export a model to PyTorch, ONNX or StableHLO.",
    },
    "Beat": {
        "project": "Find the latent code of each real frame.",
        "fit": "Learn motion and phenotype directions from latent codes.",
        "synthesize": "Generate videos of beating hearts.",
        "superres": "Raise the frame rate of real cines.",
        "personalise": "Tune a model to one patient's heart.",
    },
    "Measure": {
        "evaluate": "Measure FID, FVD and other metrics between two sets.",
        "memorisation": "Test whether a model copies the hearts it was trained on.",
        "guide": "Measure how directions change LV area and sphericity.",
        "compare-models": "Compare models of phantoms with phantoms that they have not seen.",
        "compare-motions": "Compare generated motions with real heartbeats.",
        "compare-projections": "Compare the quality and speed of projection settings.",
        "compare-superres": "Remove every second frame of cines and compare ways to restore it.",
        "reproduce": "Repeat the paper's experiments on phantoms and write a report.",
    },
    "Pages": {
        "explore": "Open a web page with sliders that change a beating heart.",
        "study": "Run a blinded reader study with real and generated hearts.",
    },
    "Tools": {
        "weights": "Download and check pretrained networks.",
        "benchmark": "Measure the speed of synthesis, projection, training and more.",
    },
}
VERBS = {verb: what for verbs in GROUPS.values() for verb, what in verbs.items()}
_COMMON = ("-q", "--quiet", "-v", "--verbose")
_HELP = {"help_option_names": ["-h", "--help"]}


class Verbs(click.Group):
    """Import a verb's file only when that verb runs, so that `--help` needs no JAX."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        return importlib.import_module(f"gancmri_jax.cli.{name.replace('-', '_')}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, verbs in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl(list(verbs.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take --quiet and --verbose before and after the verb."""
        end = args.index("--") if "--" in args else len(args)
        common = [word for word in args[:end] if word in _COMMON]
        others = [word for word in args[:end] if word not in _COMMON]
        return super().parse_args(ctx, [*common, *others, *args[end:]])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest verb for one that is misspelt."""
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, VERBS, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise click.UsageError(f"No such command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; with --verbose, say what ran, for how long and where an error arose."""
        if not ctx.params["verbose"]:
            return super().invoke(ctx)
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "numpy"))
        python = f"Python {platform.python_version()}, {platform.platform()}"
        click.echo(f"gancmri_jax {__version__}, {versions}, {python}", err=True)
        begun = time.monotonic()
        try:
            return super().invoke(ctx)
        except (InputError, OSError):
            traceback.print_exc()
            raise
        finally:
            click.echo(f"took {time.monotonic() - begun:.1f} s", err=True)


@click.command(cls=Verbs, context_settings=_HELP)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress bars; also after COMMAND.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Print versions, the time taken and where an error arose; also after COMMAND.",
)
@click.version_option(__version__)
def gancmri(quiet: bool, verbose: bool) -> None:
    """Generate videos of beating hearts with a model learned from cine MRI.

    For research, not for diagnosis. Try `gancmri synthesize` first: it needs no data. With your own
    cines, `gancmri run` does everything: prepare, train, project, fit, synthesize, evaluate.
    """
    if quiet:
        os.environ["TQDM_DISABLE"] = "1"  # tqdm reads it when a verb imports it


def run(command: Callable[..., object]) -> None:
    """Run a click command; bad input becomes one line on standard error and status 2."""
    keep_compiled_programs()
    try:
        command(standalone_mode=False, **_HELP)
    except InputError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as error:
        usage = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        _refuse(error.format_message() + usage)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)


def _refuse(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(2)


def main() -> None:
    """Run `gancmri`."""
    run(gancmri)
