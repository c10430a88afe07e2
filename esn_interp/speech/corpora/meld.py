"""MELD: S. Poria et al., ACL 2019. Utterances from the series Friends, as video clips and three tables."""

import re
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import (
    SOUND_SUFFIXES,
    files,
    folder,
    labelled,
    missing_files,
    read_table,
)

_LABELS = {
    **{"anger": "angry", "disgust": "disgusted", "fear": "fearful", "joy": "happy"},
    **{"neutral": "neutral", "sadness": "sad", "surprise": "surprised"},
}
_PARTS = {"train": "identification", "dev": "validation", "test": "evaluation"}
_SEXES = {
    **dict.fromkeys(("Monica", "Rachel", "Phoebe"), "female"),
    **dict.fromkeys(("Chandler", "Joey", "Ross"), "male"),
}
_CLIP = re.compile(r"dia(\d+)_utt(\d+)")
_FOLDER = re.compile(r"(?i)(train|dev|test|output_repeated_splits_test)")
_COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
)


def load_meld(root: Path) -> Clips:
    """The utterances under `root`: its three tables, and clips as .wav (taken first) or .mp4.

    Clips lie in train_splits/, dev_splits_complete/ and output_repeated_splits_test/, or in other folders
    whose names start with train, dev and test. The sound of .mp4 needs the extra `video`.
    """
    folder(root, "meld", "MELD.Raw, with train_sent_emo.csv and its clips")
    tables = {part: next(root.rglob(f"{part}_sent_emo.csv"), None) for part in _PARTS}
    if not any(tables.values()):
        raise CorpusError(
            f"corpus meld: {root} holds no train_sent_emo.csv, dev_sent_emo.csv or test_sent_emo.csv"
        )
    audio = _audio(root)
    parts = [_part(part, path, audio) for part, path in tables.items() if path is not None]
    frame = pd.concat(parts, ignore_index=True)
    here = frame["audio"] != ""
    if not here.any():
        raise CorpusError(
            f"corpus meld: {root} holds tables but no clips; expected names such as train_splits/dia0_utt0.mp4"
        )
    return labelled(
        frame[here],
        corpus="meld",
        labels=_LABELS,
        notes=(
            missing_files(frame["id"][~here].tolist(), len(frame)),
            *(f"there is no {part}_sent_emo.csv" for part, path in tables.items() if path is None),
        ),
    )


def _audio(root: Path) -> dict[tuple[str, str], Path]:
    """Every clip by part and name; the part is the last folder on its path that is named after one."""
    found: dict[tuple[str, str], Path] = {}
    rank = {suffix: place for place, suffix in enumerate(SOUND_SUFFIXES)}
    for path in sorted(files(root, SOUND_SUFFIXES), key=lambda path: rank[path.suffix.lower()]):
        parents = reversed(path.relative_to(root).parts[:-1])
        part = next((match[0].lower() for name in parents if (match := _FOLDER.match(name))), None)
        if part is not None and _CLIP.fullmatch(path.stem):
            found.setdefault(("test" if part.startswith("output") else part, path.stem), path)
    return found


def _part(part: str, path: Path, audio: dict[tuple[str, str], Path]) -> pd.DataFrame:
    table = read_table(path, "meld", _COLUMNS)
    names = [f"dia{d}_utt{u}" for d, u in zip(table["Dialogue_ID"], table["Utterance_ID"], strict=True)]
    speakers = table["Speaker"].str.strip()
    return pd.DataFrame(
        {
            "id": [f"{part}_{name}" for name in names],
            "audio": [str(audio.get((part, name), "")) for name in names],
            "label": table["Emotion"].str.strip().str.lower(),
            "speaker": speakers,
            "sex": [_SEXES.get(speaker, "") for speaker in speakers],
            "transcript": table["Utterance"].str.strip(),
            "language": "en",
            "split": _PARTS[part],
            "partition": part,
            **{name.lower(): table[name] for name in _COLUMNS[3:]},
        }
    )


INFO = CorpusInfo(
    name="meld",
    title="MELD (Poria et al. 2019)",
    licence="GPL-3.0 (tables); the clips are from a television series",
    needs_root=True,
    description="utterances of the series Friends, English, 7 emotions, 13,708 clips as video",
    load=load_meld,
    home="https://github.com/declare-lab/MELD",
    download="MELD.Raw.tar.gz, and the archives inside it",
    layout="train_sent_emo.csv with train_splits/, dev_sent_emo.csv with dev_splits_complete/, test_sent_emo.csv "
    "with output_repeated_splits_test/",
    split="its own: dev, train and test become validation, identification and evaluation; they share speakers",
    labels=_LABELS,
    counts={
        **{"neutral": 6436, "happy": 2308, "angry": 1607, "sad": 1002, "fearful": 358},
        **{"disgusted": 361, "surprised": 1636},
    },
)
