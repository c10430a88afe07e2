"""What every analysis command ends with: the result as JSON, its figures beside it, its summary on stdout."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import typer

from esn_interp.cli.console import Console

if TYPE_CHECKING:
    import plotly.graph_objects as go

ResultOut = Annotated[
    Path, typer.Option("--out", metavar="R", help="The .json file to write; the figure goes beside it.")
]


@runtime_checkable
class Told(Protocol):
    """A result that can be saved, drawn and told in a sentence."""

    @property
    def notes(self) -> tuple[str, ...]: ...
    def to_dict(self) -> dict[str, Any]: ...
    def save(self, path: str | Path) -> None: ...
    def summary(self) -> str: ...
    def plot(self) -> "go.Figure": ...


def write_result(result: Told, out: Path, console: Console, **further: "go.Figure") -> None:
    """Write ``out`` and its figures, and tell the reader; ``further`` figures are named after their key."""
    from esn_interp.files import write_atomic

    result.save(out)
    figures = {out.with_suffix(".html"): result.plot()}
    figures |= {out.with_suffix(f".{name}.html"): figure for name, figure in further.items()}
    for page, figure in figures.items():
        write_atomic(
            page, lambda path, figure=figure: figure.write_html(path, include_plotlyjs=True, full_html=True)
        )
    first, *others = figures
    content = {"out": out, "figure": first, "further_figures": others, "summary": result.summary()}
    console.result(
        {**content, "notes": list(result.notes), "result": result.to_dict()},
        text="\n".join((result.summary(), *result.notes, str(out), *map(str, figures))),
    )
