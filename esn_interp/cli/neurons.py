"""`esn collect`, `esn merge` and `esn select`: from clips to statistics to a set of neurons."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed, table
from esn_interp.cli.options import (
    BatchSize,
    Corpus,
    Limit,
    Model,
    Root,
    Split,
    clips_of,
    load_model,
    out_file,
)
from esn_interp.errors import EsnError

if TYPE_CHECKING:
    from esn_interp.neurons.statistics import GateStatistics

StatisticsOut = Annotated[Path, typer.Option("--out", metavar="S", help="The .safetensors file to write.")]


def collect(
    model: Model,
    corpus: Corpus,
    out: StatisticsOut,
    root: Root = None,
    split: Annotated[
        Split, typer.Option("--split", help="Which speakers to listen to.")
    ] = Split.identification,
    limit: Limit = None,
    per_clip: Annotated[
        bool, typer.Option("--per-clip", help="Keep each clip's sums as well; the size is told first.")
    ] = False,
    batch_size: BatchSize = 16,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint, to the same numbers.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad clip instead of skipping it.")
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure every gate neuron while the model listens.

    One streaming pass; what is kept are sums per emotion, never the activations. Clips that the model labels
    wrongly are kept apart. A checkpoint lies beside --out until that is written.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".safetensors")
    clips = clips_of(corpus, root, split=split, limit=limit, seed=seed)

    from esn_interp.tasks.collection import collect as collect_statistics

    lm = load_model(model, progress=console.progress)
    checkpoint = out.with_suffix(".partial.safetensors")
    with console.warnings():
        statistics = collect_statistics(
            lm,
            clips,
            batch_size=batch_size,
            per_clip=per_clip,
            strict=strict,
            progress=console.progress,
            checkpoint=checkpoint,
            resume=resume,
            seed=seed,
        )
    statistics.save(out)
    checkpoint.unlink(missing_ok=True)
    console.result(_content(statistics, out), text=_text(statistics, out))


def merge(
    files: Annotated[list[Path], typer.Argument(metavar="A B ...", help="Statistics of different clips.")],
    out: StatisticsOut,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Add the statistics of several shards.

    Counts add exactly, in any order; no two shards may hold the same clips.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".safetensors")

    from esn_interp.neurons.statistics import GateStatistics
    from esn_interp.neurons.statistics import merge as merge_statistics

    statistics = merge_statistics([GateStatistics.load(file) for file in files])
    statistics.save(out)
    console.result(_content(statistics, out), text=_text(statistics, out))


def select(
    statistics: Annotated[
        Path, typer.Argument(metavar="STATS", help="Statistics, as written by `esn collect`.")
    ],
    selector: Annotated[
        str, typer.Option("--selector", metavar="NAME", help="lap, lape, mad, cas or random.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="F", help="The .safetensors file to write.")],
    top: Annotated[
        float | None, typer.Option("--top", metavar="F", help="Fraction of all gates per emotion, in (0, 1].")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="K", help="Number of gates per emotion.")
    ] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", metavar="X", help="Least score.")] = None,
    scope: Annotated[
        str,
        typer.Option("--scope", metavar="SCOPE", help="Tokens that count: all, or some of audio,text,last."),
    ] = "all",
    pooling: Annotated[
        str | None,
        typer.Option(
            "--pooling", metavar="POOLING", help="clip (each clip counts once) or token; lape: token."
        ),
    ] = None,
    filter: Annotated[
        str,
        typer.Option(
            "--filter", metavar="FILTER", help="correct: clips that the model got right; none: all."
        ),
    ] = "correct",
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Cut within each layer, not over the model.")
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Select the neurons that go with each emotion.

    How many is said by exactly one of --top, --count and --threshold.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".safetensors")

    from esn_interp.neurons.statistics import GateStatistics

    measured = GateStatistics.load(statistics)

    from esn_interp.neurons.selectors import select as select_neurons

    neurons = select_neurons(
        measured,
        selector,
        top=top,
        count=count,
        threshold=threshold,
        scope=scope,
        pooling=pooling,
        filter=filter,
        per_layer=per_layer,
        seed=seed,
    )
    if not len(neurons):
        raise EsnError(f"{selector} selects no neuron at this size; select more, or use another selector")
    neurons.save(out)
    sizes = dict(zip(neurons.emotions, neurons.counts().sum(axis=1).tolist(), strict=True))
    content = {
        "out": out,
        "model": neurons.model,
        "selector": selector,
        "parameters": dict(neurons.parameters),
        "gates": neurons.n_gates,
        "neurons": sizes,
        "layers": neurons.counts().sum(axis=0),
    }
    rows = [(emotion, f"{size:,}", f"{size / neurons.n_gates:.2%}") for emotion, size in sizes.items()]
    console.result(content, text=f"{table(('emotion', 'neurons', 'of all gates'), rows)}\n{out}")


def _content(statistics: "GateStatistics", out: Path) -> dict[str, Any]:
    seen, kept = statistics.seen, statistics.kept
    return {
        "out": out,
        "model": statistics.model,
        "corpus": statistics.corpus,
        "gates": statistics.n_gates,
        "seen": seen,
        "kept": kept,
        "accuracy": sum(kept.values()) / sum(seen.values()),
        "skipped": [{"clip": clip, "reason": reason} for clip, reason in statistics.skipped],
    }


def _text(statistics: "GateStatistics", out: Path) -> str:
    seen, kept = statistics.seen, statistics.kept
    rows = [(emotion, f"{seen[emotion]:,}", f"{kept[emotion]:,}") for emotion in statistics.emotions]
    rows.append(("all", f"{sum(seen.values()):,}", f"{sum(kept.values()):,}"))
    skipped = "".join(f"\nskipped {clip}: {reason}" for clip, reason in statistics.skipped)
    return f"{table(('emotion', 'clips', 'labelled correctly'), rows)}{skipped}\n{out}"
