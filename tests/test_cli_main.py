import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from gancmri_jax.cli.main import GROUPS, VERBS, gancmri
from gancmri_jax.errors import InputError
from gancmri_jax.latents.motions import MOTIONS
from gancmri_jax.version import __version__

ROOT = pathlib.Path(__file__).parents[1]
SAME_WORDS = {
    *("--slice", "--mask-box", "--keep-ids", "--split", "--mode", "--start"),
    *("--store-model", "--truncation", "--json", "--host", "--port", "--no-browser"),
}


def commands(command: click.Command, words: tuple[str, ...] = ()):
    """Yield all commands below a group, with the words that call them."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*words, name))


COMMANDS = dict(commands(gancmri))


@pytest.mark.parametrize("name", VERBS)
def test_the_list_of_commands_repeats_the_first_line_of_each_help(name):
    verb = gancmri.get_command(click.Context(gancmri), name)
    assert verb.help.splitlines()[0] == VERBS[name]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_has_a_help_text(words):
    context = click.Context(COMMANDS[words])
    options = [p for p in COMMANDS[words].params if isinstance(p, click.Option)]
    texts = {" ".join(option.opts): option.get_help_record(context)[1] for option in options}
    assert [option for option, text in texts.items() if re.match(r" *(\[|$)", text)] == []


@pytest.mark.parametrize("name", sorted(SAME_WORDS))
def test_an_option_has_the_same_help_text_in_every_command(name):
    texts = {p.help for command in COMMANDS.values() for p in command.params if name in p.opts}
    assert len(texts) == 1


def test_the_module_runs_and_its_help_groups_the_verbs():
    words = [sys.executable, "-m", "gancmri_jax", "-h"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    groups = [line for line in said.splitlines() if re.fullmatch(r"[A-Z]\w+:", line)]
    assert groups == ["Options:", *(f"{group}:" for group in GROUPS)]


def test_verbose_names_versions_and_where_an_error_arose_wherever_it_stands():
    for words in (["-v", "info", "none"], ["info", "none", "--verbose"]):
        result = CliRunner().invoke(gancmri, words)
        assert isinstance(result.exception, InputError)
        assert f"gancmri_jax {__version__}, jax " in result.stderr
        assert "in _locate" in result.stderr and "took" in result.stderr


def test_quiet_turns_progress_bars_off_for_what_is_imported_next(monkeypatch, tmp_path):
    monkeypatch.setenv("TQDM_DISABLE", "0")
    report = tmp_path / "info.json"
    assert CliRunner().invoke(gancmri, ["info", "-q", "--json", str(report)]).exit_code == 0
    assert json.loads(report.read_text())["generator"]["resolution"] == 64
    assert os.environ["TQDM_DISABLE"] == "1"


@pytest.mark.parametrize("verb", ["synthesize", "evaluate"])
def test_every_motion_is_taken_and_completed(verb):
    (option,) = (param for param in COMMANDS[(verb,)].params if param.name == "method")
    context = click.Context(COMMANDS[(verb,)])
    names = [item.value for item in option.type.shell_complete(context, option, "")]
    assert names == ["frame-to-frame", "ed-to-es", *MOTIONS]
    assert [option.type.convert(name, option, context) for name in names] == names
    with pytest.raises(click.BadParameter, match="unknown motion spine. Motions are "):
        option.type.convert("spine", option, context)


def shell_lines() -> list[list[str]]:
    """Return the README's shell commands, each split into words."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_the_commands_in_the_readme_exist_and_accept_their_options():
    checked = 0
    for words in shell_lines():
        if words[0] == "python" and words[1] in ("project.py", "synthesize.py"):
            words = ["gancmri", words[1].removesuffix(".py"), *words[2:]]
        elif words[:2] == ["python", "train.py"]:
            words = ["gancmri", "train", *words[2:]]
        if words[0] != "gancmri":
            continue
        (path,) = [path for path in COMMANDS if tuple(words[1 : 1 + len(path)]) == path]
        COMMANDS[path].make_context(" ".join(path), words[1 + len(path) :])  # raises UsageError
        checked += 1
    assert checked > 10
