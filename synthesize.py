"""Make videos of beating hearts: `python synthesize.py`."""

from gancmri_jax.cli.main import run
from gancmri_jax.cli.synthesize import command

if __name__ == "__main__":
    run(command)
