"""What `esn` shows before it does anything: grouped help, its examples, the version, completion, and nothing slow."""

import re
import subprocess
import sys
from typing import Any

import pytest
import typer
from command_line import esn

import esn_interp
from esn_interp.cli import PANELS, app

GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = {
    f"{name} {part}".strip(): one
    for name, command in GROUP.commands.items()
    for part, one in getattr(command, "commands", {"": command}).items()
}
MODEL = ("--component", "--dtype", "--device-map", "--system", "--gates", "--trust-remote-code")
CORPUS = ("--emotions", "--split-by", "--identification", "--loudness", "--trim", "--corpus-option", "--limit")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_the_common_options(command: str):
    answer = esn(*command.split(), "--help")
    assert (answer.code, answer.err) == (0, "")
    for option in ("--json", "--seed", "--quiet", "-h, --help"):
        assert option in answer.out
    assert esn(*command.split(), "-h") == answer


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example_of_the_command(command: str):
    _, _, example = esn(*command.split(), "--help").out.partition("\nExample:\n")
    lines = example.splitlines()
    assert lines[0].startswith(f"  esn {command} ")
    assert [line.strip() for line in lines] == [line.strip() for line in COMMANDS[command].epilog.splitlines()]


def test_who_takes_a_model_or_a_corpus_says_what_can_be_told_of_it():
    """Over all commands: what has the name has everything that goes with it."""
    takers = {name: {word for option in one.params for word in option.opts} for name, one in COMMANDS.items()}
    models = {name for name, options in takers.items() if "--model" in options} | {"models", "verify"}
    corpora = {name for name, options in takers.items() if "--corpus" in options} - {"evc study"}
    assert len(models) >= 14
    assert len(corpora) >= 12
    for name in COMMANDS:
        assert takers[name] >= set(MODEL) or name not in models, name
        assert takers[name] >= {*CORPUS, "--root"} or name not in corpora, name
        assert takers[name].isdisjoint({"--dtype"}) or name in models, name
        assert takers[name].isdisjoint({"--loudness"}) or name in corpora, name


def test_no_command_shows_all_commands_by_what_they_are_for():
    shown = esn().out
    assert (esn().code, esn().err) == (0, "")
    assert shown == esn("--help").out == esn("-h").out
    headings = re.findall(r"^(\w+):$", shown, flags=re.MULTILINE)
    assert headings == ["Options", "Find", "Prove", "Steer", "Compare", "Studies", "Catalogue"]
    for panel in PANELS:
        _, _, below = shown.partition(f"\n{panel}:\n")
        part = below.split("\n\n")[0].splitlines()
        examples = [line.strip() for line in part if line.strip().startswith("$ esn ")]
        assert len(examples) == 2, panel
        words = [line.split()[0] for line in part if line.startswith("  ") and line[2] not in " $"]
        ours = [one.__name__.rpartition(".")[2].replace("_", "-") for one in PANELS[panel]]
        assert words[: len(ours)] == ours
        assert [line.split()[2] for line in examples] == ours[:2]
    assert all(re.search(rf"^  {name.split()[0]} ", shown, flags=re.MULTILINE) for name in COMMANDS)


def test_a_group_without_a_command_shows_its_commands():
    answer = esn("evc")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == esn("evc", "--help").out
    for part in ("study", "listen", "score", "$ esn evc study"):
        assert part in answer.out


def test_the_version_is_told():
    assert esn("--version").out == f"esn-interp {esn_interp.__version__}\n"


def test_shells_can_complete_commands_and_options():
    assert "--install-completion" in esn("--help").out
    words = {"_ESN_COMPLETE": "complete_bash", "COMP_WORDS": "esn abl", "COMP_CWORD": "1"}
    assert esn(environment=words).out.split() == ["ablate"]
    words = {"_ESN_COMPLETE": "complete_bash", "COMP_WORDS": "esn ablate --emo", "COMP_CWORD": "2"}
    assert esn(environment=words).out.split() == ["--emotions"]


def test_starting_imports_nothing_heavy():
    heavy = "{'torch', 'transformers', 'datasets', 'pandas', 'numpy', 'plotly'}"
    check = f"import sys, esn_interp.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
