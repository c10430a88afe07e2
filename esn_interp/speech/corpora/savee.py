"""SAVEE: S. Haq and P. J. B. Jackson, AVSP 2009. DC/a01: speaker, emotion, number of the sentence."""

import re
from pathlib import Path

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import clips_by_name

_LABELS = {
    **{"a": "angry", "d": "disgusted", "f": "fearful", "h": "happy"},
    **{"n": "neutral", "sa": "sad", "su": "surprised"},
}
_SPEAKERS = ("DC", "JE", "JK", "KL")
_NAME = re.compile(r"(?:(?P<speaker>DC|JE|JK|KL)_)?(?P<label>sa|su|[adfhn])(?P<number>\d\d)")


def load_savee(root: Path) -> Clips:
    """The clips under `root`: AudioData/DC/a01.wav, or DC_a01.wav where speakers have no folders.

    Sentences are named by emotion and number; their texts are in the release's documents, not beside the
    audio, so transcripts stay empty.
    """
    return clips_by_name(root, INFO, _NAME, _row, example="AudioData/DC/a01.wav", key=_id)


def _id(path: Path, match: re.Match[str]) -> str:
    named = path.parent.name.upper()
    speaker = match["speaker"] or (named if named in _SPEAKERS else "")
    return f"{speaker}_{match['label']}{match['number']}"


def _row(path: Path, match: re.Match[str]) -> dict[str, str]:
    speaker = _id(path, match).split("_")[0]
    if not speaker:
        return {}
    return {
        "label": match["label"],
        "speaker": speaker,
        "sex": "male",
        "sentence": match["label"] + match["number"],
        "language": "en",
    }


INFO = CorpusInfo(
    name="savee",
    title="SAVEE (Haq and Jackson 2009)",
    licence="own licence, for research, on registration",
    needs_root=True,
    description="4 men, British English, 7 emotions, 480 clips",
    load=load_savee,
    home="http://kahlan.eps.surrey.ac.uk/savee/",
    download="AudioData.zip, after registration",
    layout="AudioData/DC/, JE/, JK/ and KL/ with .wav files, or DC_a01.wav in one folder",
    labels=_LABELS,
    counts={
        **{"neutral": 120, "happy": 60, "angry": 60, "sad": 60, "fearful": 60},
        **{"disgusted": 60, "surprised": 60},
    },
)
