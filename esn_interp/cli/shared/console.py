"""What a command says, and where: the result on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks; only the result.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there already, even if esn did not write it.")
]
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

    def result(self, content: Mapping[str, Any], *text: object) -> None:
        """The outcome: `content` with --json, else the lines of `text`."""
        plain = "\n".join(map(str, text))
        typer.echo(json.dumps(content, ensure_ascii=False, default=_plain) if self.json else plain)


@dataclass(frozen=True, kw_only=True)
class Run(Console):
    """One run of a command: its voice, and the seed of all that it draws."""

    seed: Seed = 0
    overwrite: Overwrite = False


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain text table: left-aligned columns, two spaces apart, readable in a pipe as well."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _plain(value: Any) -> Any:
    """Values that json does not know: paths, and numpy's scalars and arrays."""
    return str(value) if isinstance(value, Path) else value.tolist()
