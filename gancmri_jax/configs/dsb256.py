"""Open hearts for those without UK Biobank: the Data Science Bowl 2015, 4-chamber cines at 256².

Kaggle's Second Annual Data Science Bowl is open to anyone who takes its terms. data/dsb2015 holds
train/, validate/ and test/ as they are unpacked, with train.csv and validate.csv beside them:

gancmri prepare --input data/dsb2015 --out data/dsb256 --size 256
gancmri train --config dsb256

1,140 studies of about 30 frames are some 34,000 frames, one for fifty of the paper's, of many
scanners and sizes: so adaptive augmentation and a shorter run. To fine-tune a model of UK Biobank
hearts instead: --config.init_from=MODEL --config.r1_gamma=10 --config.total_kimg=2000.

This configuration has not been run. Memory and the work of an image are those that
ukbb256 tells of; 10,000 kimg are 12.1 EFLOP of the ideal algorithm (computed).
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    """Return config-f of Karras et al. 2020 with the augmentation of Karras et al. 2020b."""
    return ConfigDict(
        dict(
            data="data/dsb256",
            init_from="",
            inversion_learning_rate=placeholder(float),  # of an encoder trained along, or None
            inversion_kimg=0.0,  # how long generator and encoder are trained without an adversary
            d_warmup_kimg=0.0,  # then, or after init_from: how long the discriminator catches up
            resolution=256,
            z_dim=512,
            w_dim=512,
            mapping_layers=8,
            channel_base=32768,
            channel_max=512,
            mbstd_group=4,
            dtype="bfloat16",  # convolutions only; parameters and images are float32
            clamp=256.0,
            remat=False,
            batch_size=32,
            accumulate=1,
            learning_rate=0.002,
            d_learning_rate=placeholder(float),  # the same
            r1_gamma=placeholder(float),  # 0.0002 · 256² / 32 = 0.41
            d_reg_interval=16,
            pl_weight=2.0,
            g_reg_interval=4,
            style_mixing=0.9,
            ada_target=0.6,
            ada_kimg=500.0,
            ema_kimg=10.0,
            ema_rampup=0.05,
            total_kimg=10000.0,
            anneal_kimg=0.0,  # at the end, in which all learning rates fall to 0
            kimg_per_tick=4.0,
            kimg_per_snapshot=200.0,
            distance_frames=2000,
            seed=0,
        )
    )
