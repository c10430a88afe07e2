"""`esn attribute`: how much does every gate speak for the right label?"""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    BatchSize,
    CorpusChoice,
    Measured,
    ModelChoice,
    OnSplit,
    PromptScope,
    Split,
    out_file,
    positions_of,
)


def attribute(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.identification,
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
    batch_size: BatchSize = 16,
    run: Measured,
) -> None:
    """How much does every gate speak for the right label?

    Gradient times gate of the label's log-odds, for all gates in one backward pass a batch. With --top it
    selects neurons; with --check it says how well it ranks what silencing single neurons does.

    Example:
        esn attribute --model toy-omni --corpus toy-studio --out attribution.json
    """
    where = positions_of(positions)
    if (top is None) != (neurons is None):
        raise esn.EsnError("--top and --neurons go together: how many are selected, and where the set is written")
    out_file(neurons, ".safetensors", kinds=("neurons",))
    clips = corpus.clips(split, run, model=model.model)
    others = corpus.clips(check_split, run, model=model.model) if check else None
    lm = model.loaded(progress=run.progress)
    result = esn.attribution(lm, clips, positions=where, batch_size=batch_size, progress=run.progress)
    if top is not None and neurons is not None:
        result.select(top=top, filter=filter).save(neurons)
        run.remark(f"{neurons}: the strongest {top:.3g} of the gates for each emotion")
    if others is None:
        run.write(result)
        return
    checked = result.check(lm, others, neurons=check, seed=run.seed, progress=run.progress)
    checked.save(run.out.with_suffix(".check.json"))
    run.remark(f"{run.out.with_suffix('.check.json')}: {checked.summary()}")
    run.write(result, check=checked.plot())
