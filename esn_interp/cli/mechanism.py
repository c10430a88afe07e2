"""`esn ground`, `esn attribute` and `esn redundancy`: what drives neurons, and how they share the work."""

from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed
from esn_interp.cli.effects import OnSplit, prepare
from esn_interp.cli.options import (
    BatchSize,
    Corpus,
    Draws,
    Limit,
    Model,
    Neurons,
    Root,
    Split,
    clips_of,
    load_model,
    out_file,
    positions_of,
)
from esn_interp.cli.results import ResultOut, write_result
from esn_interp.errors import EsnError

PromptScope = Annotated[
    str, typer.Option("--positions", metavar="P", help="Token scopes: all, or some of audio,text,last.")
]


def ground(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt", metavar="TEXT", help="Another prompt to compare with; repeat it for several."
        ),
    ] = None,
    root: Root = None,
    split: OnSplit = Split.evaluation,
    limit: Limit = None,
    draws: Draws = 4,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Are the neurons driven by the audio, or by the prompt?

    Gives the neurons of a clip the gates that they have for another emotion of the same speaker and words, or
    for the same recording under another prompt. Without --prompt these are the options in another order, the
    question in other words, and another task. --limit takes clips in whole groups of speaker and sentence.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    prompts = {f"prompt {at}": text for at, text in enumerate(prompt, start=1)} if prompt else None
    experiment = prepare(model, neurons, corpus, root, split=split, limit=None, seed=seed, console=console)

    from esn_interp.analysis.grounding.measure import grounding

    result = grounding(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        prompts=prompts,
        limit=limit,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)


def attribute(
    model: Model,
    corpus: Corpus,
    out: ResultOut,
    positions: PromptScope = "all",
    top: Annotated[
        float | None,
        typer.Option("--top", metavar="F", help="Select this fraction of gates per emotion; see --neurons."),
    ] = None,
    neurons: Annotated[
        Path | None,
        typer.Option("--neurons", metavar="F", help="Where the set selected with --top is written."),
    ] = None,
    filter: Annotated[
        str,
        typer.Option("--filter", metavar="W", help="Clips that --top counts: correct (labelled so) or none."),
    ] = "correct",
    check: Annotated[
        int,
        typer.Option("--check", min=0, metavar="N", help="Silence N single neurons, and compare the ranks."),
    ] = 0,
    check_split: Annotated[
        Split, typer.Option("--check-split", help="Which speakers --check is measured on.")
    ] = Split.validation,
    root: Root = None,
    split: OnSplit = Split.identification,
    limit: Limit = None,
    batch_size: BatchSize = 16,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """How much does every gate speak for the right label?

    Gradient times gate of the label's log-odds, for all gates in one backward pass a batch. With --top it
    selects neurons; with --check it says how well it ranks what silencing single neurons does.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    where = positions_of(positions)
    if (top is None) != (neurons is None):
        raise EsnError("--top and --neurons go together: how many are selected, and where the set is written")
    if neurons is not None:
        out_file(neurons, ".safetensors")
    clips = clips_of(corpus, root, split=split, limit=limit, seed=seed)
    others = clips_of(corpus, root, split=check_split, limit=limit, seed=seed) if check else None
    lm = load_model(model, progress=console.progress)

    from esn_interp.analysis.attribution.measure import attribution as attribute_gates

    result = attribute_gates(lm, clips, positions=where, batch_size=batch_size, progress=console.progress)
    if top is not None and neurons is not None:
        result.select(top=top, filter=filter).save(neurons)
        console.remark(f"{neurons}: the strongest {top:.3g} of the gates for each emotion")
    if others is None:
        write_result(result, out, console)
        return
    checked = result.check(lm, others, neurons=check, seed=seed, progress=console.progress)
    checked.save(out.with_suffix(".check.json"))
    console.remark(f"{out.with_suffix('.check.json')}: {checked.summary()}")
    write_result(result, out, console, check=checked.plot())


def redundancy(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    greedy: Annotated[
        int,
        typer.Option(
            "--greedy", min=0, metavar="N", help="Choose N neurons greedily on the validation split (slow)."
        ),
    ] = 0,
    splits: Annotated[
        int, typer.Option("--splits", min=1, metavar="N", help="Random divisions of each set into halves.")
    ] = 4,
    positions: PromptScope = "all",
    root: Root = None,
    split: OnSplit = Split.evaluation,
    limit: Limit = None,
    draws: Draws = 4,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Do the neurons of an emotion add up, or stand in for each other?

    Silences each set one more neuron at a time, in halves, and together with another emotion's set, and
    compares the whole with the sum of its parts.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    where = positions_of(positions)
    if greedy and split in (Split.validation, Split.all):
        raise EsnError(f"--greedy chooses on the validation split, so --split {split} would flatter it")
    known = clips_of(corpus, root, split=Split.validation, limit=limit, seed=seed) if greedy else None
    experiment = prepare(model, neurons, corpus, root, split=split, limit=limit, seed=seed, console=console)

    from esn_interp.analysis.redundancy.measure import redundancy as ask_redundancy

    result = ask_redundancy(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        splits=splits,
        draws=draws,
        validation=known,
        greedy=max(greedy, 1),
        positions=where,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)
