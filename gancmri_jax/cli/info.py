"""`gancmri info`: what a model file holds."""

import json
import pathlib

import click

from gancmri_jax.cli.writing import JSON, Answer


@click.command("info")
@click.argument("name", default="demo")
@click.option(
    "--devices",
    is_flag=True,
    help="Print the devices that JAX computes on, and multiply a matrix on each, instead.",
)
@JSON
def command(name: str, devices: bool, report: pathlib.Path | None) -> None:
    """Print the contents of a model file.

    Lists network sizes, motion, directions and the model card. NAME is demo, a model file or a run
    folder. --devices checks an installation of JAX for accelerators.
    """
    if devices:
        _devices(report)
        return

    from gancmri_jax.model.file import read_header

    answer = Answer(report)
    header = read_header(name)
    sizes = ", ".join(f"{key} {value}" for key, value in header.generator.items())
    answer.say(f"{header.path}\n{header.num_values / 1e6:.2f} M values\ngenerator: {sizes}")
    for room in ("trajectories", "directions"):
        members = [
            f"{key.partition('/')[2]} {list(shape)}"
            for key, shape in header.shapes.items()
            if key.startswith(f"{room}/")
        ]
        answer.say(f"{room}: {', '.join(members) or 'none'}")
    for part in ("segmenter", "encoder", "discriminator"):
        told = getattr(header, part)
        sizes = ", ".join(f"{key} {value}" for key, value in (told or {}).items())
        answer.say(f"{part}: {sizes or 'none'}")
    answer.say(f"card: {json.dumps(header.card, indent=2)}")
    parts = ("generator", "segmenter", "encoder", "discriminator", "card", "shapes")
    held = {part: getattr(header, part) for part in parts}
    answer.give({"path": str(header.path), "num_values": header.num_values, **held})


def _devices(report: pathlib.Path | None) -> None:
    """Print each device's kind and memory, and see that it computes."""
    from gancmri_jax.model.devices import check_devices

    answer = Answer(report)
    found = check_devices()
    for device in found:
        memory = device["memory_gib"]
        held = "" if memory is None else f", {memory:.1f} GiB"
        works = "computes" if device["error"] is None else f"fails: {device['error']}"
        answer.say(f"{device['platform']} {device['id']}: {device['kind']}{held}, {works}")
    if found[0]["platform"] == "cpu":
        answer.say(
            "JAX sees no accelerator; for one, pip install 'gancmri_jax[cuda13]', "
            "'gancmri_jax[cuda12]' (older drivers) or 'gancmri_jax[tpu]'"
        )
    answer.give({"devices": found})
    if any(device["error"] for device in found):
        raise click.exceptions.Exit(1)
