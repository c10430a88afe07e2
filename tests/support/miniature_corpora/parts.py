"""What the corpora in miniature are made of: tones for audio, tables, and what must come out."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 16_000


def tone(path: Path, *, seconds: float = 0.2, rate: int = RATE) -> Path:
    """A tone whose pitch depends on the file's name, so that no two clips are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hertz = 150 + zlib.crc32(str(path).encode()) % 1_000_003 / 2_000
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), rate)
    return path


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


@dataclass(frozen=True)
class Layout:
    """A corpus in small: how to build it, and some of the clips that must come out, by id."""

    build: Callable[[Path], Any]
    clips: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    split_by: str = "speaker"
