"""Train StyleGAN2 on prepared frames: `python train.py --config configs/phantom64.py`."""

import re
import sys

from gancmri_jax.cli.main import run
from gancmri_jax.cli.train import command

SWITCHES = ("distributed", "tensorboard", "new_data")


def as_click(words: list[str]) -> list[str]:
    """Translate what earlier versions took: -config X, --notensorboard, --tensorboard=true."""
    spelt = []
    for word in words:
        word = re.sub(r"^-(?=[a-z_]{2})", "--", word)
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--no") and name[2:] in SWITCHES:
            continue
        if equals and name in SWITCHES:
            if value.lower() in ("false", "f", "0", "no", "n"):
                continue
            word = word if value.lower() not in ("true", "t", "1", "yes", "y") else f"--{name}"
        spelt.append(word)
    return spelt


if __name__ == "__main__":
    sys.argv[1:] = as_click(sys.argv[1:])
    run(command)
