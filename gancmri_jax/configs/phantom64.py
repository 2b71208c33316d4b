"""The embedded phantom at 64²: how the model named demo was trained, but for how its rates fell.

    gancmri phantom --out data/phantom --subjects 800 --size 64
    gancmri prepare --input data/phantom --out data/phantom64 --size 64
    gancmri train --config phantom64

60 kimg by inversion, 8 for the discriminator to catch up, the others of all networks: demo took 80
minutes on two cores of an AMD EPYC, at 75, 110 and 31 images/s. Its learning rates fell by steps,
and not by a line as here, once its distance to training frames (fcn_fd500) had stopped falling at
0.17: whole until 153 kimg, a quarter until 171 and a sixteenth until 181, where it was 0.137.
Another 109 kimg, at rates that fell from a quarter to 0, left it between 0.136 and 0.145.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    """Return stylegan2-ada's automatic settings for 64² and batch 8, with narrow layers."""
    return ConfigDict(
        dict(
            data="data/phantom64",
            init_from="",
            inversion_learning_rate=0.002,  # of an encoder trained along, or None
            inversion_kimg=60.0,  # how long generator and encoder are trained without an adversary
            d_warmup_kimg=8.0,  # then, or after init_from: how long the discriminator catches up
            resolution=64,
            z_dim=512,
            w_dim=512,
            mapping_layers=2,
            channel_base=1024,
            channel_max=64,
            mbstd_group=4,
            dtype="float32",
            clamp=placeholder(float),
            remat=False,
            batch_size=8,
            accumulate=1,
            # With one rate for both, these narrow networks' generator outruns the discriminator.
            learning_rate=0.0006,
            d_learning_rate=0.0025,
            r1_gamma=placeholder(float),  # 0.0002 · 64² / 8 = 0.1024
            d_reg_interval=16,
            pl_weight=2.0,
            g_reg_interval=4,
            style_mixing=0.9,
            ada_target=0.6,
            ada_kimg=500.0,
            ema_kimg=2.5,  # 8 · 10 / 32
            ema_rampup=0.05,
            total_kimg=180.0,
            anneal_kimg=40.0,  # at the end, in which all learning rates fall to 0
            kimg_per_tick=1.0,
            kimg_per_snapshot=10.0,
            distance_frames=500,
            seed=0,
        )
    )
