"""By what clips are known: the sound of each, its labels, and what is done to it before it is heard."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TypeVar

from datasets import Dataset

from esn_interp.speech.identity import sounds_of
from esn_interp.speech.preparation import AS_RECORDED, Preparation
from esn_interp.speech.schema import audio_batches, column_values

BY_SOUND = "2-"
"""By which fingerprints begin that hold the sound."""

AnyIdentified = TypeVar("AnyIdentified", bound="Identified")


class Identified:
    """Clips, as far as they are told from others."""

    dataset: Dataset
    preparation: Preparation = AS_RECORDED

    @property
    def sounds(self) -> tuple[str, ...]:
        """What each recording is, by its content: see `esn_interp.speech.identity`.

        Files are looked at every time, and read again when they have changed.
        """
        held = self._held
        files = [(row, path) for row, (sound, path) in enumerate(held) if sound is None]
        found = dict(zip((row for row, _ in files), sounds_of([{"path": path} for _, path in files]), strict=True))
        return tuple(found[row] if sound is None else sound for row, (sound, _) in enumerate(held))

    @property
    def fingerprint(self) -> str:
        """``2-`` and twelve hex digits over the sound of each clip, its id and its labels, in order.

        What is done to every clip before it is heard counts, too. See `labels_fingerprint` for that of earlier
        releases.
        """
        return f"{BY_SOUND}{self._digest(self.sounds)}"

    @property
    def labels_fingerprint(self) -> str:
        """What earlier releases called these clips: the same without the sound."""
        return self._digest()

    def _digest(self, *further: Sequence[str]) -> str:
        digest = hashlib.sha256()
        columns = (column_values(self.dataset, name) for name in ("id", "emotion", "speaker", "corpus"))
        for row in zip(*columns, *further, strict=True):
            digest.update(json.dumps(row).encode())
        if self.preparation:
            digest.update(json.dumps(asdict(self.preparation)).encode())
        return digest.hexdigest()[:12]

    @cached_property
    def _held(self) -> tuple[tuple[str | None, str], ...]:
        """The sound of what is held in memory, and the path of what is not."""
        held: list[tuple[str | None, str]] = []
        for batch in audio_batches(self.dataset):
            told = sounds_of([one if one["bytes"] is not None else {} for one in batch])
            held += [
                (None if one["bytes"] is None else sound, one["path"] or "")
                for one, sound in zip(batch, told, strict=True)
            ]
        return tuple(held)

    def passed_on(self, part: AnyIdentified, rows: Sequence[int]) -> AnyIdentified:
        """A part of these clips that knows what they know: what is held in memory is hashed once."""
        if "_held" in vars(self):
            vars(part)["_held"] = tuple(self._held[row] for row in rows)
        return part
