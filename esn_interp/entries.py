"""What a stored header or object says, entry by entry, each of the type that its format promises."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from esn_interp.errors import StatisticsError

Kind = TypeVar("Kind")

_LONGEST = 60


class Entries:
    """The entries of a JSON object from a file, or part of one, called ``where``.

    What is asked for has its type or is refused with a StatisticsError that names file and entry; nothing is converted.
    Types are those of JSON: ``str``, ``int``, ``float``, ``bool``, and such as ``list[str]`` and ``dict[str, int]``.
    """

    def __init__(self, content: Mapping[str, Any], *, where: str) -> None:
        self._content, self.where = content, where

    def take(self, name: str, kind: Callable[..., Kind]) -> Kind:
        """An entry that must be there.

        Raises
        ------
        StatisticsError
            When it is not, or is of another type; names the file and the entry.
        """
        if name not in self._content:
            raise self.damaged(name, "is missing")
        value = self._content[name]
        try:
            return _adapter(kind).validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            inside = ".".join(map(str, first["loc"]))
            place = f" (at {inside})" if inside else ""
            said = first["msg"].replace("Input should", "should", 1)
            raise self.damaged(name, f"is {_short(value)}{place}: {said}") from None

    def get(self, name: str, kind: Callable[..., Kind], default: Kind) -> Kind:
        """An entry that earlier releases did not write.

        Raises
        ------
        StatisticsError
            When it is there, and of another type.
        """
        return self.take(name, kind) if name in self._content else default

    def or_null(self, name: str, kind: Callable[..., Kind]) -> Kind | None:
        """An entry that must be there, and may be null."""
        return None if self._content.get(name, "") is None else self.take(name, kind)

    def names(self, name: str) -> tuple[str, ...]:
        """A list of names: at least one, and none twice."""
        found = self.take(name, list[str])
        if not found or len(set(found)) < len(found):
            raise self.damaged(name, f"is {_short(found)}: there must be some, each named once")
        return tuple(found)

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """A list of pairs of texts."""
        found = self.take(name, list[list[str]])
        if any(len(pair) != 2 for pair in found):
            raise self.damaged(name, "holds something else than pairs")
        return tuple((first, second) for first, second in found)

    def damaged(self, name: str, how: str) -> StatisticsError:
        """The refusal of one entry, to be raised."""
        return StatisticsError(
            f"{self.where}: entry {name!r} {how}; the file is damaged: make it anew, or copy it again"
        )


@lru_cache(maxsize=64)
def _adapter(kind: Callable[..., Any]) -> Any:
    return TypeAdapter(cast(Any, kind))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
