"""The players of the report: a clip to hear, and what the model answers to it, edited and unedited."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float

from esn_interp.drawing.numbers import percent
from esn_interp.errors import EsnError
from esn_interp.speech.audio import SAMPLE_RATE


def wav_of(waveform: Float[np.ndarray, " sample"]) -> bytes:
    """A recording of ours as a WAV file, 16 bit."""
    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def player(
    example: Mapping[str, Any], study: Mapping[str, Any], folder: Path, colours: Mapping[str, str]
) -> dict[str, Any]:
    """One clip as the template wants it, its audio as a data URI.

    Raises
    ------
    EsnError
        When its audio file is no longer in the folder.
    """
    path = folder / example["file"]
    if not path.is_file():
        raise EsnError(f"{path}: the audio of the report is missing; run the study anew")
    audio = base64.b64encode(path.read_bytes()).decode("ascii")
    sex = f"{example['sex']} voice" if example["sex"] else "voice"
    return {
        "emotion": example["emotion"],
        "transcript": example["transcript"],
        "voice": f"{sex} {example['speaker']}",
        "audio": f"data:audio/wav;base64,{audio}",
        "answers": [_answer(answer, study, colours) for answer in example["answers"]],
    }


def _answer(
    answer: Mapping[str, Any], study: Mapping[str, Any], colours: Mapping[str, str]
) -> dict[str, Any]:
    shares: Mapping[str, float] = answer["probabilities"]
    word = max(shares, key=lambda emotion: shares[emotion])
    label = {
        "unedited": "As it is",
        "silenced": f"{answer['neurons']} neurons silenced",
        "steered": f"{answer['neurons']} neurons × {1 + study['settings']['alpha']:g}",
    }[answer["edit"]]
    spoken = ", ".join(f"{emotion} {percent(share)}" for emotion, share in shares.items())
    parts = [
        {
            "width": f"{100 * share:.2f}",
            "colour": colours[emotion],
            "title": f"{emotion} {percent(share)}",
        }
        for emotion, share in shares.items()
    ]
    return {"label": label, "word": word, "share": percent(shares[word]), "spoken": spoken, "parts": parts}
