"""Clips: emotional speech with its labels, as a `datasets.Dataset` with a fixed schema."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np
import pandas as pd
from datasets import Dataset
from jaxtyping import Float

from esn_interp.errors import CorpusError
from esn_interp.speech.audio import read_audio
from esn_interp.speech.heard import Heard, Taught, heard_by
from esn_interp.speech.identified import Identified
from esn_interp.speech.labels import SPLITS, emotion_name, emotion_order, foreign_labels, listing
from esn_interp.speech.preparation import AS_RECORDED, Preparation
from esn_interp.speech.schema import COLUMNS, column_values, dataset_from_dataset, dataset_from_frame
from esn_interp.speech.showing import clip_line, clip_player, clips_line, clips_table
from esn_interp.speech.spelling import one_form
from esn_interp.speech.splits import (
    SHARES,
    Assignment,
    assign_folds,
    assign_splits,
    assign_unheard,
    at_most,
    deal_evenly,
    how_to_split,
    in_several_splits,
)


@dataclass(frozen=True, repr=False)
class Clip:
    """One recording and what is known of it. Text that is not known is empty."""

    id: str
    audio: Mapping[str, Any]  # {"bytes", "path"}: an encoded file in memory, or where it lies
    emotion: str
    speaker: str
    sex: str  # "female", "male" or ""
    sentence: str  # the corpus's name of the sentence: clips of one sentence share it
    transcript: str
    language: str
    corpus: str
    split: str  # "validation", "identification", "evaluation" or ""
    extras: Mapping[str, Any]  # whatever else the corpus tells
    preparation: Preparation = AS_RECORDED

    _repr_html_ = clip_player

    def __repr__(self) -> str:
        return clip_line(self)

    def waveform(self) -> Float[np.ndarray, " sample"]:
        """The samples: mono, 16 kHz, float32. Raises `AudioError` naming the clip."""
        return self.preparation.apply(read_audio(self.audio, name=self.id))


@dataclass(frozen=True, repr=False)
class Clips(Identified):
    """A corpus or a part of one. Wraps a `datasets.Dataset`; every operation returns new `Clips`.

    `clips[3]` is a `Clip`, `clips[:10]` is `Clips`; nothing is decoded until `Clip.waveform` is called.
    `preparation` is what is done to every clip then, `notes` what a reader of results should know: labels
    that were left out, files that were missing.
    """

    dataset: Dataset
    name: str
    preparation: Preparation = AS_RECORDED
    notes: tuple[str, ...] = ()

    _repr_html_ = clips_table

    def __repr__(self) -> str:
        return clips_line(self)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str) -> "Clips":
        """Clips from a table with an `audio` column (path, bytes or what `datasets` makes of them) and an `emotion`
        column.

        The other columns of the schema are optional, every further column goes to `extras`. Labels are
        brought to the project's spelling ("anger" -> "angry"). Raises `CorpusError` for a missing column or
        label, an unknown sex or split, or an id given twice.
        """
        return _noted(Clips(dataset_from_frame(frame, name=name), name))

    @classmethod
    def from_dataset(cls, dataset: Dataset, *, name: str) -> "Clips":
        """Clips from any `datasets.Dataset` with the columns that `from_frame` asks for.

        The audio stays where it is, on disk as a rule, and is neither copied nor decoded.
        """
        return _noted(Clips(dataset_from_dataset(dataset, name=name), name))

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Clip]:
        for number in range(len(self)):
            yield self[number]

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> "Clips": ...
    def __getitem__(self, index: int | slice) -> "Clip | Clips":
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        row: Any = self.dataset[index]
        return Clip(**{**row, "extras": json.loads(row["extras"])}, preparation=self.preparation)

    @cached_property
    def emotions(self) -> tuple[str, ...]:
        """The emotions present: neutral, happy, angry, sad, fearful, then others alphabetically."""
        return emotion_order(self.column("emotion"))

    @cached_property
    def speakers(self) -> tuple[str, ...]:
        """The speakers present, sorted."""
        return tuple(sorted(set(self.column("speaker"))))

    def column(self, name: str) -> list[Any]:
        """One column of the schema as a list (`extras` as dictionaries)."""
        if name not in COLUMNS:
            raise CorpusError(
                f"corpus {self.name} has no column {name!r}; the columns are {', '.join(COLUMNS)}"
            )
        values = column_values(self.dataset, name)
        return [json.loads(value) for value in values] if name == "extras" else values

    def to_frame(self) -> pd.DataFrame:
        """Everything but the audio, one row a clip."""
        return pd.DataFrame({name: self.column(name) for name in COLUMNS if name != "audio"})

    def take(self, indices: Sequence[int] | np.ndarray) -> "Clips":
        """The clips at `indices`, in that order."""
        chosen = [int(index) for index in indices]
        return self.passed_on(replace(self, dataset=self.dataset.select(chosen, keep_in_memory=True)), chosen)

    def where(self, **criteria: str | Sequence[str]) -> "Clips":
        """The clips that match every criterion: `clips.where(emotion="angry", speaker=["a", "b"])`.

        Raises `CorpusError` for a column that is none, or a value that no clip has (misspelled, as a rule).
        """
        keep = np.ones(len(self), dtype=bool)
        for name, wanted in criteria.items():
            values = self.column(name)
            allowed = {one_form(value) for value in ([wanted] if isinstance(wanted, str) else wanted)}
            if missing := sorted(allowed.difference(values)):
                known = emotion_order(values) if name == "emotion" else sorted(set(values))
                shown = ", ".join(repr(value) for value in known[:12]) + (", ..." if len(known) > 12 else "")
                raise CorpusError(
                    f"corpus {self.name} has no clip with {name} {missing[0]!r}; it has {shown}"
                )
            keep &= np.array([value in allowed for value in values], dtype=bool)
        return self.take(np.flatnonzero(keep))

    def limit(self, count: int, *, seed: int = 0) -> "Clips":
        """`count` clips at most, evenly over the emotions and, within each, over the speakers, in corpus order.

        Whom a clip is taken of is drawn by `seed` among those of whom fewest are taken.
        """
        if count < 1:
            raise CorpusError(f"corpus {self.name}: a limit of {count} clips leaves nothing; give 1 or more")
        dealt = deal_evenly(self.column("emotion"), self.column("speaker"), count=count, seed=seed)
        return self.take(sorted(dealt))

    def choose(self, emotions: Sequence[str]) -> "Clips":
        """The clips of these emotions, in any spelling; what is left out is said in the notes.

        Raises `CorpusError` for an emotion that no clip has.
        """
        chosen = {emotion_name(emotion) for emotion in emotions}
        others = Counter(emotion for emotion in self.column("emotion") if emotion not in chosen)
        left_out = f"left out, emotions that were not chosen: {listing(others)}" if others else ""
        return self.where(emotion=sorted(chosen)).noted(left_out)

    def prepared(self, *, loudness: float | None = None, trim: float | None = None) -> "Clips":
        """The same clips, each to be brought to a loudness or trimmed when it is heard; see `Preparation`.

        The fingerprint changes with it, so that results tell what was heard.
        """
        return replace(self, preparation=Preparation(loudness, trim))

    def noted(self, *notes: str) -> "Clips":
        """The same clips with further notes; empty ones and those already there are passed over."""
        return replace(self, notes=tuple(dict.fromkeys(filter(None, (*self.notes, *notes)))))

    @cached_property
    def split_by(self) -> str:
        """What `split` goes by: the "corpus" (its own column), the "speaker", or the "sentence"."""
        return how_to_split(self.column("split"), self.column("speaker"))

    def split(
        self,
        *,
        by: str | None = None,
        identification: int | None = None,
        shares: Sequence[float] = SHARES,
        unheard_by: Taught | Heard | None = None,
        seed: int = 0,
    ) -> "tuple[Clips, Clips, Clips]":
        """The clips to choose settings on, to find neurons on and to evaluate on, together all clips.

        `by` is "speaker", "sentence", "session", or "corpus" for the corpus's own `split` column. Without it
        that column decides where every clip has one and all three occur; else speakers are dealt out by
        `seed`, about 20, 30 and 50 % (`shares`), both sexes in each as far as they go round; with fewer than
        three speakers sentences are dealt out instead (a clip without one counts as a sentence of its own).
        With `identification`, at most so many clips per emotion are kept to find neurons on.

        With `unheard_by`, a model that has heard some of these very speakers in its training (`AudioLM.heard`)
        is evaluated on the others: neurons are found on those it learnt from, settings chosen on those its
        training was chosen on. Where it has heard none of them, nothing changes.

        Raises `CorpusError` when there are too few units, or clips whose speaker or session is not known, and
        with `unheard_by` when no other speaker is left or the split is not to be by speaker.
        """
        return self.divide(
            self.assign(by=by, identification=identification, shares=shares, unheard_by=unheard_by, seed=seed)
        )

    def assign(
        self,
        *,
        by: str | None = None,
        identification: int | None = None,
        shares: Sequence[float] = SHARES,
        unheard_by: Taught | Heard | None = None,
        seed: int = 0,
    ) -> Assignment:
        """Who goes where, as `split` would have it: to be saved with the results, and for `divide`."""
        if len(shares) != len(SPLITS) or not all(share > 0 for share in shares):
            raise CorpusError(
                f"corpus {self.name}: shares {tuple(shares)}: give three positive numbers, for {', '.join(SPLITS)}"
            )
        whole = sum(shares)
        fractions = SHARES if tuple(shares) == SHARES else tuple(share / whole for share in shares)
        heard = heard_by(unheard_by)
        roles = heard.roles(self.column("corpus"), self.column("speaker"))
        frame = self.to_frame()
        if any(roles):
            splits = assign_unheard(frame, roles=roles, by=by, seed=seed, name=self.name, model=heard.model)
            by, model = "speaker", heard.model
        else:
            by, model = by or self.split_by, ""
            splits = assign_splits(frame, by=by, seed=seed, name=self.name, shares=fractions)
        return self._assignment(
            splits, by=by, shares=fractions, identification=identification, seed=seed, unheard_by=model
        )

    def folds(
        self, count: int | None = None, *, identification: int | None = None, seed: int = 0
    ) -> "Iterator[tuple[Clips, Clips, Clips]]":
        """Cross-fitting for a small corpus: `count` splits, and every speaker is evaluated in exactly one.

        Without `count`, five folds, or as many as there are speakers. In each fold the speakers that are not
        evaluated are divided between validation and identification, two to three.
        """
        for assignment in self.assign_folds(count, identification=identification, seed=seed):
            yield self.divide(assignment)

    def assign_folds(
        self, count: int | None = None, *, identification: int | None = None, seed: int = 0
    ) -> tuple[Assignment, ...]:
        """The assignments of `folds`, to be saved with the results."""
        folds = assign_folds(self.to_frame(), folds=count, seed=seed, name=self.name)
        return tuple(
            self._assignment(
                splits,
                by="speaker",
                shares=SHARES,
                identification=identification,
                seed=seed,
                fold=f"{number} of {len(folds)}",
            )
            for number, splits in enumerate(folds, start=1)
        )

    def divide(self, assignment: Assignment) -> "tuple[Clips, Clips, Clips]":
        """Validation, identification and evaluation clips as assigned, by `assign` or a saved file of it.

        Raises `CorpusError` when a clip is not in the assignment.
        """
        ids = self.column("id")
        if unknown := [clip for clip in ids if clip not in assignment.splits]:
            raise CorpusError(
                f"corpus {self.name}: {len(unknown)} of {len(ids)} clips are not in the split of "
                f"{assignment.corpus} ({unknown[0]}); it was made for other clips"
            )
        splits = np.array([assignment.splits[clip] for clip in ids], dtype=object)
        shared = in_several_splits(splits.tolist(), self.column("speaker"))
        note = (
            f"speakers with clips in more than one of validation, identification and evaluation: {len(shared)}; "
            "nothing is shown for voices that were not heard before"
            if assignment.by == "corpus" and shared
            else ""
        )
        validation, identification, evaluation = (
            self.take(np.flatnonzero(splits == name)).noted(note) for name in SPLITS
        )
        return validation, identification, evaluation

    def _assignment(
        self,
        splits: np.ndarray,
        *,
        by: str,
        shares: Sequence[float],
        identification: int | None,
        seed: int,
        fold: str = "",
        unheard_by: str = "",
    ) -> Assignment:
        if identification is not None:
            emotions = self.column("emotion")
            splits = at_most(splits, emotions, identification=identification, seed=seed, name=self.name)
        return Assignment(
            corpus=self.name,
            fingerprint=self.labels_fingerprint,  # who goes where does not depend on the sound
            by=by,
            seed=seed,
            shares=tuple(shares),
            identification=identification,
            fold=fold,
            splits=dict(zip(self.column("id"), splits.tolist(), strict=True)),
            unheard_by=unheard_by,
        )


def _noted(clips: Clips) -> Clips:
    return clips.noted(foreign_labels(clips.column("emotion")))
