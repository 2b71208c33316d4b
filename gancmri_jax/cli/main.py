"""The `gancmri` command: one verb per file, imported when it is called."""

import importlib
import sys
from collections.abc import Callable

import click

from gancmri_jax.cache import keep_compiled_programs
from gancmri_jax.errors import InputError
from gancmri_jax.version import __version__

VERBS = {
    "phantom": "Write phantom hearts with known physiology as NIfTI files.",
    "prepare": "Convert cines to training records.",
    "project": "Find the latent code of each real frame.",
    "train-segmenter": "Train a network that segments the chambers of the heart.",
    "train-encoder": "Train a network that predicts the latent code of an image.",
    "segment": "Segment the chambers in cines and measure the left ventricle.",
    "compare-projections": "Compare the quality and speed of projection settings.",
    "fit": "Learn motion and phenotype directions from latent codes.",
    "compare-motions": "Compare generated motions with real heartbeats.",
    "guide": "Measure how directions change LV area and sphericity.",
    "superres": "Raise the frame rate of real cines.",
    "compare-superres": "Remove every second frame of cines and compare ways to restore it.",
    "convert": "Convert a StyleGAN2 from another project to a model file.",
    "export": "Export a model to PyTorch, ONNX or StableHLO.",
    "info": "Print the contents of a model file.",
    "synthesize": "Generate videos of beating hearts.",
    "images": "Generate single frames, or a video that blends between hearts.",
    "explore": "Open a web page with sliders that change a beating heart.",
    "study": "Run a blinded reader study with real and generated hearts.",
    "runs": "Plot the curves of training runs.",
    "evaluate": "Measure FID, FVD and other metrics between two sets.",
    "memorisation": "Test whether a model copies the hearts it was trained on.",
    "reproduce": "Repeat the paper's experiments on phantoms and write a report.",
    "weights": "Download and check pretrained networks.",
    "benchmark": "Measure the speed of synthesis, projection, training and more.",
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
    """Generate videos of beating hearts with a model learned from cine MRI.

    Try `gancmri synthesize` first: it needs no data. With your own cines, the order is: prepare,
    `python train.py`, project, fit, synthesize.
    """


def run(command: Callable[..., object]) -> None:
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
