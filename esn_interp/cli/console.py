"""What a command says, and where: the result on stdout, everything else on stderr."""

import json
import sys
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks; only the result.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is drawn at random.")]


class Console:
    """The voice of one command.

    Remarks go to stderr, so that stdout can be piped. With `json` the result is one JSON object on stdout;
    without it, a few readable lines.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet

    @property
    def progress(self) -> bool:
        """Whether progress bars may be drawn: on stderr, and only where somebody can see them move."""
        return not self.quiet and sys.stderr.isatty()

    def remark(self, text: str) -> None:
        """A line about what is going on; silenced by --quiet."""
        if not self.quiet:
            typer.echo(text, err=True)

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

    def result(self, content: Mapping[str, Any], *, text: str) -> None:
        """The outcome: `content` with --json, else `text`."""
        typer.echo(json.dumps(content, ensure_ascii=False, default=_plain) if self.json else text)


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
