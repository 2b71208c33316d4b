import json

import numpy as np
import pytest
from click.testing import CliRunner

from gancmri_jax.cache import CACHE_VARIABLE
from gancmri_jax.cine.cine import Cine
from gancmri_jax.cine.records import Records, write_records
from gancmri_jax.cli.main import gancmri, run
from gancmri_jax.errors import InputError
from gancmri_jax.model.file import save_model
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Records of 16² frames in two splits, other ones of 8², and a model."""
    folder = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)

    def hearts(count, size=16):
        pixels = rng.integers(0, 256, (count, 20, size, size)).astype(np.uint8)
        return [Cine(video, (1.5, 1.5), 30.0, f"s{i}") for i, video in enumerate(pixels)]

    write_records(folder / "records", {"train": hearts(8), "test": hearts(6)})
    write_records(folder / "small", {"train": hearts(2, size=8)})
    save_model(tiny_model(), folder / "tiny.safetensors")
    return folder


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def evaluate(folder, *arguments):
    filled = [argument.format(folder=folder) for argument in map(str, arguments)]
    return CliRunner().invoke(gancmri, ["evaluate", *filled], catch_exceptions=False)


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["gancmri", *map(str, arguments)])
        run(gancmri)
    assert stop.value.code == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    return line


def test_records_against_a_model(folder, tmp_path):
    report = tmp_path / "a.json"
    sets = ["--real", "{folder}/records", "--fake", "{folder}/tiny.safetensors"]
    result = evaluate(
        folder, *sets, "--split", "train", "--metrics", "roughness,closure", "--json", report
    )
    assert result.exit_code == 0 and "roughness = " in result.output
    cards = json.loads(report.read_text())
    assert [card["metric"] for card in cards] == ["roughness", "closure"]
    assert cards[0]["n_fake"] == 8 and cards[0]["real"].endswith("records train")
    same = evaluate(folder, "--compare", report, report)
    assert "roughness: " in same.output and "(+0)" in same.output


def test_one_question_at_a_time(folder, tmp_path):
    (tmp_path / "a.json").write_text("[]")
    reports = ["--compare", tmp_path / "a.json", tmp_path / "a.json"]
    for more in (["--metrics", "ssim"], ["--table", "a=demo"]):
        result = evaluate(folder, *reports, *more)
        assert result.exit_code == 2 and "or --table, or --compare" in result.output
    result = evaluate(folder, "--real", "{folder}/records", "--metrics", "ssim")
    assert result.exit_code == 2 and "give --real, --fake and --metrics" in result.output


def test_all_splits_of_records_are_one_set(folder):
    sets = ["--real", "{folder}/records", "--fake", "{folder}/records"]
    result = evaluate(folder, *sets, "--split", "all", "--metrics", "ssim")
    assert result.stdout.startswith("ssim = 1 [1, 1] (14 real, 14 fake")


def test_the_test_split_is_measured_where_there_is_one(folder):
    sets = ["--real", "{folder}/records", "--fake", "{folder}/records"]
    assert "in the 6 real ones" in evaluate(folder, *sets, "--metrics", "closure").stdout
    sets = [word.replace("/records", "/small") for word in sets]
    assert "in the 2 real ones" in evaluate(folder, *sets, "--metrics", "closure").stdout


def test_tables_of_phenotypes_are_correlated(folder, tmp_path):
    (tmp_path / "a.csv").write_text(
        "subject,es_frame,lv_area_ed_cm2,name_only_here\n"
        + "".join(f"s{i},19,{20 + i},1\n" for i in range(5))
    )
    (tmp_path / "b.csv").write_text(
        "subject,es_frame,lv_area_ed_cm2\n" + "".join(f"s{i},18,{41 + 2 * i}\n" for i in range(6))
    )
    options = ["--real", tmp_path / "a.csv", "--fake", tmp_path / "b.csv", "--metrics", "pearson"]
    result = evaluate(folder, *options)
    assert result.stdout.startswith("pearson_lv_area_ed_cm2 = 1 ")
    assert "5 real" in result.output and len(result.stdout.splitlines()) == 1


def test_flagged_subjects_are_left_out_of_a_correlation(folder, tmp_path):
    values = [(20, ""), (21, ""), (22, ""), (23, ""), (24, "curve"), (5, "curve;scale")]
    for name, sign in (("a.csv", 1), ("b.csv", 2)):
        rows = "".join(
            f"s{i},{sign * (area if i < 5 else 60 / sign)},{flags if name == 'a.csv' else ''}\n"
            for i, (area, flags) in enumerate(values)
        )
        (tmp_path / name).write_text(f"subject,lv_area_ed_cm2,flags\n{rows}")
    options = ["--real", tmp_path / "a.csv", "--fake", tmp_path / "b.csv", "--metrics", "pearson"]
    lines = evaluate(folder, *options).stdout.splitlines()
    assert lines[0].startswith("pearson_lv_area_ed_cm2 = 1 ") and "4 real" in lines[0]
    assert lines[1] == "2 flagged subjects left out; --keep-flagged includes them"
    (kept,) = evaluate(folder, *options, "--keep-flagged").stdout.splitlines()
    assert "6 real" in kept and not kept.startswith("pearson_lv_area_ed_cm2 = 1 ")
    table = tmp_path / "a.csv"
    table.write_text(table.read_text().replace(",\n", ",pieces\n"))
    with pytest.raises(InputError, match="all 6 shared subjects are flagged"):
        evaluate(folder, *options)


def test_what_cannot_be_evaluated_is_one_line(folder, tmp_path, capsys):
    records, model = folder / "records", folder / "tiny.safetensors"
    both = ["evaluate", "--real", records, "--fake", model, "--metrics"]
    assert "no such metric; did you mean ssim? Metrics are fid50k, " in refused(
        capsys, *both, "ssmi"
    )
    mixed = refused(capsys, *both, "ssim,pearson")
    assert "ssim: compares images" in mixed and "measure them in two commands" in mixed
    assert "120 frames and fid50k takes 50000" in refused(capsys, *both, "fid50k")
    small = ["evaluate", "--real", records, "--fake", folder / "small", "--metrics", "ssim"]
    assert "prepare both at one size" in refused(capsys, *small)
    assert "give --real, --fake and --metrics" in refused(capsys, "evaluate")
    (tmp_path / "empty").mkdir()
    empty = ["evaluate", "--real", tmp_path / "empty", "--fake", model, "--metrics", "ssim"]
    assert "cine files need --size" in refused(capsys, *empty)
    assert "holds no subject" in refused(capsys, *empty, "--size", "16")
    nowhere = ["evaluate", "--real", "nowhere", "--fake", model, "--metrics", "ssim"]
    assert "nowhere: no such model, latent store" in refused(capsys, *nowhere)
    assert "is not of the form NAME=SET" in refused(capsys, "evaluate", "--table", "x")


def test_memorisation_of_records(folder, tmp_path):
    write_records(tmp_path / "copies", {"train": list(Records(folder / "records", "train"))})
    options = ["--data", folder / "records", "--space", "pixel", "--out", tmp_path / "out"]
    arguments = ["memorisation", "--fake", tmp_path / "copies", *options]
    result = CliRunner().invoke(gancmri, list(map(str, arguments)), catch_exceptions=False)
    assert result.stdout.startswith("pixel: 100.0 % of generated frames")
    assert (tmp_path / "out" / "closest_pixel.png").exists()
