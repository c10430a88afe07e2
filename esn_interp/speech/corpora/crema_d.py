"""CREMA-D: H. Cao et al., IEEE Trans. Affective Computing 5(4), 2014.

1001_DFA_ANG_XX is actor, sentence, emotion and level.
"""

import re
from pathlib import Path

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import clips_by_name, read_table

_LABELS = {
    **{"ANG": "angry", "DIS": "disgusted", "FEA": "fearful"},
    **{"HAP": "happy", "NEU": "neutral", "SAD": "sad"},
}
_SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
_NAME = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<label>[A-Z]{3})_(?P<level>[A-Z]{1,2})")


def load_crema_d(root: Path) -> Clips:
    """The clips under `root`: AudioWAV/1001_DFA_ANG_XX.wav, and VideoDemographics.csv for sex and age.

    Labels are the emotions that were to be acted; the votes of listeners are in tables of the release.
    """
    who = _demographics(root)

    def row(path: Path, match: re.Match[str]) -> dict[str, str]:
        return {
            "label": match["label"],
            "speaker": match["actor"],
            "sentence": match["sentence"],
            "transcript": _SENTENCES.get(match["sentence"], ""),
            "language": "en",
            "intensity": _LEVELS.get(match["level"], "unspecified"),
            **who.get(match["actor"], {}),
        }

    lacking = "" if who else "sex and age are not known without VideoDemographics.csv, which is not there"
    return clips_by_name(root, INFO, _NAME, row, example="AudioWAV/1001_DFA_ANG_XX.wav", notes=(lacking,))


def _demographics(root: Path) -> dict[str, dict[str, str]]:
    for place in (root, root.parent):  # the table lies beside the folder of the audio
        if (place / "VideoDemographics.csv").is_file():
            table = read_table(place / "VideoDemographics.csv", "crema-d", ("ActorID", "Age", "Sex"))
            return {
                row["ActorID"].strip(): {"sex": row["Sex"].strip().lower(), "age": row["Age"]}
                for row in table.to_dict("records")
            }
    return {}


INFO = CorpusInfo(
    name="crema-d",
    title="CREMA-D (Cao et al. 2014)",
    licence="ODbL 1.0 (database), DbCL 1.0 (contents)",
    needs_root=True,
    description="91 actors, English, 12 sentences, 6 emotions, 7,442 clips",
    load=load_crema_d,
    home="https://github.com/CheyneyComputerScience/CREMA-D",
    download="the repository with its large files (git lfs pull)",
    layout="AudioWAV/*.wav, with VideoDemographics.csv beside that folder",
    labels=_LABELS,
    counts={
        **{"neutral": 1087, "happy": 1271, "angry": 1271, "sad": 1271, "fearful": 1271},
        **{"disgusted": 1271},
    },
)
