"""TESS, the Toronto Emotional Speech Set: M. K. Pichora-Fuller and K. Dupuis, 2010.

OAF_back_angry is voice, word and emotion.
"""

import re
from pathlib import Path

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import clips_by_name

# "ps" is pleasant surprise.
_LABELS = {
    **{"angry": "angry", "disgust": "disgusted", "fear": "fearful", "happy": "happy"},
    **{"neutral": "neutral", "ps": "surprised", "sad": "sad"},
}
# One file is called OA_bite_neutral.
_NAME = re.compile(r"(?P<speaker>OAF|YAF|OA)_(?P<word>.+)_(?P<label>[a-z]+)", re.IGNORECASE)
_AGES = {"OAF": 64, "YAF": 26}


def load_tess(root: Path) -> Clips:
    """The clips under `root`: OAF_angry/OAF_back_angry.wav, in folders or in one."""
    example = "OAF_angry/OAF_back_angry.wav"
    return clips_by_name(root, INFO, _NAME, _row, example=example, key=lambda path, match: path.stem.lower())


def _row(path: Path, match: re.Match[str]) -> dict[str, object]:
    speaker = "YAF" if match["speaker"].upper() == "YAF" else "OAF"
    word = match["word"].lower()
    return {
        "id": path.stem,
        "label": match["label"].lower(),
        "speaker": speaker,
        "sex": "female",
        "sentence": word,
        "transcript": f"Say the word {word}.",
        "language": "en",
        "age": _AGES[speaker],
    }


INFO = CorpusInfo(
    name="tess",
    title="TESS, Toronto Emotional Speech Set (Pichora-Fuller and Dupuis 2010)",
    licence="CC BY-NC-ND 4.0",
    needs_root=True,
    description="2 actresses (26 and 64 years), English, 200 words in one phrase, 7 emotions, 2,800 clips",
    load=load_tess,
    home="https://doi.org/10.5683/SP2/E8H2MF",
    download="all files of the dataset",
    layout="OAF_back_angry.wav and so on, in one folder or in one per voice and emotion",
    split="by sentence (word): two speakers cannot be divided in three",
    labels=_LABELS,
    counts=dict.fromkeys(("neutral", "happy", "angry", "sad", "fearful", "disgusted", "surprised"), 400),
)
