"""`gancmri export`: a model file → other projects' formats."""

import pathlib

import click

FORMATS = ("stylegan2-ada", "stablehlo", "onnx", "training", "hub")


@click.command("export")
@click.option("--model", "name", required=True, help="Model: demo, a model file or a run folder.")
@click.option(
    "--format",
    "kind",
    required=True,
    type=click.Choice(FORMATS),
    help="Output format: a PyTorch file for stylegan2-ada, StableHLO or ONNX graphs, a folder to "
    "upload to the Hugging Face hub, or, for a run folder, a model file to train on elsewhere.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Output file for stylegan2-ada and training; output folder for stablehlo, onnx and hub.",
)
@click.option(
    "--public",
    is_flag=True,
    help="Refuse a model made from one patient's images, as hub always does.",
)
def command(name: str, kind: str, out: pathlib.Path, public: bool) -> None:
    """Export a model to PyTorch, ONNX or StableHLO.

    stylegan2-ada writes a .pt file of state dictionaries that stylegan2-ada-pytorch loads. onnx and
    stablehlo write the mapping and synthesis networks as graphs for any batch size, and the motion
    and directions as safetensors. training writes the latest checkpoint of a run as a model file
    with discriminator and encoder, which --config.init_from and `gancmri benchmark all` train on.
    hub writes the model file and a model card to complete before both are uploaded; others then use
    it as --model hf://OWNER/NAME.
    """
    if public:
        from gancmri_jax.model.file import read_header
        from gancmri_jax.model.patient import insist_public

        insist_public(read_header(name).card, name)

    if kind == "training":
        from gancmri_jax.training.checkpoints import export_run

        export_run(pathlib.Path(name), out)
        click.echo(f"wrote {out}")
        return

    if kind == "hub":
        from gancmri_jax.export.hub import export_hub

        export_hub(name, out)
        click.echo(f"wrote {out}; complete its README.md before you upload it")
        return

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
