"""`esn layers`, `esn overlap` and `esn efficiency`: questions to the sets themselves, mostly without a model."""

from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed
from esn_interp.cli.options import (
    BatchSize,
    Limit,
    Root,
    Split,
    clips_of,
    load_model,
    numbers,
    out_file,
)
from esn_interp.cli.results import ResultOut, write_result
from esn_interp.errors import EsnError

Resamples = Annotated[
    int, typer.Option("--resamples", min=0, metavar="N", help="Bootstrap samples of the clips.")
]


def layers(
    neurons: Annotated[
        list[Path], typer.Argument(metavar="SET ...", help="Neuron sets, as written by `esn select`.")
    ],
    out: ResultOut,
    stats: Annotated[
        Path | None,
        typer.Option("--stats", metavar="S", help="Their statistics, --per-clip: resample the clips, too."),
    ] = None,
    resamples: Resamples = 50,
    permutations: Annotated[
        int, typer.Option("--permutations", min=99, metavar="N", help="Uniform draws behind the p-values.")
    ] = 1999,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Where in the network each emotion's neurons lie.

    Share of each layer against a uniform spread, bands of layers that hold more than chance, and which
    emotions and layers are alike.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    names = _names(neurons)

    from esn_interp.analysis.layers.measure import layer_profile
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.neurons.statistics import GateStatistics

    result = layer_profile(
        {name: NeuronSet.load(path) for name, path in zip(names, neurons, strict=True)},
        None if stats is None else GateStatistics.load(stats),
        permutations=permutations,
        resamples=resamples,
        seed=seed,
    )
    write_result(result, out, console, clusters=result.plot_clusters())


def overlap(
    neurons: Annotated[
        list[Path], typer.Argument(metavar="A B ...", help="Two or more neuron sets of one model.")
    ],
    out: ResultOut,
    stats: Annotated[
        list[Path] | None,
        typer.Option("--stats", metavar="S", help="Statistics of each set, in order; once for each."),
    ] = None,
    tops: Annotated[
        str | None,
        typer.Option("--tops", metavar="T", help="Further fractions of gates to compare; needs --stats."),
    ] = None,
    resamples: Resamples = 50,
    across_models: Annotated[
        bool, typer.Option("--across-models", help="Allow other weights of the same shape, place by place.")
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Whether two or more sets hold the same neurons.

    Every emotion of one against every emotion of the other, within layers and as if these were one; different
    emotions are the control. Sets are called by their file names.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    names, fractions = _names(neurons), () if tops is None else numbers(tops, "--tops")

    from esn_interp.analysis.overlap.measure import overlap as compare
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.neurons.statistics import GateStatistics

    result = compare(
        *(NeuronSet.load(path) for path in neurons),
        names=names,
        statistics=[GateStatistics.load(path) for path in stats] if stats else None,
        tops=fractions,
        resamples=resamples,
        across_models=across_models,
        seed=seed,
    )
    further = {"sparsity": result.plot_curve()} if result.curve else {}
    if len(neurons) > 2:
        further |= {f"pair-{pair.a}-{pair.b}": result.plot_pair(at) for at, pair in enumerate(result.pairs)}
    write_result(result, out, console, **further)


def efficiency(
    stats: Annotated[
        Path, typer.Argument(metavar="STATS", help="Statistics, as written by `esn collect --per-clip`.")
    ],
    out: ResultOut,
    selector: Annotated[str, typer.Option("--selector", metavar="NAME", help="As for `esn select`.")] = "mad",
    top: Annotated[
        float | None, typer.Option("--top", metavar="F", help="Fraction of all gates per emotion, in (0, 1].")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="K", help="Number of gates per emotion.")
    ] = None,
    scope: Annotated[
        str,
        typer.Option("--scope", metavar="SCOPE", help="Tokens that count: all, or some of audio,text,last."),
    ] = "all",
    filter: Annotated[
        str,
        typer.Option(
            "--filter", metavar="FILTER", help="correct: clips that the model got right; none: all."
        ),
    ] = "correct",
    sizes: Annotated[
        str, typer.Option("--sizes", metavar="N", help="Clips per emotion, separated by commas.")
    ] = "2,5,10,20,50,100",
    resamples: Annotated[
        int, typer.Option("--resamples", min=1, metavar="N", help="How often clips of each number are drawn.")
    ] = 20,
    model: Annotated[
        str | None, typer.Option("--model", metavar="M", help="Ablate the sets, too: in this model.")
    ] = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", metavar="C", help="Ablate the sets, too: on these clips.")
    ] = None,
    root: Root = None,
    split: Annotated[Split, typer.Option("--split", help="Which speakers to measure on.")] = Split.evaluation,
    limit: Limit = None,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """How many clips it takes to find the neurons.

    Sets from few clips against the set from all, from what each clip added to the statistics; the model is
    run only where --model and --corpus ask for the effect of ablation.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    numbered = [int(size) for size in numbers(sizes, "--sizes") if size == int(size)]
    if len(numbered) < len(sizes.split(",")):
        raise EsnError(f"--sizes {sizes}: these are whole numbers of clips")
    if (model is None) != (corpus is None):
        raise EsnError("--model and --corpus belong together: give both to measure effects, or none")

    from esn_interp.analysis.efficiency.measure import efficiency as measure
    from esn_interp.neurons.statistics import GateStatistics

    statistics = GateStatistics.load(stats)
    clips = None if corpus is None else clips_of(corpus, root, split=split, limit=limit, seed=seed)
    result = measure(
        statistics,
        selector,
        sizes=numbered,
        resamples=resamples,
        lm=None
        if model is None
        else load_model(model, progress=console.progress),
        clips=clips,
        batch_size=batch_size,
        seed=seed,
        progress=console.progress,
        top=top,
        count=count,
        scope=scope,
        filter=filter,
    )
    write_result(result, out, console)


def _names(files: list[Path]) -> list[str]:
    """What the files are called; with their folders, where two have the same name."""
    stems = [path.stem for path in files]
    return stems if len(set(stems)) == len(stems) else [str(path.with_suffix("")) for path in files]
