"""`esn neuron`: a page about one neuron."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import CorpusOptions, ModelChoice, Run, names_of, out_file


@dataclass(frozen=True, kw_only=True)
class ClipsOfStatistics(CorpusOptions):
    """The corpus that statistics are of, where it is not a bundled one."""

    corpus: Annotated[
        str | None,
        typer.Option("--corpus", metavar="C", help="The clips of the statistics; bundled ones are found."),
    ] = None
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Clips on which it is edited by itself.")
    ] = 40


def neuron(
    *,
    layer: Annotated[int, typer.Argument(min=0, metavar="LAYER", help="Decoder layer, from 0.")],
    number: Annotated[int, typer.Argument(min=0, metavar="NEURON", help="Number within the layer, from 0.")],
    model: ModelChoice,
    stats: Annotated[
        Path, typer.Option("--stats", metavar="S", help="Statistics with single clips: `esn collect --per-clip`.")
    ],
    corpus: ClipsOfStatistics,
    sets: Annotated[
        list[Path] | None,
        typer.Option("--set", metavar="SET", help="A neuron set to look for it in; may be given again."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="R", help="The .json file to write; the page goes beside it.")
    ] = Path("neuron.json"),
    run: Run,
) -> None:
    """Everything about one neuron, on a page with players.

    When it fires, the clips that drive it most and least, what it writes, what silencing and turning it up does beside
    other neurons of its layer, what of the voice it goes with, and which sets hold it.

    Example:
        esn neuron 5 31 --model toy-omni --stats stats.safetensors --out neuron.json
    """
    out_file(out, ".json", kinds=("neuron",))
    statistics = esn.GateStatistics.load(stats)
    clips = None if corpus.corpus is None else corpus.all_clips(corpus.corpus)
    given = sets or []
    chosen = {name: esn.NeuronSet.load(path) for name, path in zip(names_of(given), given, strict=True)}
    lm = model.loaded(progress=run.progress)
    result = esn.neuron(lm, statistics, layer, number, clips=clips, sets=chosen, limit=corpus.limit, seed=run.seed)
    page = out.with_suffix(".html")
    result.save(out)
    result.write(page)
    content = {"out": out, "page": page, "summary": result.summary(), "notes": list(result.notes)}
    run.result({**content, "result": result.to_dict()}, result.summary(), *result.notes, out, page)
