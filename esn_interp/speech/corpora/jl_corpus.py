"""JL-Corpus: J. James, L. Tian and C. Watson, Interspeech 2018.

female1_angry_10a_1 is speaker, emotion, sentence with session, and take.
"""

import re
from pathlib import Path

from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import clips_by_name
from esn_interp.speech.corpora.tables import read_text

_PRIMARY = ("angry", "excited", "happy", "neutral", "sad")
_SECONDARY = ("anxious", "apologetic", "assertive", "concerned", "encouraging")
_LABELS = {name: name for name in (*_PRIMARY, *_SECONDARY)}
_NAME = re.compile(
    r"(?P<speaker>(?:fe)?male\d)_(?P<label>[a-z]+)_(?P<sentence>\d+)(?P<session>[a-z])_(?P<take>\d)",
    re.IGNORECASE,
)


def load_jl_corpus(root: Path) -> Clips:
    """The clips under `root`: JL(wav+txt)/female1_angry_10a_1.wav, each with its words in a .txt beside it.

    The archive holds the whole tree twice, in folders that differ in case only; one of them is read. The five
    primary emotions share 15 sentences, each secondary one has its own.
    """
    return clips_by_name(root, INFO, _NAME, _row, example="JL(wav+txt)/female1_angry_10a_1.wav")


def _row(path: Path, match: re.Match[str]) -> dict[str, str]:
    speaker, label = match["speaker"].lower(), match["label"].lower()
    words = path.with_suffix(".txt")
    return {
        "label": label,
        "speaker": speaker,
        "sex": speaker[:-1],
        "sentence": match["sentence"] if label in _PRIMARY else f"{label}-{match['sentence']}",
        "transcript": read_text(words).strip() if words.is_file() else "",
        "language": "en",
        "session": match["session"],
        "take": match["take"],
    }


INFO = CorpusInfo(
    name="jl-corpus",
    title="JL-Corpus (James, Tian and Watson 2018)",
    licence="CC0-1.0",
    needs_root=True,
    description="4 actors, New Zealand English, 5 primary and 5 secondary emotions, 2,400 clips",
    load=load_jl_corpus,
    home="https://www.kaggle.com/datasets/tli725/jl-corpus",
    download="the archive",
    layout="Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/ with .wav and .txt files",
    labels=_LABELS,
    counts=dict.fromkeys((*_PRIMARY, *_SECONDARY), 240),
    conventions={"primary": _PRIMARY},
)
