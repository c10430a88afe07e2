"""A study of conversions on the planted speaker, whole or in parts: every stage runs, and the truth is known."""

import json
from pathlib import Path
from typing import Any

import planted_speaker as planted
import pytest

from esn_interp.models import loading
from esn_interp.speech.clips import Clips
from esn_interp.studies import work as study_work
from esn_interp.studies.conversion.study import ConversionStudy
from esn_interp.studies.models import SpeakingModel
from esn_interp.studies.whole import study

TITLE = "planted-speaker on planted"


def planted_world(patch: pytest.MonkeyPatch, clips: Clips | None = None) -> planted.PlantedSpeaker:
    """Studies find the planted speaker, corpus and judges by name."""
    speaker, clips = planted.PlantedSpeaker(), clips or planted.sources()
    patch.setattr(SpeakingModel, "lm", property(lambda self: speaker))
    patch.setattr(SpeakingModel, "identity", "planted")
    patch.setattr(loading, "unknown", lambda name: "")
    patch.setattr(study_work, "corpus", lambda name, root=None, emotions=None: clips)
    planted.planted_ears(patch)
    return speaker


def run(folder: Path, told: list[str] | None = None, *, page: bool = False, **changed: Any) -> ConversionStudy:
    """A study; the report takes as long as all the rest, so it is made only where it is looked at."""
    if not page:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ConversionStudy, "write_page", lambda done: None)
            return run(folder, told, page=True, **changed)
    say = (lambda text: None) if told is None else told.append
    done = study(planted.config(**changed), folder, progress=False, say=say)
    assert isinstance(done, ConversionStudy)
    return done


def content(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def results(folder: Path) -> str:
    """The results file without the date."""
    return json.dumps({name: value for name, value in content(folder).items() if name != "date"})
