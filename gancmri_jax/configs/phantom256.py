"""The embedded phantom at 256², for one accelerator: phantom64's way, four times as fine.

    gancmri phantom --out data/phantom --subjects 800 --size 256
    gancmri prepare --input data/phantom --out data/phantom256 --size 256
    gancmri train --config phantom256

200 kimg by inversion, 25 for the discriminator to catch up, the others of all networks. Layers are
an eighth as wide as config-f's at 256², and at most a quarter. Memory of the generator's step, as
XLA compiled it for one H200 (docs/accelerators.md; nothing was run): 1.6 GiB at batch 32.

This configuration has not been run: neither its speed nor its quality is measured. `gancmri
benchmark all` trains it on for some minutes, from a model file, without records.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    """Return phantom64's way of training at 256², with layers a quarter as wide as config-f's."""
    return ConfigDict(
        dict(
            data="data/phantom256",
            init_from="",
            inversion_learning_rate=0.002,  # of an encoder trained along, or None
            inversion_kimg=200.0,  # how long generator and encoder are trained without an adversary
            d_warmup_kimg=25.0,  # then, or after init_from: how long the discriminator catches up
            resolution=256,
            z_dim=512,
            w_dim=512,
            mapping_layers=2,
            channel_base=4096,
            channel_max=128,
            mbstd_group=4,
            dtype="bfloat16",  # convolutions only; parameters and images are float32
            clamp=256.0,
            remat=False,
            batch_size=32,
            accumulate=1,
            # With one rate for both, these narrow networks' generator outruns the discriminator.
            learning_rate=0.0006,
            d_learning_rate=0.0025,
            r1_gamma=placeholder(float),  # 0.0002 · 256² / 32 = 0.41
            d_reg_interval=16,
            pl_weight=2.0,
            g_reg_interval=4,
            style_mixing=0.9,
            ada_target=0.6,
            ada_kimg=500.0,
            ema_kimg=10.0,
            ema_rampup=0.05,
            total_kimg=3000.0,
            anneal_kimg=500.0,  # at the end, in which all learning rates fall to 0
            kimg_per_tick=4.0,
            kimg_per_snapshot=100.0,
            distance_frames=500,
            seed=0,
        )
    )
