"""MESD, the Mexican Emotional Speech Database: M. M. Duville et al., Data 6(12), 2021.

Anger_F_A_abajo is emotion, kind of voice, list of words, and word.
"""

import re
from pathlib import Path

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import clips_by_name

_LABELS = {
    **{"anger": "angry", "disgust": "disgusted", "fear": "fearful"},
    **{"happiness": "happy", "neutral": "neutral", "sadness": "sad"},
}
_VOICES = {"F": "female", "M": "male", "C": "child"}
_NAME = re.compile(r"(?P<label>[A-Za-z]+)_(?P<voice>[CFM])_(?P<list>[AB])_(?P<word>.+)")


def load_mesd(root: Path) -> Clips:
    """The clips under `root`: Anger_F_A_abajo.wav.

    Names tell a woman, a man or a child, but not which one: speakers stay empty, so that the split goes by
    word, and results say nothing about other voices.
    """
    speakers = "the release does not say who speaks: splits go by word, and intervals are not over speakers"
    return clips_by_name(root, INFO, _NAME, _row, example="Anger_F_A_abajo.wav", notes=(speakers,))


def _row(path: Path, match: re.Match[str]) -> dict[str, str]:
    voice = _VOICES[match["voice"]]
    word = match["word"].replace("_", " ")
    return {
        "label": match["label"].lower(),
        "sex": "" if voice == "child" else voice,
        "sentence": word,
        "transcript": word,
        "language": "es",
        "voice": voice,
        "list": match["list"],
    }


INFO = CorpusInfo(
    name="mesd",
    title="MESD, Mexican Emotional Speech Database (Duville et al. 2021)",
    licence="CC BY 4.0",
    needs_root=True,
    description="women, men and children, Mexican Spanish, single words, 6 emotions, 862 clips",
    load=load_mesd,
    home="https://data.mendeley.com/datasets/cy34mh68j9/5",
    download="version 5 of the dataset",
    layout="Anger_F_A_abajo.wav and so on, in one folder",
    split="by sentence (word); the words of list B differ between emotions",
    labels=_LABELS,
    counts={
        **{"neutral": 143, "happy": 144, "angry": 143, "sad": 144, "fearful": 144},
        **{"disgusted": 144},
    },
)
