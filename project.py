"""Find the latent codes of real frames: `python project.py --model M --input X --out Z`."""

from gancmri_jax.cli.main import run
from gancmri_jax.cli.project import command

if __name__ == "__main__":
    run(command)
