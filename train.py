"""Train StyleGAN2 on prepared frames: `python train.py --config configs/phantom64.py`."""

from gancmri_jax.cli.main import run
from gancmri_jax.cli.train import command

if __name__ == "__main__":
    run(command)
