"""What replicas in other processes are made of, which find it by its name: made-up models, and ways to be lost."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from made_up_listener import MadeUpModel


@dataclass(frozen=True)
class MadeUpRecipe:
    """A made-up model that hears so many clips; each loading of it leaves a file in a folder."""

    clips: int
    folder: Path

    def load(self) -> MadeUpModel:
        (self.folder / f"loaded-{os.getpid()}-{time.monotonic_ns()}").touch()
        return MadeUpModel(self.clips)


class Mortal(MadeUpModel):
    """A made-up model whose process is killed when it hears a certain clip, as often as it is told."""

    def __init__(self, clips: int, folder: Path, fatal: str, times: int) -> None:
        super().__init__(clips)
        self._folder, self._fatal, self._times = folder, fatal, times

    def encode(self, waveforms: Any, prompt: str) -> Any:
        encoded = super().encode(waveforms, prompt)
        deaths = len(list(self._folder.glob("killed-*")))
        if deaths < self._times and any(clip.id == self._fatal for clip in encoded.clips):
            (self._folder / f"killed-{deaths}").touch()
            os._exit(1)
        return encoded


@dataclass(frozen=True)
class MortalRecipe(MadeUpRecipe):
    """A made-up model whose process is killed in the middle of a shard."""

    fatal: str = ""
    times: int = 1

    def load(self) -> Mortal:
        super().load()
        return Mortal(self.clips, self.folder, self.fatal, self.times)
