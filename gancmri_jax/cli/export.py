"""`gancmri export`: a model file → other projects' formats."""

import pathlib

import click

FORMATS = ("stylegan2-ada", "stablehlo", "onnx")


@click.command("export")
@click.option("--model", "name", required=True, help="demo, a model file or a run.")
@click.option("--format", "kind", required=True, type=click.Choice(FORMATS))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="A file for stylegan2-ada; a folder of graphs for the others.",
)
def command(name: str, kind: str, out: pathlib.Path) -> None:
    """Write a model as others read it.

    stylegan2-ada is a .pt of state dictionaries, weights only; stablehlo and onnx are graphs for a
    batch of any size, with the latent directions beside them.
    """
    from gancmri_jax.export.graphs import export_onnx, export_stablehlo
    from gancmri_jax.export.torch_state import export_torch
    from gancmri_jax.model.file import load_discriminator, load_model, read_header

    model = load_model(name)
    if kind == "stylegan2-ada":
        judge = load_discriminator(name) if read_header(name).discriminator else None
        export_torch(model, judge, out)
    elif kind == "stablehlo":
        export_stablehlo(model, out)
    else:
        export_onnx(model, out)
    licence = model.card.get("licence")
    click.echo(f"wrote {out}" + (f"; licence {licence}" if licence else ""))
