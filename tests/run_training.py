"""A tiny training run in a process of its own: `python -m tests.run_training DATA WORKDIR`."""

import argparse
import json
import pathlib
import sys

import jax

from gancmri_jax.training.loop import Terminated, train
from tests.tiny import tiny_config

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("workdir", type=pathlib.Path)
    parser.add_argument("--config", type=json.loads, default={})
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--host", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.hosts > 1:
        address = f"127.0.0.1:{options.port}"
        jax.distributed.initialize(address, options.hosts, options.host)
    try:
        train(tiny_config(data=options.data, **options.config), options.workdir)
    except Terminated as end:
        print(f"terminated: {end}")
        sys.exit(0)
