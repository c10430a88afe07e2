"""`esn corpora`: what recordings can be loaded, what is known of one, and whether yours can carry a study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import esn_interp as esn
from esn_interp.cli.shared import CorpusOptions, Run, out_file, table
from esn_interp.errors import CorpusError

CHECK = "check"


def corpora(
    *,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|check]", help="Tell all of one corpus; or check one, see --corpus."),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus",
            metavar="C",
            help="With check: a corpus by name, a folder or a table.",
            rich_help_panel="Corpus",
        ),
    ] = None,
    options: CorpusOptions,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="R", help="With check: the report, an .html file.")
    ] = None,
    split_out: Annotated[
        Path | None,
        typer.Option("--split-out", metavar="S", help="With check: who is in which split, a .json file."),
    ] = None,
    run: Run,
) -> None:
    """What corpora can be loaded; what is known of one; whether one can carry a study.

    `esn corpora check --corpus C` listens to every clip: is each readable, long enough, neither silent nor
    clipped; is the same recording in two splits (that is an error); does the speaker give the emotion away;
    who says what how often.

    Example:
        esn corpora check --corpus toy-studio --out toy-studio.html
    """
    if what != CHECK and (corpus or out or split_out):
        raise esn.EsnError("--corpus, --out and --split-out go with: esn corpora check --corpus C")
    if what is None:
        _list(run)
    elif what == CHECK:
        if corpus is None:
            raise esn.EsnError("esn corpora check: say which corpus, --corpus C")
        _check(corpus, options, out=out, split_out=split_out, run=run)
    else:
        _tell(what, run)


def _list(run: Run) -> None:
    rows = [
        {
            "name": info.name,
            "title": info.title,
            "licence": info.licence,
            "needs": "--root PATH" if info.needs_root else "nothing",
            "description": info.description,
        }
        for info in esn.CORPORA.values()
    ]
    text = table(
        ("name", "needs", "licence", "title"),
        [(r["name"], r["needs"], r["licence"], r["title"]) for r in rows],
    )
    run.result({"corpora": rows}, text)


def _tell(name: str, run: Run) -> None:
    info = esn.CORPORA.get(name)
    if info is None:
        raise CorpusError(f"unknown corpus {name!r}; known corpora: {', '.join(esn.CORPORA)}")
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
    many = {emotion: f"{count:,}" for emotion, count in info.counts.items()}
    labels = [(theirs, ours, many.get(ours, "")) for theirs, ours in info.labels.items()]
    content: dict[str, Any] = {
        "name": name,
        **facts,
        "labels": dict(info.labels),
        "counts": dict(info.counts),
        "conventions": {key: list(emotions) for key, emotions in info.conventions.items()},
    }
    told = table(("corpus", name), [(key, value) for key, value in facts.items() if value])
    run.result(content, told, "", table(("its label", "emotion", "clips of the emotion"), labels))


def _check(
    corpus: str, options: CorpusOptions, *, out: Path | None, split_out: Path | None, run: Run
) -> None:
    out_file(out, ".html")
    out_file(split_out, ".json", kinds=("split",))
    clips = options.all_clips(corpus)
    if options.limit is not None:
        clips = clips.limit(options.limit, seed=run.seed)

    from esn_interp.analysis.corpus_check.page import write_corpus_page

    split: dict[str, Any] = {"by": options.split_by, "identification": options.identification, "seed": run.seed}
    check = esn.check_corpus(clips, **split, progress=run.progress)
    if out is not None:
        write_corpus_page(check, out)
    if split_out is not None:
        clips.assign(**split).save(split_out)
    written = {"out": out, "split_out": split_out}
    content = {**written, "summary": check.summary(), "notes": list(check.notes), "check": check.to_dict()}
    if (check.leaks or check.contradictions) and run.json:
        check.require()  # what is printed is one object, and it is the error
    run.result(content, *_lines(check, written))
    check.require()


def _lines(check: "esn.CorpusCheck", written: Mapping[str, Path | None]) -> list[str]:
    """What a reader wants first: the verdict, what to know, the balance, and each clip that can't be used."""
    from esn_interp.analysis.corpus_check.page import balance_rows, problem_rows, split_rows

    tables = {
        ("speaker", *check.emotions, "all"): balance_rows(check),
        (f"split by {check.split_by}", *check.emotions, "all"): split_rows(check),
        ("clip", "problem"): problem_rows(check),
    }
    return [
        *(check.summary(), *(f"- {note}" for note in check.notes), f"Audio: {check.preparation}."),
        *(f"\n{table(header, rows)}" for header, rows in tables.items() if rows),
        *(str(path) for path in written.values() if path is not None),
    ]
