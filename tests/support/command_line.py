"""The command line in-process, and the small world that its tests share: a tiny model and a folder of clips."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tiny_omni import EMOTIONS, noise
from typer.testing import CliRunner

from esn_interp.cli import app


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def content(self) -> dict[str, Any]:
        """What --json printed: one object on one line, and nothing else."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def refusal(self) -> str:
        """The one line of a command that was refused."""
        assert self.code == 2, (self.code, self.err)
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("esn: ")
        return line


def esn(*words: str | Path, environment: Mapping[str, str] | None = None) -> Outcome:
    result = CliRunner().invoke(app, [str(word) for word in words], env=dict(environment or {}))
    return Outcome(result.exit_code, result.stdout, result.stderr)


def write_clips(folder: Path, *, speakers: Sequence[str], takes: int = 1, emotions: Sequence[str] = EMOTIONS) -> Path:
    """A corpus by folders: emotion/speaker/emotion-speaker-take.wav, all of them different noise."""
    written: set[tuple[int, float]] = set()
    for at, emotion in enumerate(emotions):
        for speaker in speakers:
            for take in range(takes):
                path = folder / emotion / speaker / f"{emotion}-{speaker}-{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                seconds = 0.3 + 0.05 * ((3 * at + len(speaker) + 2 * take) % 5)
                seed = sum(map(ord, f"{emotion}{speaker}{take}"))
                while (seed, seconds) in written:  # other letters of the same sum
                    seed += 10_000
                written.add((seed, seconds))
                soundfile.write(path, noise(seconds, seed=seed)[0], 16_000, subtype="FLOAT")
    return folder


def write_wave(path: Path, wave: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave.astype(np.float32), 16_000, subtype="FLOAT")
    return path
