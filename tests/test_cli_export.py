import pytest

from gancmri_jax.cli.main import gancmri, run
from gancmri_jax.model.convert import convert
from gancmri_jax.model.file import load_discriminator, load_model, save_model
from gancmri_jax.weights.stylegan2_files import read_foreign
from tests import foreign


@pytest.fixture
def path(tmp_path):
    source, path = tmp_path / "net.pkl", tmp_path / "model.safetensors"
    g, d = foreign.generator(resolution=8), foreign.discriminator(resolution=8)
    foreign.write_ada(source, g, d)
    model, judge = convert(read_foreign(source), source.name)
    save_model(model, path, judge)
    return path


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["gancmri", *map(str, arguments)])
    try:
        run(gancmri)
    except SystemExit as error:
        return error.code, capsys.readouterr()
    return 0, capsys.readouterr()


def test_a_model_goes_out_and_comes_back_by_the_commands(monkeypatch, capsys, tmp_path, path):
    out, back = tmp_path / "net.pt", tmp_path / "back.safetensors"
    options = ("--model", path, "--format", "stylegan2-ada", "--out", out)
    status, said = call(monkeypatch, capsys, "export", *options)
    assert (status, said.out) == (0, f"wrote {out}; licence unknown: ask its author\n")
    assert call(monkeypatch, capsys, "convert", "--input", out, "--out", back)[0] == 0
    assert load_model(back).fingerprint == load_model(path).fingerprint
    assert load_discriminator(back).network == load_discriminator(path).network


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("stablehlo", ["mapping.stablehlo", "synthesis.stablehlo"]),
        ("onnx", ["mapping.onnx", "synthesis.onnx"]),
    ],
)
def test_graphs_lie_in_a_folder(monkeypatch, capsys, tmp_path, path, kind, files):
    out = tmp_path / "graphs"
    options = ("--model", path, "--format", kind, "--out", out)
    assert call(monkeypatch, capsys, "export", *options)[0] == 0
    assert sorted(p.name for p in out.iterdir()) == ["card.json", "latents.safetensors", *files]


def test_what_cannot_be_written_or_read_is_one_line(monkeypatch, capsys, tmp_path, path):
    options = ("--format", "stylegan2-ada", "--out", tmp_path / "none" / "net.pt")
    for model in (path, tmp_path / "nothing"):
        status, said = call(monkeypatch, capsys, "export", "--model", model, *options)
        assert (status, said.err.count("\n")) == (2, 1)
