import pathlib
import re
import shlex

import click
import pytest

from gancmri_jax.cli.main import VERBS, gancmri

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
            assert (ROOT / words[words.index("--config") + 1]).is_file()
            checked += 1
        if words[0] != "gancmri":
            continue
        (path,) = [path for path in COMMANDS if tuple(words[1 : 1 + len(path)]) == path]
        COMMANDS[path].make_context(" ".join(path), words[1 + len(path) :])  # raises UsageError
        checked += 1
    assert checked > 10
