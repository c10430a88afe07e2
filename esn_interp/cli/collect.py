"""`esn collect`: from clips to statistics."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    EngineChoice,
    ModelChoice,
    Run,
    Split,
    StatisticsOut,
    out_file,
    own_file,
    table,
)


class Site(StrEnum):
    """Where in a layer there is a value per neuron: `esn_interp.models.sites.NEURON_SITES`."""

    pre = "pre"
    gate = "gate"
    gated = "gated"


def collect(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: Annotated[
        Split, typer.Option("--split", help="Which speakers to listen to.", rich_help_panel="Corpus")
    ] = Split.identification,
    out: StatisticsOut,
    per_clip: Annotated[
        bool, typer.Option("--per-clip", help="Keep each clip's sums as well; the size is told first.")
    ] = False,
    clips_beside: Annotated[
        bool,
        typer.Option(
            "--clips-beside",
            help="As --per-clip, but in a file beside --out that is mapped into memory: for large models.",
        ),
    ] = False,
    batch_size: Annotated[
        str,
        typer.Option(
            "--batch-size",
            metavar="B",
            help="Clips that go through the model together; auto: as many as its device can be busy with.",
        ),
    ] = "16",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            metavar="W",
            help="Threads that read audio ahead of the model; by default 4 for a model on a card.",
        ),
    ] = None,
    site: Annotated[
        Site, typer.Option("--site", help="Where in a layer: the gate after its activation, before it, or times up.")
    ] = Site.gate,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint, to the same numbers.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad clip instead of skipping it.")
    ] = False,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="How the question is put, and how many correct clips are enough: ours, authors, or a .yaml file.",
        ),
    ] = "ours",
    engine: EngineChoice,
    run: Run,
) -> None:
    """Measure every gate neuron while the model listens.

    One streaming pass; what is kept are sums per emotion, never the activations. Clips that the model labels
    wrongly are kept apart. A checkpoint lies beside --out until that is written. With --engine ray, replicas of the
    model listen to shards of the corpus, to the same numbers.

    Example:
        esn collect --model toy-omni --corpus toy-studio --per-clip --out stats.safetensors
    """
    from esn_interp.neurons.side_file import KIND, SUFFIX

    out_file(out, ".safetensors", kinds=("statistics",))
    checkpoint = out.with_suffix(".partial.safetensors")
    own_file(checkpoint, "collection checkpoint")
    beside = out.with_suffix(SUFFIX)
    if clips_beside:
        own_file(beside, KIND)
        if engine.replicated() is not None:
            raise esn.EsnError("--clips-beside: replicas keep single clips in --out; use --per-clip")
    together = _together(batch_size)
    clips = corpus.clips(split, run, model=model.model)
    how: dict[str, Any] = {
        "batch_size": together,
        "workers": workers,
        "per_clip": beside if clips_beside else per_clip,
        "strict": strict,
        "progress": run.progress,
        "checkpoint": checkpoint,
        "resume": resume,
        "protocol": protocol,
        "seed": run.seed,
        "site": site.value,
    }
    if (replicated := engine.replicated()) is None:
        statistics = esn.collect(model.loaded(progress=run.progress), clips, **how)
    else:
        from esn_interp.scale.collection import Recipe, collect_on

        statistics = collect_on(replicated, Recipe(model.model, model.given), clips, **how)
    save_statistics(statistics, out, run)
    checkpoint.unlink(missing_ok=True)


def _together(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r}: a number of clips of at least 1, or auto", param_hint="'--batch-size'")
    return int(text)


def save_statistics(statistics: "esn.GateStatistics", out: Path, run: Run) -> None:
    """Write statistics, and tell of how many clips they are."""
    statistics.save(out)
    seen, kept = statistics.seen, statistics.kept
    content = {
        "out": out,
        "model": statistics.model,
        "corpus": statistics.corpus,
        "gates": statistics.n_gates,
        "seen": seen,
        "kept": kept,
        "accuracy": sum(kept.values()) / sum(seen.values()),
        "skipped": [{"clip": clip, "reason": reason} for clip, reason in statistics.skipped],
    }
    rows = [(emotion, f"{seen[emotion]:,}", f"{kept[emotion]:,}") for emotion in statistics.emotions]
    rows.append(("all", f"{sum(seen.values()):,}", f"{sum(kept.values()):,}"))
    skipped = (f"skipped {clip}: {reason}" for clip, reason in statistics.skipped)
    run.result(content, table(("emotion", "clips", "labelled correctly"), rows), *skipped, out)
