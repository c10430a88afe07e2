"""`esn corpora`: what recordings can be loaded, what is known of one, and whether yours can carry a study."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed, table
from esn_interp.cli.corpus_choice import chosen
from esn_interp.cli.options import Limit, Root, load_clips, out_file
from esn_interp.errors import CorpusError, EsnError

if TYPE_CHECKING:
    from esn_interp.analysis.corpus_check.measure import CorpusCheck
    from esn_interp.speech.corpora.info import CorpusInfo

CHECK = "check"


def corpora(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|check]", help="Tell all of one corpus; or check one, see --corpus."),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", metavar="C", help="With check: a corpus by name, a folder or a table."),
    ] = None,
    root: Root = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="R", help="With check: the report, an .html file.")
    ] = None,
    split_out: Annotated[
        Path | None,
        typer.Option("--split-out", metavar="S", help="With check: who is in which split, a .json file."),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """What corpora can be loaded; what is known of one; whether one can carry a study.

    `esn corpora check --corpus C` listens to every clip: is each readable, long enough, neither silent nor
    clipped; is the same recording in two splits (that is an error); does the speaker give the emotion away;
    who says what how often.
    """
    console = Console(json=as_json, quiet=quiet)
    if what != CHECK and (corpus or out or split_out):
        raise EsnError("--corpus, --out and --split-out go with: esn corpora check --corpus C")
    if what is None:
        _list(console)
    elif what == CHECK:
        if corpus is None:
            raise EsnError("esn corpora check: say which corpus, --corpus C")
        _check(corpus, root, out=out, split_out=split_out, limit=limit, seed=seed, console=console)
    else:
        _tell(what, console)


def _list(console: Console) -> None:
    from esn_interp.speech.corpora import CORPORA

    rows = [
        {
            "name": info.name,
            "title": info.title,
            "licence": info.licence,
            "needs": "--root PATH" if info.needs_root else "nothing",
            "description": info.description,
        }
        for info in CORPORA.values()
    ]
    text = table(
        ("name", "needs", "licence", "title"),
        [(r["name"], r["needs"], r["licence"], r["title"]) for r in rows],
    )
    console.result({"corpora": rows}, text=text)


def _tell(name: str, console: Console) -> None:
    from esn_interp.speech.corpora import CORPORA

    info = CORPORA.get(name)
    if info is None:
        raise CorpusError(f"unknown corpus {name!r}; known corpora: {', '.join(CORPORA)}")
    facts = {
        "title": info.title,
        "what it is": info.description,
        "licence": info.licence,
        "from": info.home,
        "take": info.download,
        "root holds": info.layout,
        "split": info.split,
        **{f"--emotions {key}": ", ".join(emotions) for key, emotions in info.conventions.items()},
    }
    labels = [(theirs, ours, _many(info, ours)) for theirs, ours in info.labels.items()]
    text = "\n\n".join(
        (
            table(("corpus", name), [(key, value) for key, value in facts.items() if value]),
            table(("its label", "emotion", "clips of the emotion"), labels),
        )
    )
    content: dict[str, Any] = {
        "name": name,
        **facts,
        "labels": dict(info.labels),
        "counts": dict(info.counts),
        "conventions": {key: list(emotions) for key, emotions in info.conventions.items()},
    }
    console.result(content, text=text)


def _many(info: "CorpusInfo", emotion: str) -> str:
    """Clips of an emotion, of all labels that stand for it."""
    return f"{info.counts[emotion]:,}" if emotion in info.counts else ""


def _check(
    corpus: str,
    root: Path | None,
    *,
    out: Path | None,
    split_out: Path | None,
    limit: int | None,
    seed: int,
    console: Console,
) -> None:
    if out is not None:
        out_file(out, ".html")
    if split_out is not None:
        out_file(split_out, ".json")
    choice = chosen()
    clips = load_clips(corpus, root)
    if limit is not None:
        clips = clips.limit(limit, seed=seed)

    from esn_interp.analysis.corpus_check.measure import check_corpus
    from esn_interp.analysis.corpus_check.page import write_corpus_page

    check = check_corpus(
        clips,
        by=choice.split_by,
        identification=choice.identification,
        seed=seed,
        progress=console.progress,
    )
    if out is not None:
        write_corpus_page(check, out)
    if split_out is not None:
        clips.assign(by=choice.split_by, identification=choice.identification, seed=seed).save(split_out)
    written = {"out": out, "split_out": split_out}
    content = {**written, "summary": check.summary(), "notes": list(check.notes), "check": check.to_dict()}
    if check.leaks and console.json:
        check.require()  # what is printed is one object, and it is the error
    console.result(content, text=_text(check, written))
    check.require()


def _text(check: "CorpusCheck", written: Mapping[str, Path | None]) -> str:
    """What a reader wants first: the verdict, what to know, the balance, and each clip that can't be used."""
    from esn_interp.analysis.corpus_check.page import balance_rows, problem_rows, split_rows

    parts = [check.summary(), *(f"- {note}" for note in check.notes), f"Audio: {check.preparation}."]
    parts += ["", table(("speaker", *check.emotions, "all"), balance_rows(check))]
    if check.splits:
        parts += ["", table((f"split by {check.split_by}", *check.emotions, "all"), split_rows(check))]
    if check.problems:
        parts += ["", table(("clip", "problem"), problem_rows(check))]
    return "\n".join((*parts, *(str(path) for path in written.values() if path is not None)))
