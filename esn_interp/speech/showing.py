"""How clips show themselves: a line of text, and in a notebook a player or a small table."""

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import soundfile
from jaxtyping import Float

from esn_interp.drawing.notebook import player, sentence, table
from esn_interp.drawing.numbers import count, listed
from esn_interp.errors import AudioError
from esn_interp.speech.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from esn_interp.speech.clips import Clip, Clips


def opus(waveform: Float[np.ndarray, " sample"], rate: int = SAMPLE_RATE) -> bytes:
    """Mono sound as Opus in Ogg (RFC 7845), an eighth of a WAV file: ``rate`` is 8, 12, 16, 24 or 48 kHz."""
    file = io.BytesIO()
    soundfile.write(file, waveform.clip(-1, 1), rate, format="OGG", subtype="OPUS")
    return file.getvalue()


def clip_line(clip: "Clip") -> str:
    """A clip as a line of text."""
    said = f", {clip.transcript!r}" if clip.transcript else ""
    return f"Clip({clip.id!r}: {clip.emotion}, speaker {clip.speaker or 'unknown'}{said})"


def clip_player(clip: "Clip") -> str:
    """A clip in a notebook: a player, with its label and words."""
    label = f"{clip.emotion}, {clip.speaker or 'speaker unknown'}" + (
        f": “{clip.transcript}”" if clip.transcript else f": {clip.id}"
    )
    try:
        return player(opus(clip.waveform()), "audio/ogg", label)
    except AudioError as error:
        return sentence(f"{label} ({error})")


def clips_line(clips: "Clips") -> str:
    """Clips as a line of text."""
    counts = pd.Series(clips.column("emotion"), dtype=object).value_counts()
    emotions = ", ".join(f"{counts[emotion]} {emotion}" for emotion in clips.emotions)
    return f"Clips({clips.name!r}: {len(clips)} clips, {len(clips.speakers)} speakers; {emotions})"


def clips_table(clips: "Clips") -> str:
    """Clips in a notebook: a row for each emotion."""
    frame = pd.DataFrame({name: clips.column(name) for name in ("emotion", "speaker", "sentence")})
    rows = [
        (emotion, len(some), some["speaker"].nunique(), some["sentence"].nunique())
        for emotion in clips.emotions
        for some in [frame[frame["emotion"] == emotion]]
    ]
    told = f"{clips.name}: {count(len(clips), 'clip')} of {count(len(clips.speakers), 'speaker')}"
    told += f", {listed(clips.emotions)}." if clips.emotions else "."
    notes = "".join(sentence(note) for note in clips.notes)
    return sentence(told) + table(("emotion", "clips", "speakers", "sentences"), rows) + notes
