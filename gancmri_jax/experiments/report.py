"""A report of headings, texts, tables, pictures and films, as Markdown and as one HTML page."""

import base64
import html
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from gancmri_jax.atomic import atomic_write

_STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px }
td, th { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid #ddd }
figure { margin: 1.2rem 0 } figcaption { font-size: 14px; color: #555 }
img, video { max-width: 100%; background: #000 } img { background: #fff }
code { background: #f3f3f3; padding: 0 .2em }
"""


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


Block = Heading | Text | Table | Figure


def write_report(folder: pathlib.Path, blocks: Sequence[Block]) -> None:
    """Write `report.md`, and `report.html`, which holds its pictures and films itself."""
    with atomic_write(folder / "report.md") as part:
        part.write_text("\n\n".join(map(_markdown, blocks)) + "\n")
    title = next(block.text for block in blocks if isinstance(block, Heading))
    body = "\n".join(_html(block, folder) for block in blocks)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )
    with atomic_write(folder / "report.html") as part:
        part.write_text(page)


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


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _html(block: Block, folder: pathlib.Path) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Table(header, rows):
            lines = ["".join(f"<th>{_inline(cell)}</th>" for cell in header)]
            lines += ["".join(f"<td>{_inline(cell)}</td>" for cell in row) for row in rows]
            return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
        case Figure(name, caption):
            data = base64.b64encode((folder / name).read_bytes()).decode()
            said = html.escape(caption)
            if name.endswith(".mp4"):
                shown = (
                    f'<video controls loop muted autoplay playsinline aria-label="{said}" '
                    f'src="data:video/mp4;base64,{data}"></video>'
                )
            else:
                shown = f'<img alt="{said}" src="data:image/png;base64,{data}">'
            return f"<figure>{shown}<figcaption>{said}</figcaption></figure>"


def _inline(text: str) -> str:
    """Escape a text; what stands between backticks is code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
