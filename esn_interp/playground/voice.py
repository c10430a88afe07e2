"""Saying a recording again with another emotion, for the playground: before and after."""

from dataclasses import dataclass, field
from typing import Any

from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.conversion import convert
from esn_interp.models.loading import load_speaking
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.playground.bench import Heard
from esn_interp.speech.clips import Clips
from esn_interp.speech.playable import Speech
from esn_interp.tasks.conversion import conversions
from esn_interp.tasks.judges import emotion as emotion_judge
from esn_interp.tasks.judges import transcript as transcript_judge
from esn_interp.tasks.success import SuccessFilter, conversion_statistics, judge

TARGETS = ("happy", "angry", "sad", "fearful")
_SOURCES, _TOP = 12, 0.1


@dataclass(eq=False)
class Voice:
    """A model that speaks, with the neurons of its speaking part; both are made ready at the first wish."""

    model: str
    sources: Clips
    _made: list[tuple[AudioLM, NeuronSet]] = field(default_factory=list[tuple[AudioLM, NeuronSet]])

    def ready(self) -> tuple[AudioLM, NeuronSet]:
        """The model and its neurons, found on its own attempts.

        Raises
        ------
        ModelError
            When the model does not speak.
        """
        if not self._made:
            self._made.append(self._make())
        return self._made[0]

    def _make(self) -> tuple[AudioLM, NeuronSet]:
        lm: Any = load_speaking(self.model)
        emotion, transcript = emotion_judge("toy-spectrum"), transcript_judge("toy-ctc")
        targets = tuple(name for name in TARGETS if name in emotion.emotions)
        plain = self.sources.where(emotion="neutral").limit(_SOURCES)
        attempts = conversions(lm, plain, targets, gates=True, batch_size=8, progress=False)
        success = SuccessFilter(emotion_threshold=0.35, max_wer=0.25)
        verdicts = judge(attempts, emotion=emotion, transcript=transcript, success=success, progress=False)
        statistics = conversion_statistics(lm, attempts, verdicts)
        enough = min(statistics.kept.values()) > 0
        chosen = "correct" if enough else "none"
        return lm, select(statistics, "mad", top=_TOP, scope="generated", filter=chosen)

    def say(self, heard: Heard, target: str, alpha: float) -> tuple[Speech, Speech]:
        """The recording said with the target emotion, unsteered and steered; all that is random is drawn alike.

        Raises
        ------
        ModelError
            When the model does not speak, or was not heard with this emotion.
        """
        lm, neurons = self.ready()
        if target not in neurons.emotions:
            raise ModelError(f"no neurons of speaking go with {target!r}; choose {', '.join(neurons.emotions)}")
        source = heard.clip if heard.clip is not None else heard.waveform
        before = convert(lm, source, to=target)
        if not alpha:
            return before, before
        return before, convert(lm, source, to=target, neurons=neurons[target], alpha=alpha)
