"""The speech that judges are trained on: what tools/training_audio.py writes, as it is and as it might have been."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from esn_interp.speech.labels import CANONICAL as EMOTIONS

TRAINING, DEVELOPMENT = "train", "dev"


@dataclass(frozen=True, eq=False)
class Recordings:
    """Clips by voices that no corpus has, in one part of the training audio."""

    audio: np.ndarray
    lines: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.lines)

    def waveform(self, clip: int) -> np.ndarray:
        line = self.lines[clip]
        samples = self.audio[line["offset"] : line["offset"] + line["length"]]
        return (samples / 32767.0).astype(np.float32)

    @property
    def votes(self) -> np.ndarray:
        """Shares of a panel's votes. [clip, emotion]"""
        return np.array([[line["votes"][emotion] for emotion in EMOTIONS] for line in self.lines])

    @property
    def emotions(self) -> np.ndarray:
        """What was acted, where it was one clear emotion; -1 elsewhere. [clip]"""
        return np.array(
            [
                EMOTIONS.index(next(iter(line["weights"]))) if len(line["weights"]) == 1 else -1
                for line in self.lines
            ]
        )

    @property
    def transcripts(self) -> list[str]:
        return [line["transcript"].lower() for line in self.lines]


def read(folder: Path, part: str) -> Recordings:
    """The clips of one part; samples stay on disk until they are asked for."""
    audio = np.load(folder / "audio.npy", mmap_mode="r")
    with (folder / "clips.jsonl").open(encoding="utf-8") as file:
        lines = tuple(line for line in map(json.loads, file) if line["part"] == part)
    return Recordings(audio, lines)
