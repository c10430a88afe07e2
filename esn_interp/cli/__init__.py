"""The command line: `esn COMMAND`, each a thin layer over one function of the package.

How to add one:

1. Write ``cli/NAME.py`` with one function of the command's name. Its parameters are keyword-only and annotated as
   typer wants them; several at once come from a group in ``cli/shared/``: `ModelChoice` (``model.loaded(...)``),
   `CorpusChoice` (``corpus.clips(...)``), and `Measured` for an analysis (``run.experiment(...)``, then
   ``run.write(result)``) or, where it tries edits on clips, `Trial` (``**run.how`` too), else `Run` (``run.seed``,
   ``run.result(...)``). A new group is a frozen dataclass.
2. The docstring is its help: a first line for the list of commands, what to know, and under ``Example:`` a line that
   works on the bundled model; ``tests/cli/test_examples.py`` runs it after those of the commands before it.
3. Name it below, in the panel it belongs to, and in README's table.

Heavy libraries are imported inside the commands, so that help and usage errors come at once.
"""

from typing import Annotated

import typer

from esn_interp import __version__
from esn_interp.cli import (
    ablate,
    asking,
    attribute,
    bake,
    baselines,
    collect,
    compare,
    convert,
    corpora,
    demo,
    doctor,
    dose,
    efficiency,
    evc,
    fetch,
    figure,
    fuse,
    ground,
    inject,
    layers,
    merge,
    models,
    neuron,
    overlap,
    play,
    read,
    redundancy,
    report,
    select,
    side_effects,
    study,
    transfer,
    verify,
)
from esn_interp.cli.shared.command import add
from esn_interp.cli.shared.door import Guard

PANELS = {
    "Find": (collect, select, merge, fuse, attribute, layers, neuron),
    "Prove": (ablate, side_effects, ground, redundancy, efficiency),
    "Steer": (dose, convert, inject, bake),
    "Compare": (compare, overlap, read, transfer, asking, baselines),
    "Studies": (demo, study, report, figure, play),
    "Catalogue": (models, corpora, fetch, verify, doctor),
}
"""Every command in the panel of `esn --help` that it belongs to; the first two of each show their example there."""

app = typer.Typer(
    name="esn",
    cls=Guard,
    help="Find emotion-sensitive neurons in speech language models, and prove that they are causal.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in PANELS.items():
    for command in commands:
        add(app, command, panel=panel)
app.add_typer(evc.app, name="evc", rich_help_panel="Studies")


def _tell_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"esn-interp {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def esn(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """What holds for every command; the version is told before anything else is looked at."""


def main() -> None:
    """Entry point of the `esn` executable."""
    app()


__all__ = ["app", "main"]
