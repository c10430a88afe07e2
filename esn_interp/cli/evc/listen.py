"""`esn evc listen`: a blind test with listeners."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import CorpusChoice, Root, Run, in_folder, out_file

if TYPE_CHECKING:
    from esn_interp.analysis.listening.pairs import ListeningPair


def listen(
    *,
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
    run: Run,
) -> None:
    """One page for a blind test: which of two recordings do listeners prefer?

    The page needs no network and nothing to install. Listeners open it, answer with the mouse or the keyboard
    alone, and save a .csv file, which `esn evc score` reads.

    Example:
        esn evc listen evc --catch toy-studio --out listening.html
    """
    from esn_interp.analysis.listening.pairs import read_pairs

    out = read_pairs(folder)[0] / "listening.html" if out is None else out
    out_file(out, ".html")
    checks = () if catch is None else _checks(folder, CorpusChoice(corpus=catch, root=root), run.seed)
    page = esn.listening_page(
        folder, out, pairs=pairs, question=question, checks=checks, source=source, seed=run.seed
    )
    told = (
        f"{page.pairs} pairs and {page.checks} catch trials, about {page.minutes} min, {page.bytes / 1e6:.1f} MB:"
        f" {page.question}"
    )
    run.result(vars(page), told, *page.notes, page.path)


def _checks(folder: Path, choice: CorpusChoice, seed: int) -> "tuple[ListeningPair, ...]":
    from esn_interp.analysis.listening.pairs import CATCH, catch_pairs, read_pairs

    place, pairs = read_pairs(folder)
    in_folder(place / CATCH / "any")
    emotions = [pair.emotion for pair in pairs]
    checks = catch_pairs(choice.all_clips(choice.corpus), place, emotions, seed=seed)
    if not checks:
        raise esn.EsnError(
            f"--catch {choice.corpus}: no speaker in it speaks neutrally and in one of"
            f" {', '.join(dict.fromkeys(emotions))}"
        )
    return checks
