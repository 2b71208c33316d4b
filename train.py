"""Train StyleGAN2 on prepared frames: `python train.py --config configs/phantom64.py`."""

from absl import flags

from gancmri_jax.cli import train

if __name__ == "__main__":
    flags.adopt_module_key_flags(train)  # --help shows the flags of this file only
    train.main()
