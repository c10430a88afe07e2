"""A group of options in a signature becomes its single options, and comes back as one object."""

from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from esn_interp.cli.shared.command import add


@dataclass(frozen=True, kw_only=True)
class Size:
    TITLE: ClassVar = "Size"

    height: Annotated[float, typer.Option("--height", help="How high.")] = 1.0
    wide: Annotated[bool, typer.Option("--wide", help="Whether wide.")] = False


@dataclass(frozen=True, kw_only=True)
class Named(Size):
    name: Annotated[str, typer.Option("--name", help="How it is called.")]
    tags: Annotated[list[str] | None, typer.Option("--tag", help="What else; repeat.")] = None


class Taken(Exception):
    """Carries what a command was called with to the test."""


def build_house(*, place: Annotated[str, typer.Argument(help="Where.")], named: Named, seed: int = 0) -> None:
    """Build one.

    On the spot.

    Example:
        esn build-house here --name Ours \\
            --wide
    """
    raise Taken(place, named, seed)


@pytest.fixture
def app() -> typer.Typer:
    module = ModuleType("somewhere.build_house")
    module.__dict__["build_house"] = build_house
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)
    add(app, module)
    return app


def taken(app: typer.Typer, *words: str) -> tuple[object, ...]:
    error = CliRunner().invoke(app, ["build-house", *words]).exception
    assert isinstance(error, Taken), error
    return error.args


def test_what_is_told_comes_back_as_one_object(app: typer.Typer):
    words = ("here", "--name", "Ours", "--wide", "--tag", "a", "--tag", "b", "--height", "2", "--seed", "3")
    assert taken(app, *words) == ("here", Named(name="Ours", wide=True, tags=["a", "b"], height=2.0), 3)


def test_what_is_not_told_is_as_the_group_says(app: typer.Typer):
    assert taken(app, "here", "--name", "Ours") == ("here", Named(name="Ours"), 0)


def test_what_the_group_requires_is_required(app: typer.Typer):
    outcome = CliRunner().invoke(app, ["build-house", "here"])
    assert outcome.exit_code == 2
    assert "--name" in outcome.stderr


def test_help_shows_each_option_under_the_title_of_its_group(app: typer.Typer):
    shown = CliRunner().invoke(app, ["build-house", "--help"]).stdout
    text, size = shown.split("Size:\n")
    assert "Build one." in text
    assert "On the spot." in text
    told, rest = size.split("\n\n", 1)
    # what must be given comes first
    assert [line.split()[0] for line in told.splitlines()] == ["--name", "--height", "--wide", "--tag"]
    assert "Example:\n  esn build-house here --name Ours \\\n      --wide\n" in rest
    assert "Example" not in text
