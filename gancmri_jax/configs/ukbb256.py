"""The paper's setting: StyleGAN2 config-f on 4-chamber cines of UK Biobank at 256².

data/ukbb holds a folder, or a zip, a participant with the DICOM files of field 20208. The paper's
45,531 cines of 50 frames, split 80 / 10 / 10 by participant, leave 1,821,250 frames to train on:

gancmri prepare --input data/ukbb --out data/ukbb256 --size 256
gancmri train --config ukbb256

Memory, as XLA compiled it for one H200 (docs/accelerators.md; nothing was run): 7.9 GiB at batch
32, 10.2 GiB with an encoder. `gancmri benchmark compilation --target …` says it of other chips.
Where that is too much, config.accumulate=4 takes the batch in four parts, and config.remat=True
computes activations of R1 and path length anew.

Time, computed and not measured: an image costs 1,207 GFLOP, 25,000 kimg 30.2 EFLOP. At the fraction
of its matrix product rate that the training step reaches on two CPU cores (0.58, at 64², see
docs/benchmarks.md), a device that multiplies at 400 TFLOP/s takes a day and a half, at half that
fraction three. `gancmri benchmark training --dtype bfloat16` says what yours does.

This configuration has not been run to its end: the quality that it reaches is not measured.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
    """Return config-f of Karras et al. 2020, with one channel and reduced precision."""
    return ConfigDict(
        dict(
            data="data/ukbb256",
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
            clamp=placeholder(float),
            remat=False,
            batch_size=32,
            accumulate=1,
            learning_rate=0.002,
            d_learning_rate=placeholder(float),  # the same
            r1_gamma=10.0,
            d_reg_interval=16,
            pl_weight=2.0,
            g_reg_interval=4,
            style_mixing=0.9,
            ada_target=0.6,
            ada_kimg=500.0,
            ema_kimg=10.0,
            ema_rampup=placeholder(float),
            total_kimg=25000.0,
            anneal_kimg=0.0,  # at the end, in which all learning rates fall to 0
            kimg_per_tick=4.0,
            kimg_per_snapshot=200.0,
            distance_frames=2000,
            seed=0,
        )
    )
