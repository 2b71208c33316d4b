"""`gancmri convert`: another project's StyleGAN2 → a model file."""

import pathlib

import click


@click.command("convert")
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="StyleGAN2 pickle (TensorFlow), stylegan2-ada-pytorch pickle, or rosinality's .pt file.",
)
@click.option(
    "--trajectories",
    "folder",
    type=click.Path(path_type=pathlib.Path),
    help="Folder with the trajectories published by GANcMRI, 01.npy … 4849.npy.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Output model file (.safetensors).",
)
def command(source: pathlib.Path, folder: pathlib.Path | None, out: pathlib.Path) -> None:
    """Convert a StyleGAN2 from another project to a model file.

    Needs neither TensorFlow nor PyTorch. No code in the input file is executed.
    """
    from gancmri_jax.weights.stylegan2_files import read_foreign

    foreign = read_foreign(source)  # before JAX is waited for: most files that fail do so here

    from gancmri_jax.latents.motions import EdToEs, MeanSteps
    from gancmri_jax.model.convert import LICENCE, convert
    from gancmri_jax.model.file import save_model
    from gancmri_jax.model.motion import LearnedMotion
    from gancmri_jax.model.published import read_published

    model, discriminator = convert(foreign, source.name)
    sizes = ", ".join(f"{key} {value}" for key, value in foreign.generator_sizes.items())
    click.echo(f"{foreign.kind}: {sizes}")
    click.echo(f"discriminator: {'none' if discriminator is None else 'taken along'}")
    if folder is not None:
        found = read_published(folder, model.num_ws, model.w_dim)
        note = {
            "source": "trajectories published with GANcMRI",
            "sha256": found.sha256,
            "licence": LICENCE,
            "rank": found.rank,
            "retained_motion": {"peak": round(found.kept.peak, 4), "frame": found.kept.frame},
        }
        motion = LearnedMotion((EdToEs(found.ed_to_es), MeanSteps(found.steps)))
        model = model.with_fit(motion, found.directions, note)
        click.echo(
            f"frame_to_frame: {len(found.steps)} steps of rank {found.rank}, "
            f"their sum {found.gap:.1e}; goes {found.kept.peak:.0%} of the way to ES, "
            f"by frame {found.kept.frame}\n"
            f"directions: {', '.join(found.directions)}"
        )
    save_model(model, out, discriminator)
    licence = model.card.get("licence")
    click.echo(f"wrote {out}" + (f"; licence {licence}" if licence else ""))
