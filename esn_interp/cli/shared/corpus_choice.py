"""What every command that takes a corpus can be told about it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

import esn_interp as esn
from esn_interp.cli.shared.console import Run
from esn_interp.errors import CorpusError


class Split(StrEnum):
    """The three disjoint sets of speakers, or all of them."""

    validation = "validation"
    identification = "identification"
    evaluation = "evaluation"
    all = "all"


Root = Annotated[
    Path | None, typer.Option("--root", metavar="PATH", help="Where the corpus lies, for those that need it.")
]
OnSplit = Annotated[
    Split, typer.Option("--split", help="Which speakers to measure on.", rich_help_panel="Corpus")
]


TrustMtime = Annotated[
    bool,
    typer.Option(
        "--trust-mtime", help="Take a file of the same size and time for the same; don't hash its sound again."
    ),
]


@dataclass(frozen=True, kw_only=True)
class CorpusTreatment:
    """What is taken of a corpus, how it is split and how its recordings are treated."""

    TITLE: ClassVar = "Corpus"

    emotions: Annotated[
        str | None,
        typer.Option(
            "--emotions",
            metavar="E",
            help="Keep these, e.g. happy,sad,angry,neutral, or a convention: 4-class.",
        ),
    ] = None
    split_by: Annotated[
        str | None,
        typer.Option(
            "--split-by",
            metavar="U",
            help="Split by speaker, sentence, session, corpus, or as in a .json file.",
        ),
    ] = None
    identification: Annotated[
        int | None,
        typer.Option(
            "--identification", min=1, metavar="N", help="Keep N identification clips per emotion at most."
        ),
    ] = None
    loudness: Annotated[
        float | None,
        typer.Option(
            "--loudness", metavar="L", help="Bring every clip to L LUFS, e.g. -23; else left as it is."
        ),
    ] = None
    trim: Annotated[
        float | None,
        typer.Option(
            "--trim", metavar="D", help="Cut off both ends what is D dB below the loudest part, e.g. 40."
        ),
    ] = None
    corpus_option: Annotated[
        list[str] | None,
        typer.Option(
            "--corpus-option",
            metavar="K=V",
            help="An option of the corpus's loader, e.g. emotion=label; repeat.",
        ),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="Use N clips at most, balanced over emotions and speakers."),
    ] = None
    trust_mtime: TrustMtime = False


@dataclass(frozen=True, kw_only=True)
class CorpusOptions(CorpusTreatment):
    """What can be said of a corpus besides its name."""

    root: Root = None

    def all_clips(self, corpus: str) -> "esn.Clips":
        """All clips of a corpus, of the emotions and treated as the user said, whatever the limit.

        Raises
        ------
        CorpusError
            When the corpus is unknown or cannot be read, or an option is not of the form KEY=VALUE.
        """
        further = dict(_option(text) for text in self.corpus_option or ())
        clips = esn.corpus(corpus, root=self.root, emotions=self.emotions, **further)
        if self.loudness is None and self.trim is None:
            return clips
        return clips.prepared(loudness=self.loudness, trim=self.trim)

    def clips_of(self, corpus: str, split: Split, run: Run, *, model: str | None = None) -> "esn.Clips":
        """The clips that a command is to use: one split of a corpus, as many as the limit allows.

        The ``model`` that is to hear them is evaluated on speakers that it was not trained on, where these are known;
        the ``run`` gives the seed, and is told the notes of the corpus.

        Raises
        ------
        CorpusError
            When the corpus is unknown or cannot be read, or the split has no clips.
        """
        from esn_interp.models.loading import heard_of
        from esn_interp.speech.splits import Assignment

        clips, by = self.all_clips(corpus), self.split_by
        if split is not Split.all:
            if by is not None and by.endswith(".json"):
                assignment = Assignment.load(by)
            else:
                # Only a split by speaker can keep those apart whom the model has heard.
                heard = heard_of(model) if by in (None, "speaker") and model else None
                assignment = clips.assign(
                    by=by, identification=self.identification, unheard_by=heard, seed=run.seed
                )
            parts = clips.divide(assignment)
            clips = parts[(Split.validation, Split.identification, Split.evaluation).index(split)]
            if assignment.unheard_by:
                run.note(
                    f"{assignment.unheard_by} has heard some of these speakers in its training and is evaluated on"
                    " others"
                )
        if self.limit is not None:
            clips = clips.limit(self.limit, seed=run.seed)
        if not len(clips):
            raise CorpusError(f"corpus {corpus}: no clips in the split {split}; try --split all")
        for note in clips.notes:
            run.note(note)
        return clips


@dataclass(frozen=True, kw_only=True)
class CorpusChoice(CorpusOptions):
    """A corpus by name, and what else is said of it."""

    corpus: Annotated[
        str,
        typer.Option(
            "--corpus", metavar="C", help="A corpus by name (see `esn corpora`), a folder or a table."
        ),
    ]

    def clips(self, split: Split, run: Run, *, model: str | None = None) -> "esn.Clips":
        """The clips that a command is to use; see `clips_of`."""
        return self.clips_of(self.corpus, split, run, model=model)


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
