"""EmoDB, the Berlin Database of Emotional Speech: F. Burkhardt et al., Interspeech 2005.

Ten German actors say ten sentences in seven emotions. Everything is in a file's name: 03a01Fa is speaker 03,
sentence a01, emotion F (Freude), take a.
"""

import re
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import read_table
from esn_interp.speech.corpora.tables import with_numbers

_EMOTIONS = {
    "W": "angry",
    "L": "bored",
    "E": "disgusted",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
_MEN = ("03", "10", "11", "12", "15")
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
_NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])(?P<take>[a-z])")
# What a file's name already says needs no second word from metadata.csv.
_NAMED = {"file", "id", "speaker", "gender", "emotion", "sentence_id", "transcript", "language", "take"}


def load_emodb(root: Path) -> Clips:
    """The clips under `root`: the .wav or .flac files of the release, in `root` itself, wav/ or audio/.

    A metadata.csv beside them (`file`, and any further columns) adds its columns as extras.
    """
    if not root.is_dir():
        raise CorpusError(
            f"corpus emodb: no folder {root}; expected the release's folder with wav/ or audio/"
        )
    rows = [
        _row(path, match)
        for folder in (root, root / "wav", root / "audio")
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in (".wav", ".flac") and (match := _NAME.fullmatch(path.stem))
    ]
    if not rows:
        raise CorpusError(f"corpus emodb: {root} holds no clips; expected names such as wav/03a01Fa.wav")
    frame = pd.DataFrame(rows)
    if (root / "metadata.csv").is_file():
        frame = frame.merge(_extras(root / "metadata.csv"), on="id", how="left")
    few = f"found {len(frame):,} of the {INFO.size:,} clips of the release; the download may not be complete"
    return Clips.from_frame(frame, name="emodb").noted(few if len(frame) < INFO.size else "")


def _row(path: Path, match: re.Match[str]) -> dict[str, str]:
    return {
        "id": path.stem,
        "audio": str(path),
        "emotion": _EMOTIONS[match["emotion"]],
        "speaker": match["speaker"],
        "sex": "male" if match["speaker"] in _MEN else "female",
        "sentence": match["sentence"],
        "transcript": _SENTENCES.get(match["sentence"], ""),
        "language": "de",
        "corpus": "emodb",
        "take": match["take"],
    }


def _extras(path: Path) -> pd.DataFrame:
    """What metadata.csv says beyond the file names: listeners' recognition rates and the like."""
    table = with_numbers(read_table(path, "emodb", ("file",)), besides=_NAMED)
    extras = table[[column for column in table.columns if column not in _NAMED]].copy()
    extras["id"] = [Path(str(file)).stem for file in table["file"]]
    return extras.drop_duplicates("id")


INFO = CorpusInfo(
    name="emodb",
    title="EmoDB, Berlin Database of Emotional Speech (Burkhardt et al. 2005)",
    licence="CC0-1.0",
    needs_root=True,
    description="10 German actors, 10 sentences, 7 emotions, 535 clips",
    load=load_emodb,
    home="https://github.com/audeering/emodb",
    download="wav.zip of the release, or the database by audb",
    layout="wav/03a01Fa.wav and so on, in wav/, audio/ or the folder itself",
    split="by speaker; with ten of them, cross-fitted: clips.folds()",
    labels=_EMOTIONS,
    counts={
        **{"neutral": 79, "happy": 71, "angry": 127, "sad": 62, "fearful": 69},
        **{"bored": 81, "disgusted": 46},
    },
)
