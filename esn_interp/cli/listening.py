"""`esn evc listen` and `esn evc score`: a blind test with listeners, and what their answers say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed, table
from esn_interp.cli.options import Root, in_folder, load_clips, out_file
from esn_interp.errors import EsnError

if TYPE_CHECKING:
    from esn_interp.analysis.listening.measure import Preference
    from esn_interp.analysis.listening.pairs import ListeningPair


def listen(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What a conversion study wrote, or a folder with pairs.jsonl.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PAGE", help="The .html file; else listening.html beside the pairs.")
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option("--pairs", min=1, metavar="N", help="Ask N pairs, evenly over emotions and conditions; else all."),
    ] = None,
    question: Annotated[
        str, typer.Option("--question", metavar="TEXT", help="What to choose by; {emotion} becomes that of the pair.")
    ] = "Which recording sounds more {emotion}?",
    source: Annotated[
        bool, typer.Option("--source", help="Let listeners hear the source recording as well, where there is one.")
    ] = False,
    catch: Annotated[
        str | None,
        typer.Option(
            "--catch", metavar="CORPUS", help="Add catch trials: recordings of a corpus, the emotion against neutral."
        ),
    ] = None,
    root: Root = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """One page for a blind test: which of two recordings do listeners prefer?

    The page needs no network and nothing to install. Listeners open it, answer with the mouse or the keyboard
    alone, and save a .csv file, which `esn evc score` reads.
    """
    console = Console(json=as_json, quiet=quiet)
    if out is not None:
        out_file(out, ".html")

    from esn_interp.analysis.listening.page import listening_page

    checks = () if catch is None else _checks(folder, catch, root, seed)
    page = listening_page(
        folder, out, pairs=pairs, question=question, checks=checks, source=source, seed=seed
    )
    told = (
        f"{page.pairs} pairs and {page.checks} catch trials, about {page.minutes} min, {page.bytes / 1e6:.1f} MB:"
        f" {page.question}"
    )
    console.result(vars(page), text="\n".join((told, *page.notes, str(page.path))))


def score(
    answers: Annotated[
        list[Path], typer.Argument(metavar="CSV ...", help="What listeners saved: one file or more of each.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="R", help="The .json file to write; the figure goes beside it.")
    ] = None,
    interval: Annotated[
        str, typer.Option("--interval", metavar="NAME", help="wilson, or clopper-pearson: wider, never too narrow.")
    ] = "wilson",
    least_checks: Annotated[
        float,
        typer.Option("--pass", min=0, max=1, metavar="F", help="Leave out who gets less of the catch trials right."),
    ] = 0.8,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """What listeners preferred, with intervals over listeners.

    Shares for every pair of conditions and emotion, and Bradley-Terry strengths where more than two conditions
    were compared.
    """
    console = Console(json=as_json, quiet=quiet)
    if out is not None:
        out_file(out, ".json")

    from esn_interp.analysis.listening.measure import preference
    from esn_interp.files import write_atomic

    result = preference(*answers, interval=interval, least_checks=least_checks)
    written: list[Path] = []
    if out is not None:
        figure = result.plot()
        written = [out, out.with_suffix(".html")]
        result.save(out)
        write_atomic(written[1], lambda path: figure.write_html(path, include_plotlyjs=True, full_html=True))
    content = {"files": written, "summary": result.summary(), "notes": list(result.notes), "result": result.to_dict()}
    console.result(content, text="\n".join((result.summary(), _table(result), *result.notes, *map(str, written))))


def _checks(folder: Path, corpus: str, root: Path | None, seed: int) -> "tuple[ListeningPair, ...]":
    from esn_interp.analysis.listening.pairs import catch_pairs, read_pairs

    place, pairs = read_pairs(folder)
    in_folder(place / "catch")
    emotions = [pair.emotion for pair in pairs]
    checks = catch_pairs(load_clips(corpus, root), place, emotions, seed=seed)
    if not checks:
        raise EsnError(
            f"--catch {corpus}: no speaker in it speaks neutrally and in one of {', '.join(dict.fromkeys(emotions))}"
        )
    return checks


def _table(result: "Preference") -> str:
    rows = [
        (
            *(f"{one.first} > {one.second}", one.emotion, f"{one.chosen} of {one.answers}"),
            *(f"{100 * one.share:.0f} %", f"[{100 * one.low:.0f}, {100 * one.high:.0f}]"),
        )
        for one in result.comparisons
    ]
    parts = [table(("preferred", "emotion", "times", "share", "95 %"), rows)]
    if result.strengths:
        strengths = [
            (one.condition, one.emotion, f"{one.value:+.2f}", f"[{one.low:+.2f}, {one.high:+.2f}]")
            for one in result.strengths
        ]
        parts.append(table(("strength", "emotion", "log-odds", "95 %"), strengths))
    return "\n\n".join(parts)
