"""The command line: `esn COMMAND`, each a thin layer over one function of the package.

Heavy libraries are imported inside the commands, so that help and usage errors come at once.
"""

import typer

from esn_interp.cli import (
    catalogue,
    checks,
    conversion,
    corpora,
    effects,
    evc,
    mechanism,
    neurons,
    steering,
    structure,
    study,
    whole,
)
from esn_interp.cli.corpus_choice import takes_corpus
from esn_interp.cli.guard import Guard
from esn_interp.cli.model_choice import takes_model

app = typer.Typer(
    name="esn",
    cls=Guard,
    help="Find emotion-sensitive neurons in speech language models, and prove that they are causal.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(whole.demo)
app.command("collect")(neurons.collect)
app.command("merge")(neurons.merge)
app.command("select")(neurons.select)
app.command("ablate")(effects.ablate)
app.command("dose")(effects.dose)
app.command("inject")(steering.inject)
app.command("transfer")(steering.transfer)
app.command("compare")(checks.compare)
app.command("side-effects")(checks.side_effects)
app.command("layers")(structure.layers)
app.command("overlap")(structure.overlap)
app.command("efficiency")(structure.efficiency)
app.command("ground")(mechanism.ground)
app.command("attribute")(mechanism.attribute)
app.command("redundancy")(mechanism.redundancy)
app.command("convert")(conversion.convert)
app.command("study")(study.study)
app.command("report")(whole.report)
app.command("models")(catalogue.models)
app.command("corpora")(corpora.corpora)
app.add_typer(evc.app, name="evc")
for registered in (*app.registered_commands, *evc.app.registered_commands):
    if registered.callback is not None:
        registered.callback = takes_model(takes_corpus(registered.callback))


def main() -> None:
    """Entry point of the `esn` executable."""
    app()


__all__ = ["app", "main"]
