"""Single options that several commands share, with one wording each."""

from pathlib import Path
from typing import Annotated

import typer

Neurons = Annotated[
    Path, typer.Option("--neurons", metavar="F", help="A neuron set, as written by `esn select`.")
]
Statistics = Annotated[
    Path | None, typer.Option("--stats", metavar="S", help="Statistics, as written by `esn collect`.")
]
StatisticsOut = Annotated[Path, typer.Option("--out", metavar="S", help="The .safetensors file to write.")]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, metavar="B", help="Clips that go through the model together.")
]
Draws = Annotated[
    int,
    typer.Option(
        "--draws", min=0, metavar="R", help="Layer-matched random neuron sets drawn as the control."
    ),
]
Relabellings = Annotated[
    int | None,
    typer.Option(
        "--relabellings",
        min=0,
        metavar="N",
        help="Selections from permuted labels, for a p that knows of the selection; see --stats.",
    ),
]
TokenScope = Annotated[
    str,
    typer.Option(
        "--positions", metavar="P", help="Where edits act: all, or some of audio,text,last,generated."
    ),
]
PromptScope = Annotated[
    str, typer.Option("--positions", metavar="P", help="Token scopes: all, or some of audio,text,last.")
]
CountedScope = Annotated[
    str | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="Tokens that count: all, or some of audio,text,last; by default audio,last, without the instruction.",
    ),
]
Filter = Annotated[
    str,
    typer.Option("--filter", metavar="FILTER", help="correct: clips that the model got right; none: all."),
]
Top = Annotated[
    float | None, typer.Option("--top", metavar="F", help="Fraction of all gates per emotion, in (0, 1].")
]
Count = Annotated[int | None, typer.Option("--count", metavar="K", help="Number of gates per emotion.")]
AllowIdentification = Annotated[
    bool,
    typer.Option(
        "--allow-identification-clips", help="Evaluate on clips that found the neurons, too; the result says so."
    ),
]
Resamples = Annotated[
    int, typer.Option("--resamples", min=0, metavar="N", help="Bootstrap samples of the clips.")
]
