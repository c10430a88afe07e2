"""nEMO: I. Christop, LREC-COLING 2024. Polish sentences; the table data.tsv lies beside the folder samples/."""

from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import files, folder, labelled, missing_files, read_table

_LABELS = {
    **{"anger": "angry", "fear": "fearful", "happiness": "happy"},
    **{"neutral": "neutral", "sadness": "sad", "surprised": "surprised"},
}
_COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender", "age")


def load_nemo(root: Path) -> Clips:
    """The clips under `root`: data.tsv, and samples/WR0_surprised_64.wav."""
    folder(root, "nemo", "the repository, with data.tsv and samples/")
    if not (root / "data.tsv").is_file():
        raise CorpusError(
            f"corpus nemo: {root} holds no data.tsv; expected the repository with samples/ beside it"
        )
    table = read_table(root / "data.tsv", "nemo", _COLUMNS, sep="\t", quoting=3)
    for column in _COLUMNS:  # some cells are padded
        table[column] = table[column].str.strip()
    audio = {path.name: str(path) for path in files(root)}
    stems = [Path(name).stem for name in table["file_id"]]
    frame = pd.DataFrame(
        {
            "id": stems,
            "audio": [audio.get(name, "") for name in table["file_id"]],
            "label": table["emotion"],
            "speaker": table["speaker_id"],
            "sex": table["gender"],
            "sentence": [stem.rsplit("_", 1)[-1] for stem in stems],
            "transcript": table["raw_text"],
            "language": "pl",
            "age": table["age"],
        }
    )
    here = frame["audio"] != ""
    if not here.any():
        raise CorpusError(f"corpus nemo: {root} holds data.tsv but no clips; expected samples/{stems[0]}.wav")
    missing = missing_files(frame["id"][~here].tolist(), len(frame))
    return labelled(frame[here], corpus="nemo", labels=_LABELS, notes=(missing,))


INFO = CorpusInfo(
    name="nemo",
    title="nEMO (Christop 2024)",
    licence="CC BY-NC-SA 4.0",
    needs_root=True,
    description="9 actors, Polish, 90 sentences, 6 emotions, 4,481 clips",
    load=load_nemo,
    home="https://github.com/amu-cai/nEMO",
    download="the repository",
    layout="data.tsv and samples/*.wav",
    labels=_LABELS,
    counts={
        **{"neutral": 809, "happy": 749, "angry": 749, "sad": 769, "fearful": 736},
        **{"surprised": 669},
    },
)
