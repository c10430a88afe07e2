"""RAVDESS: S. R. Livingstone and F. A. Russo, PLoS ONE 13(5), 2018. Everything is in a file's name.

03-01-06-01-02-01-12 is audio only, speech, fearful, normal intensity, second statement, first repetition, actor 12.
"""

import re
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.release import labelled, named_files, one_of

_LABELS = {
    **{"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry"},
    **{"06": "fearful", "07": "disgusted", "08": "surprised"},
}
_STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
_CHANNELS = {"01": "speech", "02": "song"}
_NAME = re.compile(
    r"03-(?P<channel>0[12])-(?P<label>0\d)-(?P<intensity>0[12])-(?P<statement>0[12])-(?P<take>0[12])-(?P<actor>\d\d)"
)


def load_ravdess(root: Path, *, channel: str = "speech") -> Clips:
    """The audio-only clips under `root`: Actor_01/03-01-01-01-01-01-01.wav. `channel` is speech, song or both."""
    one_of(channel, "channel", "ravdess", ("speech", "song", "both"))
    found, notes = named_files(root, _NAME, corpus="ravdess", example="Actor_01/03-01-06-01-02-01-01.wav")
    rows = [_row(path, match) for path, match in found.values()]
    frame = pd.DataFrame([row for row in rows if channel in (row["channel"], "both")])
    if frame.empty:
        raise CorpusError(
            f"corpus ravdess: {root} holds no {channel}; take the archive Audio_{channel.title()}"
        )
    whole = {"speech": 1440, "song": 1012, "both": 2452}[channel]
    return labelled(frame, corpus="ravdess", labels=_LABELS, notes=notes, whole=whole)


def _row(path: Path, match: re.Match[str]) -> dict[str, str]:
    return {
        "id": path.stem,
        "audio": str(path),
        "label": match["label"],
        "speaker": match["actor"],
        "sex": "male" if int(match["actor"]) % 2 else "female",
        "sentence": match["statement"],
        "transcript": _STATEMENTS[match["statement"]],
        "language": "en",
        "channel": _CHANNELS[match["channel"]],
        "intensity": "strong" if match["intensity"] == "02" else "normal",
        "take": match["take"],
    }


INFO = CorpusInfo(
    name="ravdess",
    title="RAVDESS (Livingstone and Russo 2018)",
    licence="CC BY-NC-SA 4.0",
    needs_root=True,
    description="24 actors, North American English, 2 statements, 8 emotions, two intensities, 1,440 spoken clips",
    load=load_ravdess,
    home="https://zenodo.org/record/1188976",
    download="Audio_Speech_Actors_01-24.zip (and Audio_Song_Actors_01-24.zip)",
    layout="Actor_01/ to Actor_24/ with .wav files",
    labels=_LABELS,
    counts={
        **{"neutral": 96, "happy": 192, "angry": 192, "sad": 192, "fearful": 192},
        **{"calm": 192, "disgusted": 192, "surprised": 192},
    },
)
