"""What the documentation says is what the code does."""

import importlib
import inspect
import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

import esn_interp
from esn_interp.cli import app
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.layout import CLIP_SUMS, TOKEN_SUMS
from esn_interp.studies.conversion.record import SUMMARY as CONVERSION_SUMMARY
from esn_interp.studies.recognition.article.record import SUMMARY

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("analyses/*.md"))]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def public_modules() -> set[str]:
    """Every module that defines something; those of the command line have a page of their own."""
    found = {module.name for module in pkgutil.walk_packages(esn_interp.__path__, "esn_interp.")}
    if find_spec("triton") is None:
        found.remove("esn_interp.neurons.triton_kernels")
    return {name for name in found if not name.startswith("esn_interp.cli") and defines_something(name)}


def defines_something(name: str) -> bool:
    values = vars(importlib.import_module(name)).values()
    return any(callable(value) and getattr(value, "__module__", None) == name for value in values)


def test_the_reference_covers_every_module_once():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in [DOCS / "errors.md", *DOCS.glob("api/*.md")])
    rooms = re.findall(r"^```\{modules\} (\S+)", pages, flags=re.MULTILINE) + re.findall(r"automodule:: (\S+)", pages)
    assert len(rooms) > 10
    for name in public_modules():
        assert sum(f"{name}.".startswith(f"{room}.") for room in rooms) == 1, name


def test_an_analysis_goes_by_one_noun():
    """The table of analyses: each has a folder, a page and, where there is one, a notebook of its name."""
    table = (DOCS / "analyses" / "index.md").read_text(encoding="utf-8")
    names = r"\| `(\w+)` \| \[.+?\]\((\w+)\.md\) \| `esn ([\w -]+)` \| `esn\.(\w+)` \| `esn\.(\w+)` \|"
    rows = re.findall(rf"^{names} (?:`\d\d_(\w+)` )?\|$", table, flags=re.MULTILINE)
    assert len(rows) >= 14
    folders = {path.parent.name for path in Path(esn_interp.__file__).parent.glob("analysis/*/__init__.py")}
    # What a corpus and a model are worth is asked before any analysis, and inference is part of all of them; looks
    # inside one clip are many small results.
    assert {noun for noun, *_ in rows} == folders - {"corpus_check", "inference", "inside", "verification"}
    others = {"a_first_neuron", "planted_or_grown"}
    notebooks = {path.stem[3:] for path in (REPOSITORY / "notebooks").glob("*.py")} - others
    assert {notebook for *_, notebook in rows if notebook} == notebooks
    for noun, page, command, function, result, notebook in rows:
        assert page == noun
        assert (DOCS / "analyses" / f"{page}.md").is_file()
        assert notebook in ("", noun)
        group: Any = typer.main.get_command(app)
        for word in command.split():
            group = group.commands[word]
        assert callable(getattr(esn_interp, function))
        assert inspect.isclass(getattr(esn_interp, result))


def test_the_readme_lists_every_command_under_what_it_is_for():
    listed: dict[str, list[str]] = {}
    _, table = README.split("| command | does |")
    for part in table.split("\n\n")[0].split("| **")[1:]:
        listed[part.partition("**")[0]] = re.findall(r"^\| `esn ([\w-]+)` \|", part, flags=re.MULTILINE)
    panels: dict[str, list[str]] = {}
    for name, command in typer.main.get_command(app).commands.items():  # pyright: ignore[reportAttributeAccessIssue]
        panels.setdefault(command.rich_help_panel, []).append(name)
    assert listed == panels


def test_the_method_names_every_selector():
    method = (DOCS / "method.md").read_text(encoding="utf-8")
    assert set(SELECTORS) <= set(re.findall(r"^\| `(\w+)` \|", method, flags=re.MULTILINE))


def test_the_formats_name_every_key_of_the_summary():
    formats = (DOCS / "files.md").read_text(encoding="utf-8")
    _, table = formats.split("| `summary` | holds |")
    rows = re.findall(r"^\| (`.*?) \|", table.split("\n\n")[0], flags=re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(SUMMARY)


def test_the_formats_name_every_key_of_a_conversion_studys_summary():
    formats = (DOCS / "files.md").read_text(encoding="utf-8")
    _, table = formats.split("| each `summary` | tells |")
    rows = re.findall(r"^\| (`.*?) \|", table.split("\n\n")[0], flags=re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(CONVERSION_SUMMARY)


def test_the_formats_name_every_sum():
    formats = (DOCS / "files.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `audio/(\w+)/07` \|", formats, flags=re.MULTILINE)
    assert set(named) == {*TOKEN_SUMS, *CLIP_SUMS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shell_lines_are_accepted_by_the_command_line(page: Path):
    group = typer.main.get_command(app)
    for block in blocks(page.read_text(encoding="utf-8"), "bash"):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["esn"]:
                continue
            command = group.commands[words[1]]  # pyright: ignore[reportAttributeAccessIssue]
            # Parsing checks names and values of options, and that none that is required is missing.
            command.make_context(words[1], words[2:])


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_names_in_the_text_exist(page: Path):
    for name in set(re.findall(r"\{py:\w+\}`([\w.]+)`", page.read_text(encoding="utf-8"))):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.slow
def test_ten_lines_of_python_run(capsys: pytest.CaptureFixture[str]):
    (code,) = blocks(README, "python")
    # On fewer clips, but otherwise as printed; every replacement must hit, so that the two can't drift apart.
    for old, new in {
        "esns.plot().show()": "esns.plot()",
        "evaluate, esns)": "evaluate.limit(25), esns, draws=1)",
        "evaluate, esns, alphas=[0, 1, 2, 4, 8]": "evaluate.limit(25), esns, alphas=[0, 4], draws=1",
    }.items():
        assert old in code
        code = code.replace(old, new)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    before, after = capsys.readouterr().out.splitlines()[-2:]
    # The clip turns, as the comments beside the lines say.
    printed = re.findall(r"options=esns\.emotions\)\)\s+# (\w+)", code)
    assert [before, after] == printed == ["happy", "angry"]
