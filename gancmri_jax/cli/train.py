"""`train.py`: the one command that is configured by a file."""

import os
import pathlib
import sys

from absl import app, flags, logging
from ml_collections import config_flags

from gancmri_jax.cache import keep_compiled_programs
from gancmri_jax.errors import InputError

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Configuration file, e.g. configs/phantom64.py.", lock_config=True
)
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Run on several hosts, which JAX detects from the cluster's environment."
)
_TENSORBOARD = flags.DEFINE_bool("tensorboard", False, "Also write event files for TensorBoard.")
_NEW_DATA = flags.DEFINE_bool(
    "new_data", False, "Resume a run although its training records have changed."
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Run folder; to resume, give the same folder again.  [default: runs/NAME of the configuration]",
)


def run(_: list[str]) -> None:
    """Train by the flags' configuration."""
    # JAX is slow to import: not for --help.
    from gancmri_jax.model.mesh import spread_over_cores
    from gancmri_jax.training.config import check_config
    from gancmri_jax.training.loop import Terminated, train
    from gancmri_jax.training.progress import MODEL

    logging.set_verbosity(logging.WARNING)  # Orbax tells of every file it writes
    workdir = pathlib.Path(_WORKDIR.value or f"runs/{_config_file().stem}")
    if _DISTRIBUTED.value:
        import jax

        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"--distributed: JAX detects no cluster ({_one_line(error)}); remove it on a "
                "single machine"
            ) from error
    else:
        check_config(_CONFIG.value)
        spread_over_cores(_CONFIG.value.batch_size // _CONFIG.value.accumulate)
    try:
        train(_CONFIG.value, workdir, _TENSORBOARD.value, _NEW_DATA.value)
    except Terminated as end:
        print(f"asked to end: saved at step {end}; the same command goes on", file=sys.stderr)
        return
    if (workdir / MODEL).exists():
        print(f"wrote {workdir / MODEL}")


def main() -> None:
    """Parse flags and train; bad input is one line on standard error and status 2."""
    keep_compiled_programs()
    try:
        flags.mark_flag_as_required("config")
        app.run(run, flags_parser=_parse)
    except KeyboardInterrupt:
        message = "interrupted; the same command goes on from the last checkpoint"
        print(message, file=sys.stderr, flush=True)
        os._exit(130)  # a program that is still compiling would crash the interpreter's own end
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
    except Exception as error:  # a configuration is a program, which can fail in any way
        raise InputError(_one_line(error)) from error
    if len(rest) > 1:
        raise InputError(
            f"unknown option {rest[1]}; use --config, --workdir, --distributed, --tensorboard or "
            "--new_data"
        )
    if not _config_file().is_file():  # ml_collections would wait for its first use to say so
        raise InputError(f"{_config_file()}: no such configuration file")
    return rest


def _one_line(error: Exception) -> str:
    cause = error.__context__
    if isinstance(cause, KeyError):  # how ml_collections tells of an unknown key
        return f"the configuration has no {'; '.join(str(cause.args[0]).splitlines())}"
    return " ".join(str(error).split())


def _config_file() -> pathlib.Path:
    return pathlib.Path(config_flags.get_config_filename(flags.FLAGS["config"]))
