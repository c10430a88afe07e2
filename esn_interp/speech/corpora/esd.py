"""ESD, the Emotional Speech Dataset: K. Zhou et al., Speech Communication 137, 2022.

Ten Mandarin (0001 to 0010) and ten English speakers (0011 to 0020) read the same 350 sentences of their language
in five emotions: file 0011_000351 is speaker 0011, and sentence 1 in the second block of 350, the angry one.
"""

import re
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import labelled, named_files, one_of
from esn_interp.speech.corpora.tables import read_text

_LABELS = {"Angry": "angry", "Happy": "happy", "Neutral": "neutral", "Sad": "sad", "Surprise": "surprised"}
_PARTS = {"train": "identification", "evaluation": "validation", "test": "evaluation"}
_WOMEN = ("0001", "0002", "0003", "0007", "0009", "0015", "0016", "0017", "0018", "0019")
_SENTENCES = 350
_NAME = re.compile(r"(?P<speaker>\d{4})_(?P<number>\d{6})")
_EMOTIONS = (
    *_LABELS,
    "中立",
    "快乐",
    "高兴",
    "生气",
    "愤怒",
    "伤心",
    "悲伤",
    "惊喜",
    "惊讶",
)  # as a line ends
_LINE = re.compile(
    rf"\ufeff?(?P<clip>{_NAME.pattern.replace('?P<speaker>', '').replace('?P<number>', '')})(?:\.wav)?\s+"
    rf"(?P<words>[^\t]*?)(?:\t.*|\s+(?:{'|'.join(_EMOTIONS)}))?",
    re.IGNORECASE,
)
_LANGUAGES = {"all": "", "en": "en", "zh": "zh"}


def load_esd(root: Path, *, language: str = "all", partition: bool = False) -> Clips:
    """The clips under `root`: 0001/Angry/train/0001_000351.wav, or without the folders train, test, evaluation.

    `language` keeps "en" or "zh". Parallel sentences share their name ("en017"). With `partition`, the
    release's own parts are the split, though all of its speakers are in each of them.
    """
    one_of(language, "language", "esd", _LANGUAGES)
    found, notes = named_files(root, _NAME, corpus="esd", example="0011/Angry/train/0011_000351.wav")
    rows = [_row(path, match) for path, match in found.values()]
    frame = pd.DataFrame([row for row in rows if _LANGUAGES[language] in row["language"]])
    if frame.empty:
        raise CorpusError(f"corpus esd: {root} holds no speakers of the language {language}")
    words = _transcripts({path.parent for path, _ in found.values()}, root)
    frame["transcript"] = [words.get(clip, "") for clip in frame["id"]]
    if partition:
        frame["split"] = [_PARTS.get(part, "") for part in frame["partition"]]
        if not all(frame["split"]):
            raise CorpusError(
                f"corpus esd: {root} has no folders train, evaluation and test to take the split from"
            )
    untold = int((frame["transcript"] == "").sum())
    return labelled(
        frame,
        corpus="esd",
        labels=_LABELS,
        notes=(*notes, f"clips without a transcript: {untold:,}" if untold else ""),
        whole=35_000 if language == "all" else 17_500,
    )


def _row(path: Path, match: re.Match[str]) -> dict[str, str]:
    folders = [part.lower() for part in path.parts[-4:-1]]
    language = "zh" if int(match["speaker"]) <= 10 else "en"
    return {
        "id": path.stem,
        "audio": str(path),
        "label": next((label for label in _LABELS if label.lower() in folders), path.parent.name),
        "speaker": match["speaker"],
        "sex": "female" if match["speaker"] in _WOMEN else "male",
        "sentence": f"{language}{(int(match['number']) - 1) % _SENTENCES + 1:03d}",
        "language": language,
        "partition": next((part for part in _PARTS if part in folders), ""),
    }


def _transcripts(places: set[Path], root: Path) -> dict[str, str]:
    """What each clip says, from 0011/0011.txt: id, words and emotion, in various encodings, split by tabs or spaces."""
    above = {folder for place in places for folder in (place.parent, place.parent.parent)}
    inside = sorted(folder for folder in above if folder.is_relative_to(root))
    words: dict[str, str] = {}
    for path in (text for folder in inside for text in sorted(folder.glob("*.txt"))):
        for line in read_text(path, ("utf-8-sig", "gb18030")).split("\n"):
            if match := _LINE.fullmatch(line.strip()):
                words[match["clip"]] = match["words"].strip()
    return words


INFO = CorpusInfo(
    name="esd",
    title="ESD, Emotional Speech Dataset (Zhou et al. 2022)",
    licence="own licence, for research, on request",
    needs_root=True,
    description="10 English and 10 Mandarin speakers, 350 parallel sentences each, 5 emotions, 35,000 clips",
    load=load_esd,
    home="https://github.com/HLTSingapore/Emotional-Speech-Data",
    download="the archive that the project page links, after signing its licence",
    layout="0001/ to 0020/, each with 0001.txt and a folder per emotion, with train/, test/ and evaluation/ or without",
    split="by speaker; its own parts (partition=true) keep sentences apart, but share all speakers",
    labels=_LABELS,
    counts=dict.fromkeys(("neutral", "happy", "angry", "sad", "surprised"), 7000),
)
