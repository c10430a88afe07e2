"""What went wrong when something was said, as far as it can be told without a judge."""

import re

import numpy as np

from esn_interp.models.families.spoken import Spoken
from esn_interp.speech.audio import SILENCE

PROBLEMS = {
    "refused": "The model says that it will not or can not do it.",
    "nothing said": "The model wrote no word, or its speech ended at once.",
    "one token": "The reply is a single token where more words were to be said, or the speech a single code.",
    "never ended": "Words or speech were cut off at `max_new_tokens` or `max_seconds`.",
    "vocoder failed": "Codes of speech could not be made sound, or the sound is silent or not finite.",
    "no transcript": "The corpus does not say what the source says, so its words can't be compared.",
}
"""What can be wrong with a conversion, the gravest first: name and meaning."""

_REFUSAL = re.compile(
    r"\b(i am|i'm) (sorry|unable|not able|afraid)\b|\b(i|we) (can't|cannot|can not|won't|will not)\b"
    r"|\bas an? (ai|artificial|language model|assistant)\b|\bunable to\b",
    re.IGNORECASE,
)


def problem_of(said: Spoken, transcript: str) -> str | None:
    """The gravest problem of what was said for a source with this transcript (see `PROBLEMS`); None without one.

    A refusal is one by its wording (our choice of phrases), unless the source itself is worded so.
    """
    codes, words = said.codes, said.words
    if _refuses(said.text) and not _refuses(transcript):
        return "refused"
    if words == 0 or said.silent or (codes is not None and not len(codes)):
        return "nothing said"
    if (codes is not None and len(codes) == 1) or (words == 1 and len(transcript.split()) > 1):
        return "one token"
    if not said.ended:
        return "never ended"
    if said.failure is not None:
        return f"vocoder failed: {said.failure}"
    if not len(said.waveform):
        return "vocoder failed: there is no sound"
    if not np.isfinite(said.waveform).all():
        return "vocoder failed: the sound is not finite"
    if (peak := float(np.abs(said.waveform).max())) < SILENCE:
        return f"vocoder failed: the sound is silent (peak {peak:.1e})"
    return None if transcript.strip() else "no transcript"


def _refuses(text: str) -> bool:
    return _REFUSAL.search(text.replace("’", "'")) is not None
