"""The `gancmri` command: one verb per file, imported when it is called."""

import importlib
import sys

import click

from gancmri_jax.cache import keep_compiled_programs
from gancmri_jax.errors import InputError
from gancmri_jax.version import __version__

VERBS = {
    "phantom": "Write phantom hearts, whose physiology is known, as NIfTI.",
    "prepare": "Read cines and write training records.",
    "project": "Find the latent codes of real frames.",
    "train-segmenter": "Train a network that finds the heart's chambers.",
    "train-encoder": "Train a network that guesses an image's latent code.",
    "segment": "Find the chambers in cines, and measure the left ventricle.",
    "compare-projections": "Say how well frames are found in several ways.",
    "fit": "Learn motion and phenotype directions from latent codes.",
    "compare-motions": "Say how motions move hearts, beside real beats.",
    "guide": "Say how well directions rule what hearts measure.",
    "superres": "Raise the frame rate of real cines.",
    "compare-superres": "Say how well frames that were taken away are found again.",
    "convert": "Make a model of another project's StyleGAN2.",
    "export": "Write a model in other projects' formats.",
    "info": "Say what a model file holds.",
    "synthesize": "Make videos of beating hearts.",
    "images": "Make pictures of single frames, and of the latent space between them.",
    "explore": "Move a heart by sliders, in a browser.",
    "study": "Let readers say which hearts are real, and analyse what they said.",
    "runs": "Draw and compare the curves of training runs.",
    "evaluate": "Say in numbers how good generated hearts are.",
    "memorisation": "Say whether a model copies the hearts it was trained on.",
    "reproduce": "Rerun the paper on phantoms, and write one report.",
    "weights": "Fetch pretrained networks, and say where they come from.",
    "benchmark": "Say how fast this machine is, and how much of it is used.",
}


class Verbs(click.Group):
    """Import a verb's file only when that verb runs, so that `--help` needs no JAX."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        return importlib.import_module(f"gancmri_jax.cli.{name.replace('-', '_')}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=Verbs)
@click.version_option(__version__)
def gancmri() -> None:
    """Generative models of the beating heart."""


def run(command: click.Command) -> None:
    """Run a click command; bad input becomes one line on standard error and status 2."""
    keep_compiled_programs()
    try:
        command(standalone_mode=False)
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
