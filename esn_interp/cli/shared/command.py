"""From a function to a command: groups of options are unfolded, and help ends with the docstring's example.

What several commands share is a frozen dataclass, such as `ModelChoice`: each field is one option, annotated as typer
wants it, and a class variable ``TITLE`` heads these options in help. A command says that it takes them by a parameter
of that class, and is called with one made object.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from copy import copy
from textwrap import dedent
from types import ModuleType
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from esn_interp.cli.shared.outputs import guarded

EXAMPLE = "\n\nExample:\n"


class Command(TyperCommand):
    """A command whose help lists options under the titles of their groups and ends with its example, verbatim."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Sections in the order in which the command takes them; what belongs to every command comes last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            told = option.get_help_record(ctx)
            if told is not None:
                own = "Run" if option.name == "help" else "Options"
                sections.setdefault(getattr(option, "rich_help_panel", None) or own, []).append(told)
        write_sections(formatter, sections)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The example: lines that can be copied, so they are never broken."""
        if self.epilog:
            with formatter.section("Example"):
                write_lines(formatter, self.epilog)


def write_sections(formatter: Any, sections: dict[str, list[tuple[str, str]]]) -> None:
    """Titled lists of two columns."""
    for title, rows in sections.items():
        with formatter.section(title):
            formatter.write_dl(rows)


def write_lines(formatter: Any, text: str) -> None:
    """Lines as they are, indented."""
    for line in text.splitlines():
        formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def add(app: typer.Typer, module: ModuleType, *, panel: str | None = None) -> None:
    """Make a command of the function that has its module's name; help and example are its docstring."""
    name = module.__name__.rpartition(".")[2]
    function = getattr(module, name)
    text, _, example = (inspect.getdoc(function) or "").partition(EXAMPLE)
    make = app.command(
        name.replace("_", "-"),
        cls=Command,
        help=text,
        epilog=dedent(example).strip() or None,
        rich_help_panel=panel,
    )
    make(unfolded(function))


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every group of options laid out as its single options, those that must be given first."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    annotated: dict[str, Any] = {one.name: one.annotation for one in parameters}
    groups: dict[str, Any] = {name: kind for name, kind in annotated.items() if dataclasses.is_dataclass(kind)}
    if not groups:
        return command

    @functools.wraps(command)
    def flat(**given: Any) -> None:
        with guarded(given, name=command.__name__):
            run(given)

    def run(given: dict[str, Any]) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    laid_out: list[inspect.Parameter] = []
    for one in parameters:
        laid_out += _options_of(groups[one.name]) if one.name in groups else [one]
    laid_out = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in laid_out]
    flat.__signature__ = inspect.Signature(laid_out)  # pyright: ignore[reportAttributeAccessIssue]
    flat.__annotations__ = {one.name: one.annotation for one in laid_out}
    return flat


def _options_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    options: list[inspect.Parameter] = []
    for field in sorted(dataclasses.fields(group), key=lambda field: field.default is not dataclasses.MISSING):
        kind, told = get_args(hints[field.name])
        told = copy(told)
        told.rich_help_panel = group.TITLE
        default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
        options.append(
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, told]
            )
        )
    return options
