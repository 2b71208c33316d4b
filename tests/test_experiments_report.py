import base64
import html.parser

from gancmri_jax.disclaimer import NOT_FOR_DIAGNOSIS
from gancmri_jax.experiments.report import write_report
from gancmri_jax.page import Chart, Figure, Heading, Table, Text, render_html

BLOCKS = [
    Heading(1, "A < B"),
    Text("Run `gancmri <verb>` & see."),
    Table(("a", "b"), [("1 | 2", "<script>")]),
    Figure("a.png", 'A "picture"'),
    Figure("b.mp4", "A film"),
]


class Reader(html.parser.HTMLParser):
    """Gathers a page's text, tags and sources."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.sources = "", [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name == "src"]

    def handle_data(self, data):
        self.text += data


def test_both_forms_say_the_same_and_the_page_holds_its_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "b.mp4").write_bytes(b"film")
    write_report(tmp_path, BLOCKS)
    assert (tmp_path / "report.md").read_text() == (
        "# A < B\n\nRun `gancmri <verb>` & see.\n\n| a | b |\n| --- | --- |\n| 1 \\| 2 | <script> "
        '|\n\n![A "picture"](a.png)\n\n*A "picture"*\n\n[b.mp4](b.mp4): A film\n\n'
        "*Made with gancmri_jax for research; not for diagnosis.*\n"
    )
    reader = Reader()
    reader.feed((tmp_path / "report.html").read_text())
    for said in ("A < B", "gancmri <verb>", "& see.", "1 | 2", "<script>", 'A "picture"', "A film"):
        assert said in reader.text
    assert "script" not in reader.tags and {"code", "table", "img", "video"} <= set(reader.tags)
    picture, film = (base64.b64decode(source.split(",")[1]) for source in reader.sources)
    assert (picture, film) == (b"picture", b"film")


def test_charts_are_bars_and_every_page_says_what_it_is_for(tmp_path):
    blocks = [Heading(1, "Bars"), Chart("Counts: 1 to 2", [0, 2, 1])]
    page = render_html(blocks, tmp_path)
    reader = Reader()
    reader.feed(page)
    assert reader.tags.count("rect") == 3 and "Counts: 1 to 2" in reader.text
    assert 'height="90.0"' in page and 'height="45.0"' in page and 'height="0.0"' in page
    assert NOT_FOR_DIAGNOSIS in reader.text
