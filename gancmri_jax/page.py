"""A report of headings, texts, tables, charts, pictures and films, as one HTML file or Markdown.

The HTML comes from one Jinja2 template, `templates/report.html`, for all reports. It holds its
pictures and films itself and fetches nothing.
"""

import base64
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from gancmri_jax.disclaimer import PAGE_FOOTER

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_MEDIA = {".png": "image/png", ".mp4": "video/mp4"}


class Heading(NamedTuple):
    """A heading: 1 is the title, 2 a section."""

    level: int
    text: str


class Text(NamedTuple):
    """A paragraph, plain but for `code`."""

    text: str


class Table(NamedTuple):
    """Rows of cells under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Figure(NamedTuple):
    """A picture or a film that lies beside the report, and its caption."""

    name: str
    caption: str


class Chart(NamedTuple):
    """Bars of these heights, in HTML alone, and a caption."""

    caption: str
    heights: Sequence[float]


Block = Heading | Text | Table | Figure | Chart
_KINDS = {"heading": Heading, "text": Text, "table": Table, "figure": Figure}  # `is` in templates


def render_html(blocks: Sequence[Block], folder: pathlib.Path) -> str:
    """Return a page; the title is that of its first heading, its figures lie in `folder`."""
    import jinja2  # slow to import
    from markupsafe import Markup, escape

    def inline(text: str) -> Markup:
        """Escape a text; what stands between backticks is code."""
        parts = [escape(part) for part in text.split("`")]
        return Markup().join(
            Markup("<code>{}</code>").format(part) if index % 2 else part
            for index, part in enumerate(parts)
        )

    def source(name: str) -> str:
        data = base64.b64encode((folder / name).read_bytes()).decode()
        return f"data:{_MEDIA[pathlib.Path(name).suffix]};base64,{data}"

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = inline
    for name, kind in _KINDS.items():
        environment.tests[name] = lambda block, kind=kind: isinstance(block, kind)
    title = next(block.text for block in blocks if isinstance(block, Heading))
    template = environment.get_template("report.html")
    return template.render(title=title, blocks=blocks, source=source, footer=PAGE_FOOTER)


def render_markdown(blocks: Sequence[Block]) -> str:
    """Return the same in Markdown, which links to the figures; charts are left out."""
    parts = [_markdown(block) for block in blocks if not isinstance(block, Chart)]
    return "\n\n".join([*parts, f"*{PAGE_FOOTER}*"]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Table(header, rows):
            lines = [header, ["---"] * len(header), *rows]
            return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)
        case Figure(name, caption) if name.endswith(".mp4"):
            return f"[{name}]({name}): {caption}"
        case Figure(name, caption):
            return f"![{caption}]({name})\n\n*{caption}*"
    raise AssertionError(block)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
