"""`esn play`: the playground, a page on this machine."""

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.shared import CorpusChoice, ModelChoice, Run


@dataclass(frozen=True, kw_only=True)
class PlayedModel(ModelChoice):
    """A model, the bundled one if none is named."""

    model: Annotated[
        str, typer.Option("--model", metavar="M", help="A bundled model, a Hugging Face name or a folder.")
    ] = "toy-omni"


@dataclass(frozen=True, kw_only=True)
class PlayedCorpus(CorpusChoice):
    """A corpus, the bundled one if none is named."""

    corpus: Annotated[
        str, typer.Option("--corpus", metavar="C", help="A corpus by name (see `esn corpora`), a folder or a table.")
    ] = "toy-studio"


def play(
    *,
    model: PlayedModel,
    corpus: PlayedCorpus,
    stats: Annotated[
        Path | None, typer.Option("--stats", metavar="S", help="Statistics; else they are collected first.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, metavar="P", help="0 takes a free one.")] = 7860,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only tell the address.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Make everything ready, and don't serve.")] = False,
    run: Run,
) -> None:
    """A page to play with: pick or record a clip, turn neurons, and see the answer change.

    It answers this machine only, sends nothing anywhere, and keeps no recording. Needs the extra "play" (gradio).
    Ctrl-C ends it.

    Example:
        esn play --no-browser --dry-run
    """
    from esn_interp.playground.opening import open_bench
    from esn_interp.playground.server import application, serve
    from esn_interp.playground.voice import Voice

    lm = model.loaded(progress=run.progress)
    clips = corpus.all_clips(corpus.corpus)
    bench = open_bench(lm, clips, statistics=stats, limit=corpus.limit, progress=run.progress)
    voice = Voice(model.model, bench.found_on)

    def ready(address: str) -> None:
        run.result({"address": address}, f"The playground is at {address} (Ctrl-C ends it)")
        if not no_browser:
            webbrowser.open(address)

    if dry_run:
        application(bench, voice, bench.neuron_page)
        run.result({"ready": True, "gates": bench.lm.n_gates}, "Everything is ready.")
        return
    serve(bench, voice, bench.neuron_page, port=port, ready=ready)
