"""Clips: emotional speech with its labels, as a `datasets.Dataset` with a fixed schema."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
import pandas as pd
from datasets import Dataset
from jaxtyping import Float

from esn_interp.errors import CorpusError
from esn_interp.speech.audio import read_audio
from esn_interp.speech.labels import emotion_order
from esn_interp.speech.schema import COLUMNS, dataset_from_frame
from esn_interp.speech.splits import assign_splits, how_to_split


@dataclass(frozen=True)
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

    def waveform(self) -> Float[np.ndarray, " sample"]:
        """The samples: mono, 16 kHz, float32. Raises `AudioError` naming the clip."""
        return read_audio(self.audio, name=self.id)


@dataclass(frozen=True)
class Clips:
    """A corpus or a part of one. Wraps a `datasets.Dataset`; every operation returns new `Clips`.

    `clips[3]` is a `Clip`, `clips[:10]` is `Clips`; nothing is decoded until `Clip.waveform` is called.
    """

    dataset: Dataset
    name: str

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str) -> "Clips":
        """Clips from a table with an `audio` column (path, bytes or {"bytes", "path"}) and an `emotion`
        column.

        The other columns of the schema are optional, every further column goes to `extras`. Labels are
        brought to the project's spelling ("anger" -> "angry"). Raises `CorpusError` for a missing column or
        label, an unknown sex or split, or an id given twice.
        """
        return Clips(dataset_from_frame(frame, name=name), name)

    @classmethod
    def from_dataset(cls, dataset: Dataset, *, name: str) -> "Clips":
        """Clips from any `datasets.Dataset` with the columns that `from_frame` asks for."""
        from datasets import Audio

        if isinstance(dataset.features.get("audio"), Audio):
            dataset = dataset.cast_column("audio", Audio(decode=False))
        frame = pd.DataFrame({column: list(dataset[column]) for column in dataset.column_names})
        return Clips.from_frame(frame, name=name)

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
        return _clip(self.dataset[index])

    def __repr__(self) -> str:
        counts = pd.Series(self.column("emotion"), dtype=object).value_counts()
        emotions = ", ".join(f"{counts[emotion]} {emotion}" for emotion in self.emotions)
        return f"Clips({self.name!r}: {len(self)} clips, {len(self.speakers)} speakers; {emotions})"

    @cached_property
    def emotions(self) -> tuple[str, ...]:
        """The emotions present: neutral, happy, angry, sad, fearful, then others alphabetically."""
        return emotion_order(self.column("emotion"))

    @cached_property
    def speakers(self) -> tuple[str, ...]:
        """The speakers present, sorted."""
        return tuple(sorted(set(self.column("speaker"))))

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits over what identifies each clip and its labels, in order; audio is not read."""
        digest = hashlib.sha256()
        for row in zip(*(self.column(name) for name in ("id", "emotion", "speaker", "corpus")), strict=True):
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()[:12]

    def column(self, name: str) -> list[Any]:
        """One column of the schema as a list (`extras` as dictionaries)."""
        if name not in COLUMNS:
            raise CorpusError(
                f"corpus {self.name} has no column {name!r}; the columns are {', '.join(COLUMNS)}"
            )
        values = list(self.dataset[name])
        return [json.loads(value) for value in values] if name == "extras" else values

    def to_frame(self) -> pd.DataFrame:
        """Everything but the audio, one row a clip."""
        return pd.DataFrame({name: self.column(name) for name in COLUMNS if name != "audio"})

    def take(self, indices: Sequence[int] | np.ndarray) -> "Clips":
        """The clips at `indices`, in that order."""
        chosen = [int(index) for index in indices]
        return Clips(self.dataset.select(chosen, keep_in_memory=True), self.name)

    def where(self, **criteria: str | Sequence[str]) -> "Clips":
        """The clips that match every criterion: `clips.where(emotion="angry", speaker=["a", "b"])`.

        Raises `CorpusError` for a column that is none, or a value that no clip has (misspelled, as a rule).
        """
        keep = np.ones(len(self), dtype=bool)
        for name, wanted in criteria.items():
            values = self.column(name)
            allowed = {wanted} if isinstance(wanted, str) else set(wanted)
            if missing := sorted(allowed.difference(values)):
                known = emotion_order(values) if name == "emotion" else sorted(set(values))
                shown = ", ".join(repr(value) for value in known[:12]) + (", ..." if len(known) > 12 else "")
                raise CorpusError(
                    f"corpus {self.name} has no clip with {name} {missing[0]!r}; it has {shown}"
                )
            keep &= np.array([value in allowed for value in values], dtype=bool)
        return self.take(np.flatnonzero(keep))

    def limit(self, count: int, *, seed: int = 0) -> "Clips":
        """`count` clips at most, evenly over the emotions: drawn by `seed`, in corpus order."""
        if count < 1:
            raise CorpusError(f"corpus {self.name}: a limit of {count} clips leaves nothing; give 1 or more")
        emotions = np.array(self.column("emotion"), dtype=object)
        rng = np.random.default_rng(seed)
        # Dealt out like cards: one clip of each emotion in turn, until enough are taken.
        queues = [rng.permutation(np.flatnonzero(emotions == emotion)) for emotion in self.emotions]
        dealt = sorted(
            (turn, number, int(index)) for number, q in enumerate(queues) for turn, index in enumerate(q)
        )
        return self.take(sorted(index for _, _, index in dealt[:count]))

    @cached_property
    def split_by(self) -> str:
        """What `split` goes by: the "corpus" (its own column), the "speaker", or the "sentence"."""
        return how_to_split(self.column("split"), self.column("speaker"))

    def split(self, *, seed: int = 0) -> "tuple[Clips, Clips, Clips]":
        """The clips to choose settings on, to find neurons on and to evaluate on, together all clips.

        The corpus's own `split` column decides where every clip has one and all three occur. Else speakers
        are dealt out by `seed`, about 20, 30 and 50 %, both sexes in each as far as they go round; with
        fewer than three speakers sentences are dealt out instead (a clip without one counts as a sentence
        of its own).
        """
        splits = assign_splits(self.to_frame(), by=self.split_by, seed=seed, name=self.name)
        validation, identification, evaluation = (
            self.take(np.flatnonzero(splits == name))
            for name in ("validation", "identification", "evaluation")
        )
        return validation, identification, evaluation


def _clip(row: Mapping[str, Any]) -> Clip:
    return Clip(**{**row, "extras": json.loads(row["extras"])})
