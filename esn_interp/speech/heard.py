"""Which speakers a model has heard in its training: effects measured on them would say nothing of other voices."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from esn_interp.entries import Entries
from esn_interp.errors import EsnWarning
from esn_interp.files import read_json, write_json
from esn_interp.speech.spelling import one_form

ROLES = ("training", "validation")
FILE, KIND, VERSION = "heard.json", "heard", 1


class HeardWarning(EsnWarning):
    """A model is judged by speakers that it learnt from."""


@dataclass(frozen=True)
class Heard:
    """What a model says of its own training: speakers by role and corpus.

    ``speakers["training"]["emodb"]`` are those whose clips it learnt from, ``"validation"`` those by whose clips its
    training was chosen. ``sentences`` are the texts that it learnt to transcribe, where it did. Lies beside a
    checkpoint as ``heard.json``.
    """

    model: str = ""
    speakers: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict[str, Any])
    sentences: tuple[str, ...] = ()

    @classmethod
    def beside(cls, folder: str | Path, *, model: str = "") -> "Heard":
        """The record that lies in a model's folder; where there is none, nothing is known to have been heard.

        Raises
        ------
        EsnError
            When the file is not such a record.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            return cls(model)
        told = Entries(read_json(path, kind=KIND, version=VERSION), where=str(path))
        speakers = told.take("speakers", dict[str, dict[str, Any]])
        return cls(model, speakers, tuple(told.get("sentences", list[str], [])))

    def save(self, folder: str | Path) -> None:
        """Write the record into a model's folder."""
        record: dict[str, Any] = {"kind": KIND, "version": VERSION, "speakers": self.speakers}
        if self.sentences:
            record["sentences"] = list(self.sentences)
        write_json(Path(folder) / FILE, record)

    def roles(self, corpora: Sequence[str], speakers: Sequence[str]) -> list[str]:
        """The role of each clip's speaker in the training, "" for one that was not heard."""
        role_of = {
            (corpus, one_form(speaker)): role
            for role in ROLES
            for corpus, names in self.speakers.get(role, {}).items()
            for speaker in names
        }
        return [
            role_of.get((corpus, one_form(speaker)), "")
            for corpus, speaker in zip(corpora, speakers, strict=True)
        ]

    def note(self, corpora: Sequence[str], speakers: Sequence[str]) -> str:
        """What a reader must know where training speakers are among the speakers of clips; else nothing."""
        roles = self.roles(corpora, speakers)
        learnt = {speaker for speaker, role in zip(speakers, roles, strict=True) if role == ROLES[0]}
        if not learnt:
            return ""
        return (
            f"{self.model or 'the model'} learnt from clips of these very speakers ({', '.join(sorted(learnt))}): what "
            "it does to them says nothing of other voices; clips.split(unheard_by=lm) keeps them apart"
        )


@runtime_checkable
class Taught(Protocol):
    """A model that says what it has heard."""

    @property
    def heard(self) -> Heard:
        """Its own record."""
        ...


def heard_by(model: object) -> Heard:
    """What a model says that it has heard, or such a record itself; nothing, when it does not say."""
    heard = model if isinstance(model, Heard) else getattr(model, "heard", None)
    return heard if isinstance(heard, Heard) else Heard()


def warn_of_heard(
    model: object, corpora: Sequence[str], speakers: Sequence[str], *, stacklevel: int = 3
) -> str:
    """Warn when clips are by speakers that a model learnt from; returns the note, for the result."""
    note = heard_by(model).note(corpora, speakers)
    if note:
        warnings.warn(note, HeardWarning, stacklevel=stacklevel)
    return note
