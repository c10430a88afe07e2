"""What every command that takes a corpus can be told about it; declared once, and given to all of them."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from esn_interp.cli.further_options import with_options
from esn_interp.errors import CorpusError

Emotions = Annotated[
    str | None,
    typer.Option(
        "--emotions", metavar="E", help="Keep these, e.g. happy,sad,angry,neutral, or a convention: 4-class."
    ),
]
SplitBy = Annotated[
    str | None,
    typer.Option(
        "--split-by", metavar="U", help="Split by speaker, sentence, session, corpus, or as in a .json file."
    ),
]
Identification = Annotated[
    int | None,
    typer.Option(
        "--identification", min=1, metavar="N", help="Keep N identification clips per emotion at most."
    ),
]
Loudness = Annotated[
    float | None,
    typer.Option("--loudness", metavar="L", help="Bring every clip to L LUFS, e.g. -23; else left as it is."),
]
Trim = Annotated[
    float | None,
    typer.Option(
        "--trim", metavar="D", help="Cut off both ends what is D dB below the loudest part, e.g. 40."
    ),
]
CorpusOption = Annotated[
    list[str] | None,
    typer.Option(
        "--corpus-option", metavar="K=V", help="An option of the corpus's loader, e.g. emotion=label; repeat."
    ),
]
_DECLARED: dict[str, Any] = {
    "emotions": Emotions,
    "split_by": SplitBy,
    "identification": Identification,
    "loudness": Loudness,
    "trim": Trim,
    "corpus_option": CorpusOption,
}


@dataclass(frozen=True)
class CorpusChoice:
    """What the user said of the corpus, besides its name and root, and the model that is to hear it, if any.

    `tell` is called with the notes of the corpus.
    """

    emotions: str | None = None
    split_by: str | None = None
    identification: int | None = None
    loudness: float | None = None
    trim: float | None = None
    corpus_option: Sequence[str] | None = None
    model: str | None = None
    quiet: bool = True

    def tell(self, note: str) -> None:
        """A note of the corpus, on stderr unless the command is to be quiet."""
        if not self.quiet:
            typer.echo(f"esn: note: {note}", err=True)

    @property
    def options(self) -> dict[str, Any]:
        """The options of the loader, as it expects them.

        Raises
        ------
        CorpusError
            When one is not of the form KEY=VALUE.
        """
        return dict(_option(text) for text in self.corpus_option or ())


_CHOSEN: ContextVar[CorpusChoice] = ContextVar("esn_corpus_choice")


def chosen() -> CorpusChoice:
    """What the running command was told."""
    return _CHOSEN.get(CorpusChoice())


def takes_corpus(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with the options of this page if it takes a corpus; else the very same command."""
    return with_options(
        command,
        _DECLARED,
        among={"corpus", "corpora"},
        before="split",
        chosen=_CHOSEN,
        choice=lambda told, given: CorpusChoice(
            **told, model=given.get("model"), quiet=bool(given.get("quiet"))
        ),
    )


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals or not value:
        raise CorpusError(f"--corpus-option {text}: give KEY=VALUE, such as emotion=label")
    if key == "labels":
        pairs = [pair.partition(":") for pair in value.split(",")]
        if not all(ours.strip() for _, _, ours in pairs):
            raise CorpusError(
                f"--corpus-option {text}: give labels as theirs:ours, such as Freude:happy,Wut:angry"
            )
        return key, {theirs.strip(): ours.strip() for theirs, _, ours in pairs}
    return key, {"true": True, "false": False}.get(value.lower(), value)
