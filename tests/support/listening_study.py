"""What a study of conversions writes for listeners: pairs of recordings that differ in length."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from command_line import write_wave

from esn_interp.analysis.listening.pairs import ListeningPair, Side, write_pairs

EMOTIONS = ("happy", "sad")
LENGTHS = {"steered": 0.10, "unsteered": 0.15, "right": 0.20, "wrong": 0.25}
"""Seconds of a recording by its condition, so that a test can tell which one was played."""


def tone(seconds: float, *, level: float = 0.3) -> np.ndarray:
    return level * np.sin(2 * np.pi * 220 * np.arange(round(16_000 * seconds)) / 16_000)


def write_study(folder: Path, *, each: int = 2, checks: int = 1) -> Path:
    """What a study writes: DIR/listening with a list of pairs and their recordings."""
    for condition, seconds in LENGTHS.items():
        write_wave(folder / "listening" / f"{condition}.wav", tone(seconds))
    pairs = [
        ListeningPair(
            id=f"{emotion}, {at}",  # a comma, which the file of answers must quote
            emotion=emotion,
            first=Side(condition="steered", file="steered.wav"),
            second=Side(condition="unsteered", file="unsteered.wav"),
            source="right.wav",
        )
        for emotion in EMOTIONS
        for at in range(each)
    ]
    right, wrong = (Side(condition=name, file=f"{name}.wav") for name in ("right", "wrong"))
    pairs += [
        ListeningPair(id=f"check {at}", emotion="sad", first=right, second=wrong, catch=True)
        for at in range(checks)
    ]
    write_pairs(folder / "listening", pairs)
    return folder


def revealed(html: str) -> dict[str, Any]:
    """The plan of a page, as its script reads it."""
    key, hidden = (re.search(pattern, html) for pattern in (r'data-key="(\w+)"', r'id="plan">(.*?)</script>'))
    assert key is not None
    assert hidden is not None
    data = base64.b64decode(hidden[1])
    return json.loads(bytes(byte ^ ord(key[1][at % len(key[1])]) for at, byte in enumerate(data)))
