"""The option `--motion`, of every verb that makes videos: all motions, by their table."""

import click
from click.shell_completion import CompletionItem


class MotionName(click.ParamType):
    """The name of a motion; the table is read, and JAX imported, only when it is needed."""

    name = "motion"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; one that no motion has is refused with what there is."""
        if param is not None and value == param.default:
            return value
        if value not in motion_names():
            known = ", ".join(motion_names())
            self.fail(f"unknown motion {value}. Motions are {known}", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so."""
        return [CompletionItem(name) for name in motion_names() if name.startswith(incomplete)]


class _MotionOption(click.Option):
    """An option whose help lists the table of motions, read only where help is shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help."""
        best, *names, last = motion_names()
        self.help = (
            f"Motion: {best} (the best one that the model has), {', '.join(names)} or {last}."
        )
        return super().get_help_record(ctx)


def motion_names() -> list[str]:
    """Return the paper's two methods, of which each model has its best, and all motions."""
    from gancmri_jax.latents.motions import ED_TO_ES, FRAME_TO_FRAME, MOTIONS

    return [*dict.fromkeys((FRAME_TO_FRAME, ED_TO_ES, *MOTIONS))]


MOTION = click.option(
    "--motion",
    "--method",
    "method",
    default="frame-to-frame",
    show_default=True,
    type=MotionName(),
    metavar="NAME",
    cls=_MotionOption,
)
