"""`gancmri explore`: look at a model's hearts in a browser."""

import click


@click.command("explore")
@click.option(
    "--model",
    "name",
    default="demo",
    show_default=True,
    help="Model: demo, a model file or a run folder.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Network address to listen on; 0.0.0.0 opens the page to the whole network.",
)
@click.option(
    "--port",
    default=8040,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 picks a free one.",
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser window.")
def command(name: str, host: str, port: int, no_browser: bool) -> None:
    """Open a web page with sliders that change a beating heart.

    The page works without internet. Cines that you load stay in the memory of this machine and are
    deleted when the command ends. Needs `pip install 'gancmri_jax[apps]'`.
    """
    from gancmri_jax.apps.packages import insist_packages

    insist_packages()
    from gancmri_jax.apps.explorer.app import explorer_app
    from gancmri_jax.apps.serve import listen, serve
    from gancmri_jax.model.file import load_model

    listen(host, port).close()  # rather now than after compiling
    model = load_model(name)
    click.echo("compiling …", err=True)
    app = explorer_app(model, name, names=[host])
    try:
        serve(app, host, port, open_browser=not no_browser, say=click.echo)
    finally:
        app.state.close()
