"""MSP-Podcast: R. Lotfian and C. Busso, IEEE Trans. Affective Computing 10, 2019; C. Busso et al. 2025.

Speaking turns from podcasts, labelled by crowds. One table, Labels/labels_consensus.csv or .json, ties file,
emotion, speaker and partition together; releases up to 1.8 spell it labels_concensus.
"""

import json
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import (
    files,
    folder,
    labelled,
    missing_files,
    one_of,
    read_table,
)
from esn_interp.speech.corpora.tables import read_text

_LABELS = {
    **{"A": "angry", "S": "sad", "H": "happy", "U": "surprised", "F": "fearful", "D": "disgusted"},
    **{"C": "contemptuous", "N": "neutral"},
}
_PARTS = {"train": "identification", "development": "validation", "validation": "validation"}
_SEXES = {"female": "female", "male": "male"}
_COLUMNS = ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set")
_TABLES = ("labels_consensus.csv", "labels_concensus.csv", "labels_consensus.json", "labels_concensus.json")


def load_msp_podcast(
    root: Path, *, test: str = "Test1", known_speakers: bool = False, transcripts: bool = True
) -> Clips:
    """The turns under `root`: Labels/, Audios/, Transcripts/.

    `test` is the partition to evaluate on, Test1 or Test2; the other is left out. `known_speakers` leaves out
    the turns whose speaker was not identified: the speaker is the unit of every interval. Transcripts are a
    file each, and take a while to read: turn them off where they are not needed.
    """
    one_of(test, "test", "msp-podcast", ("Test1", "Test2"))
    folder(root, "msp-podcast", "the folder of a release, with Labels/ and Audios/")
    path = next((found for name in _TABLES if (found := next(root.rglob(name), None))), None)
    if path is None:
        raise CorpusError(f"corpus msp-podcast: {root} holds no Labels/{_TABLES[0]} or .json")
    table = _read(path)
    parts = _PARTS | {test.lower(): "evaluation"}
    split = pd.Series([parts.get(name.strip().lower(), "") for name in table["Split_Set"]], dtype=object)
    speaker = table["SpkrID"].str.strip().replace("Unknown", "")
    audio = {found.name: str(found) for found in files(root)}
    place = pd.Series([audio.get(name, "") for name in table["FileName"]], dtype=object)
    wanted = (split != "") & ((speaker != "") | (not known_speakers))
    kept = wanted & (place != "")
    if not kept.any():
        raise CorpusError(
            f"corpus msp-podcast: none of the {len(table):,} files of {path} is in {root}/Audios"
        )
    texts = {found.stem: found for found in files(root, (".txt",))} if transcripts else {}
    stems = [Path(name).stem for name in table["FileName"]]
    frame = pd.DataFrame(
        {
            "id": stems,
            "audio": place,
            "label": table["EmoClass"].str.strip(),
            "speaker": speaker,
            "sex": [_SEXES.get(sex.strip().lower(), "") for sex in table["Gender"]],
            "language": "en",
            "split": split,
            "partition": table["Split_Set"],
            **{
                ours: pd.to_numeric(table[theirs], errors="coerce")
                for theirs, ours in _SCALES.items()
                if theirs in table
            },
        }
    )[kept]
    frame["transcript"] = [read_text(texts[s]).strip() if s in texts else "" for s in frame["id"]]
    nameless = int((frame["speaker"] == "").sum())
    others = table["Split_Set"][split == ""].value_counts()
    return labelled(
        frame,
        corpus="msp-podcast",
        labels=_LABELS,
        notes=(
            missing_files(
                [stems[row] for row in (wanted & (place == "")).to_numpy().nonzero()[0]], len(table)
            ),
            f"clips without a known speaker: {nameless:,}; known_speakers=true leaves them out"
            if nameless
            else "",
            *(f"left out, partition {name}: {count:,}" for name, count in others.items()),
        ),
    )


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return read_table(path, "msp-podcast", _COLUMNS)
    try:
        content = json.loads(read_text(path))
        # Cell by cell: a table of pandas would write the speaker 127 as 127.0 where another has none.
        rows = [
            {"FileName": file, **{name: "" if cell is None else str(cell) for name, cell in cells.items()}}
            for file, cells in content.items()
        ]
    except (ValueError, AttributeError, RecursionError) as error:
        raise CorpusError(f"corpus msp-podcast: {path} cannot be read ({error})") from error
    table = pd.DataFrame(rows, dtype=object).fillna("")
    if missing := [column for column in _COLUMNS if column not in table]:
        raise CorpusError(f"corpus msp-podcast: {path} has no entry {missing[0]!r}")
    return table


_SCALES = {"EmoAct": "activation", "EmoVal": "valence", "EmoDom": "dominance"}
INFO = CorpusInfo(
    name="msp-podcast",
    title="MSP-Podcast (Lotfian and Busso 2019; Busso et al. 2025)",
    licence="own licence of UT Dallas, for research, on request",
    needs_root=True,
    description="natural English speech from podcasts, 8 emotions; 207,136 turns in release 1.12",
    load=load_msp_podcast,
    home="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
    download="one release, by an agreement with the university",
    layout="Labels/labels_consensus.csv (or .json), Audios/*.wav, Transcripts/*.txt",
    split="its own: Development, Train and Test1 become validation, identification and evaluation; speakers apart "
    "as far as they are known",
    labels=_LABELS,
)
