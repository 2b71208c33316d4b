"""`gancmri weights`: pretrained networks, whence they come and whether they are here."""

import pathlib

import click


@click.group("weights")
def command() -> None:
    """Download and check pretrained networks.

    FID, FVD and LPIPS need them. They are kept in the user's cache folder (on Linux
    ~/.cache/gancmri_jax), or in the folder named by the environment variable GANCMRI_CACHE.
    """


@command.command("list")
def list_weights() -> None:
    """List networks, their sources and licences, and which ones are in the cache."""
    from gancmri_jax.weights.cache import cached_path
    from gancmri_jax.weights.table import TABLE

    for name, entry in TABLE.items():
        here = "in the cache" if cached_path(name).exists() else "not fetched"
        click.echo(f"{name} ({here if entry.sources else 'cannot be used yet'})\n    {entry.what}")
        for source in entry.sources:
            click.echo(f"    from {source}\n        licence: {source.licence}")
        if entry.awaits:
            click.echo(f"    awaits {entry.awaits}")


@command.command("fetch")
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=pathlib.Path),
    help="Folder to read from instead of the network: original files, packages, or files "
    "converted on another machine.",
)
def fetch_weights(names: tuple[str, ...], folder: pathlib.Path | None) -> None:
    """Download and convert the networks NAMES, or all available ones."""
    from gancmri_jax.weights.fetch import fetch
    from gancmri_jax.weights.table import TABLE

    for name in names or [name for name, entry in TABLE.items() if not entry.awaits]:
        click.echo(f"{name}: {fetch(name, folder)}")


@command.command("verify")
@click.argument("names", nargs=-1)
def verify_weights(names: tuple[str, ...]) -> None:
    """Compare the cached networks NAMES, or all, with their SHA-256."""
    from gancmri_jax.errors import InputError
    from gancmri_jax.weights.cache import cached_path, entry_of, read_weights

    present = [name for name in _or_all(names) if cached_path(name).exists() or names]
    for name in present:
        entry_of(name)
        if not cached_path(name).exists():
            raise InputError(f"{name}: not in the cache; run `gancmri weights fetch {name}`")
        weights = read_weights(cached_path(name), name)
        click.echo(
            f"{name}: sound, {len(weights.tensors)} tensors, from {weights.metadata['source']}"
        )
    if not present:
        click.echo("nothing in the cache")


@command.command("path")
@click.argument("name")
def path_of_weights(name: str) -> None:
    """Print the path of network NAME in the cache."""
    from gancmri_jax.errors import InputError
    from gancmri_jax.weights.cache import cached_path, entry_of

    entry_of(name)
    if not cached_path(name).exists():
        raise InputError(f"{name}: not in the cache; run `gancmri weights fetch {name}`")
    click.echo(str(cached_path(name)))


def _or_all(names: tuple[str, ...]) -> tuple[str, ...]:
    from gancmri_jax.weights.table import TABLE

    return names or tuple(name for name, entry in TABLE.items() if entry.sources)
