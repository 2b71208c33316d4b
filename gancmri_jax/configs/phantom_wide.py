"""Phantoms by wide layers, grown: phantom_wide:64 first, then phantom_wide:128 and :256 from it.

    gancmri phantom --out data/phantom --subjects 800 --size 64
    gancmri prepare --input data/phantom --out data/phantom64 --size 64
    gancmri train --config phantom_wide:64 --workdir runs/wide64
    gancmri train --config phantom_wide:128 --workdir runs/wide128 --config.init_from=runs/wide64

with records of 128² in data/phantom128. docs/training.md has the whole plan, and a frozen segmenter
for edges. A training image costs 12.7, 18.8 and 24.9 GFLOP (computed). Layers at a resolution are
as wide in all three, so that each is the first part of the next.

These configurations have not been run: neither their speed nor their quality is measured.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config(size: str = "64") -> ConfigDict:
    """Return phantom64's way of training with layers four times as wide, at 64², 128² or 256²."""
    if size not in _KIMG:
        raise ValueError(f"phantom_wide is of 64, 128 or 256, got {size}")
    resolution = int(size)
    first = resolution == 64
    return ConfigDict(
        dict(
            data=f"data/phantom{resolution}",
            init_from="",
            inversion_learning_rate=0.002,  # of an encoder trained along, or None
            inversion_kimg=60.0 if first else 10.0,  # without an adversary
            d_warmup_kimg=8.0 if first else 2.0,  # then: how long the discriminator catches up
            resolution=resolution,
            z_dim=512,
            w_dim=512,
            mapping_layers=2,
            channel_base=4096,
            channel_max=128,
            mbstd_group=4,
            dtype="float32",
            clamp=placeholder(float),
            remat=False,
            batch_size=8,
            accumulate=1,
            # With one rate for both, these narrow networks' generator outruns the discriminator.
            learning_rate=0.0006,
            d_learning_rate=0.0025,
            r1_gamma=placeholder(float),  # 0.0002 · resolution² / 8
            d_reg_interval=16,
            pl_weight=2.0,
            g_reg_interval=4,
            style_mixing=0.9,
            ada_target=0.6,
            ada_kimg=500.0,
            ema_kimg=2.5,  # 8 · 10 / 32
            ema_rampup=0.05,
            total_kimg=_KIMG[size],
            anneal_kimg=40.0,  # at the end, in which all learning rates fall to 0
            kimg_per_tick=1.0,
            kimg_per_snapshot=10.0,
            distance_frames=500,
            seed=0,
            noise_by_adversary=True,
            phantoms_share=0.5,
            freeze_below=0 if first else resolution // 2,
            freeze_kimg=0.0 if first else 12.0,  # the stages before all networks are trained
        )
    )


_KIMG = {"64": 300.0, "128": 150.0, "256": 80.0}
