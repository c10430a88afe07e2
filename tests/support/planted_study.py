"""A study of one planted model on two planted corpora: every stage runs, and the truth is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from planted_demo import StudiedListener
from planted_listener import planted_clips

from esn_interp.models import loading
from esn_interp.speech.clips import Clips
from esn_interp.studies import work
from esn_interp.studies.models import StudiedModel
from esn_interp.studies.recognition.config import STAGES, RecognitionConfig
from esn_interp.studies.whole import study


def corpus(name: str, shift: float) -> Clips:
    """Ten speakers of all emotions, who say themselves which set they belong to."""
    clips = planted_clips(speakers=10, takes=1, leaks=[0.25 + shift + 0.02 * number for number in range(10)])
    frame = clips.to_frame()
    frame["audio"] = clips.column("audio")
    number = frame["speaker"].str[1:].astype(int)
    frame["split"] = np.select([number < 2, number < 4], ["validation", "identification"], "evaluation")
    return Clips.from_frame(pd.DataFrame(frame), name=name)


CORPORA = {"north": corpus("north", 0.0), "south": corpus("south", 0.05)}


def config(**changed: Any) -> RecognitionConfig:
    settings = {
        "name": "planted",
        "models": ["planted"],
        "corpora": ["north", "south"],
        "selectors": ["mad", "lap"],
        "tops": [0.02, 0.075],
        "alphas": [0, 1, 4],
        "draws": 2,
        "validation_draws": 1,
        "batch_size": 4,
    }
    return RecognitionConfig.model_validate(settings | changed)


def planted_world(monkeypatch: Any) -> None:
    """Studies find the planted model and corpora by name."""
    listener = StudiedListener()
    monkeypatch.setattr(StudiedModel, "lm", property(lambda self: listener))
    monkeypatch.setattr(StudiedModel, "identity", "planted")
    monkeypatch.setattr(loading, "unknown", lambda name: "")
    def corpus(name: str, root: object = None, emotions: Any = None) -> Clips:
        return CORPORA[name] if emotions is None else CORPORA[name].choose(emotions)

    monkeypatch.setattr(work, "corpus", corpus)


def run(folder: Path, told: list[str] | None = None, **changed: Any) -> dict[str, Any]:
    say = (lambda text: None) if told is None else told.append
    return study(config(**changed), folder, progress=False, say=say).content


__all__ = ["CORPORA", "STAGES", "config", "planted_world", "run"]
