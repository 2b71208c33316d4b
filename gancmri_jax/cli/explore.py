"""`gancmri explore`: look at a model's hearts in a browser."""

import click


@click.command("explore")
@click.option("--model", "name", default="demo", show_default=True, help="demo, model file or run.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    default=8040,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 for any that is free.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the page.")
def command(name: str, host: str, port: int, no_browser: bool) -> None:
    """Serve a page whose sliders move a beating heart; it needs no internet.

    Cines that are loaded into it stay in this machine's memory until it ends.
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
