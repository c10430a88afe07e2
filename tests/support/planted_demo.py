"""A whole study on the planted listener, small enough for a test: its neurons are known, and so is the outcome."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from planted_listener import Heard, PlantedListener, planted_clips

from esn_interp.models.edits import Edit
from esn_interp.speech.clips import Clips
from esn_interp.studies.recognition.study import RecognitionStudy
from esn_interp.studies.whole import study as whole_study

Tap = Callable[[int, int, torch.Tensor], None]

# Four of 54 gates carry an emotion: the larger size can take all of them, the smaller only one.
SELECTORS, TOPS, SCOPES = ("mad",), (0.02, 0.075), ("all", "last")
ALPHAS = (0.0, 1.0, 4.0)


class StudiedListener(PlantedListener):
    """The planted listener with what a study needs beyond: gates that can be read, and a word about itself."""

    family = SimpleNamespace(title="Planted", name="planted")

    def scores(
        self, encoded: Heard, labels: Sequence[str], *, edits: Sequence[Edit] = (), tap: Tap | None = None
    ) -> np.ndarray:
        if tap is not None:
            _, gates = self._run(encoded, edits)
            tokens = encoded.scopes.shape[1]
            for layer, gate in enumerate(gates):
                tap(0, layer, torch.from_numpy(gate.astype(np.float32))[:, None].expand(-1, tokens, -1))
        return super().scores(encoded, labels, edits=edits)


def studied_clips() -> Clips:
    """Thirteen speakers who speak all emotions; the clips say themselves which set they belong to."""
    clips = planted_clips(speakers=13, takes=2, leaks=[0.25 + 0.02 * number for number in range(13)])
    frame = clips.to_frame()
    frame["audio"] = clips.column("audio")
    number = frame["speaker"].str[1:].astype(int)
    frame["split"] = np.select([number < 2, number < 7], ["validation", "identification"], "evaluation")
    return Clips.from_frame(frame, name="planted")


def study(folder: Path, *, clips: Clips | None = None, **options: Any) -> RecognitionStudy:
    tried: dict[str, Any] = {"selectors": SELECTORS, "tops": TOPS, "scopes": SCOPES, "alphas": ALPHAS, "draws": 2}
    given: dict[str, Any] = {"lm": StudiedListener(), "clips": clips or studied_clips(), "progress": False}
    done = whole_study("demo", folder, **(given | tried | options))
    assert isinstance(done, RecognitionStudy)
    return done
