"""Giving a command options that it does not have to know of: they are put aside for those who ask while it runs."""

import functools
import inspect
from collections.abc import Callable, Mapping, Set
from contextvars import ContextVar
from typing import Any, TypeVar

Choice = TypeVar("Choice")


def with_options(
    command: Callable[..., None],
    declared: Mapping[str, Any],
    *,
    among: Set[str],
    before: str,
    chosen: ContextVar[Choice],
    choice: Callable[[dict[str, Any], Mapping[str, Any]], Choice],
) -> Callable[..., None]:
    """The command with further options, if it has a parameter ``among`` these; else the very same command.

    Parameters
    ----------
    declared
        Options by name, as typer wants them annotated; a command that means something else by a name keeps it.
    before
        The parameter in front of which they stand in the command's help; at the end where there is none.
    chosen, choice
        What holds the user's choice while the command runs, and how it is made: from the further options, and
        from the command's own.
    """
    signature = inspect.signature(command)
    if not among & set(signature.parameters):
        return command
    ours = {name: kind for name, kind in declared.items() if name not in signature.parameters}

    @functools.wraps(command)
    def told(**given: Any) -> None:
        further = {name: given.pop(name) for name in ours}
        token = chosen.set(choice(further, given))
        try:
            command(**given)
        finally:
            chosen.reset(token)

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in signature.parameters.values()]
    place = next((n for n, one in enumerate(parameters) if one.name == before), len(parameters))
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in ours.items()
    ]
    told.__signature__ = signature.replace(parameters=[*parameters[:place], *added, *parameters[place:]])  # pyright: ignore[reportAttributeAccessIssue]
    told.__annotations__ = {**command.__annotations__, **ours}
    return told
