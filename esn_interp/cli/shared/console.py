"""What a command says, and where: the result on stdout, everything else on stderr."""

import json
import sys
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks; only the result.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is drawn at random.")]


@dataclass(frozen=True, kw_only=True)
class Console:
    """The voice of one command, as the user wants it.

    Remarks go to stderr, so that stdout can be piped. With `json` the result is one JSON object on stdout;
    without it, a few readable lines.
    """

    TITLE: ClassVar = "Run"

    json: AsJson = False
    quiet: Quiet = False

    @property
    def progress(self) -> bool:
        """Whether progress bars may be drawn: on stderr, and only where somebody can see them move."""
        return not self.quiet and sys.stderr.isatty()

    def remark(self, text: str) -> None:
        """A line about what is going on; silenced by --quiet."""
        if not self.quiet:
            typer.echo(text, err=True)

    def note(self, text: str) -> None:
        """Something to know about the input or the result, as a line on stderr; silenced by --quiet."""
        self.remark(f"esn: note: {text}")

    @contextmanager
    def warnings(self) -> Generator[None]:
        """Within the block, what the package warns of becomes a line on stderr, --quiet or not."""
        from esn_interp.models.conversion import ConversionWarning
        from esn_interp.tasks.collection import CollectWarning

        def show(message: Warning | str, *_: object, **__: object) -> None:
            typer.echo(f"esn: note: {message}", err=True)

        with warnings.catch_warnings():
            warnings.simplefilter("always", CollectWarning)
            warnings.simplefilter("always", ConversionWarning)
            warnings.showwarning = show
            yield

    def result(self, content: Mapping[str, Any], *text: object) -> None:
        """The outcome: `content` with --json, else the lines of `text`."""
        plain = "\n".join(map(str, text))
        typer.echo(json.dumps(content, ensure_ascii=False, default=_plain) if self.json else plain)


@dataclass(frozen=True, kw_only=True)
class Run(Console):
    """One run of a command: its voice, and the seed of all that it draws."""

    seed: Seed = 0


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain text table: left-aligned columns, two spaces apart, readable in a pipe as well."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _plain(value: object) -> object:
    """Values that json does not know: paths, numpy scalars and arrays, tuples' cousins."""
    if isinstance(value, Path):
        return str(value)
    to_list = getattr(value, "tolist", None)
    if callable(to_list):
        return to_list()
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
