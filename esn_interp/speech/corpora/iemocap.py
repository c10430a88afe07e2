"""IEMOCAP: C. Busso et al., Language Resources and Evaluation 42, 2008.

Ten actors in five sessions of two, improvising and acting scripts; turns were labelled by listeners. Labels and
transcripts lie in text files beside the audio: `dialog/EmoEvaluation/*.txt`, `dialog/transcriptions/*.txt`.
"""

import re
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import files, folder, labelled, missing_files, one_of
from esn_interp.speech.corpora.tables import read_text

_LABELS = {
    **{"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad", "neu": "neutral"},
    **{"fru": "frustrated", "fea": "fearful", "sur": "surprised", "dis": "disgusted"},
}
_FOUR = ("neutral", "happy", "angry", "sad")
_STYLES = {"all": "", "improvised": "impro", "scripted": "script"}
# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_JUDGED = re.compile(
    r"^\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\s+(?P<id>Ses\d\d[FM]_\w+)\s+(?P<label>\w+)"
    r"\s+\[(?P<valence>[\d.]+), (?P<activation>[\d.]+), (?P<dominance>[\d.]+)\]",
    re.MULTILINE,
)
# Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
_SAID = re.compile(r"^(?P<id>Ses\d\d[FM]_\w+) \[[\d. -]+\]:?[ \t]*(?P<words>.*)$", re.MULTILINE)


def load_iemocap(root: Path, *, style: str = "all", merge_excited: bool = True) -> Clips:
    """The turns under `root`, which holds Session1 to Session5.

    `style` keeps the "improvised" or the "scripted" dialogues only. Excited turns count as happy, as nearly
    all work on the corpus has it, unless `merge_excited` is off.
    """
    one_of(style, "style", "iemocap", _STYLES)
    expected = "IEMOCAP_full_release with Session1 to Session5"
    sessions = sorted(
        path for path in folder(root, "iemocap", expected).rglob("Session[1-5]") if path.is_dir()
    )
    if not sessions:
        raise CorpusError(f"corpus iemocap: {root} holds no Session1 to Session5; expected {expected}")
    rows: list[dict[str, object]] = []
    judged = 0
    missing: list[str] = []
    for session in sessions:
        audio = {path.stem: path for path in files(session / "sentences")}
        said = {
            match["id"]: match["words"].strip()
            for path in _texts(session / "dialog" / "transcriptions")
            for match in _SAID.finditer(read_text(path))
        }
        for path in _texts(session / "dialog" / "EmoEvaluation"):
            for match in _JUDGED.finditer(read_text(path)):
                if _STYLES[style] in match["id"]:
                    judged += 1
                    if match["id"] in audio:
                        rows.append(
                            _row(match, audio[match["id"]], said.get(match["id"], ""), session.name[-1])
                        )
                    else:
                        missing.append(match["id"])
    if not judged:
        raise CorpusError(
            f"corpus iemocap: {root} holds no labels; expected Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
        )
    if not rows:
        raise CorpusError(
            f"corpus iemocap: {root} holds labels but no audio; expected "
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
        )
    untold = sum(not row["transcript"] for row in rows)
    return labelled(
        pd.DataFrame(rows),
        corpus="iemocap",
        labels=_LABELS if merge_excited else _LABELS | {"exc": "excited"},
        whole=_WHOLE if style == "all" else 0,
        notes=(
            missing_files(missing, judged),
            f"clips without a transcript: {untold:,}" if untold else "",
        ),
    )


def _texts(place: Path) -> list[Path]:
    # Not the files of single annotators, which lie in folders below.
    return sorted(path for path in place.glob("*.txt") if not path.name.startswith("."))


def _row(match: re.Match[str], audio: Path, words: str, session: str) -> dict[str, object]:
    clip = match["id"]
    dialogue, turn = clip.rsplit("_", 1)
    # The letter after the session tells who wears the markers; the one of the turn tells who speaks.
    sex = turn[0]
    return {
        "id": clip,
        "audio": str(audio),
        "label": match["label"],
        "speaker": f"{clip[:5]}{sex}",
        "sex": {"F": "female", "M": "male"}.get(sex, ""),
        "transcript": words,
        "language": "en",
        "session": session,
        "style": "improvised" if "impro" in clip else "scripted",
        "dialogue": dialogue,
        **{name: float(match[name]) for name in ("valence", "activation", "dominance")},
    }


_WHOLE = 10_039
INFO = CorpusInfo(
    name="iemocap",
    title="IEMOCAP (Busso et al. 2008)",
    licence="own licence of USC, for research, on request",
    needs_root=True,
    description="10 English-speaking actors in 5 dyadic sessions, improvised and scripted; 10,039 turns",
    load=load_iemocap,
    home="https://sail.usc.edu/iemocap/",
    download="the full release, by the request form",
    layout="Session1/ to Session5/, each with sentences/wav/, dialog/EmoEvaluation/ and dialog/transcriptions/",
    split="by session: two speakers each, five-fold in the literature; there is no published single split",
    labels=_LABELS,
    counts={
        **{"neutral": 1708, "happy": 1636, "angry": 1103, "sad": 1084, "fearful": 40},
        **{"disgusted": 2, "frustrated": 1849, "surprised": 107},
    },
    conventions={"4-class": _FOUR, "5-class": (*_FOUR, "frustrated")},
)
