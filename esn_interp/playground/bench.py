"""What the playground does, without a page: hear a recording, turn neurons, say how the answer changes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from esn_interp.drawing.brief import brief
from esn_interp.errors import AudioError, EsnError
from esn_interp.interventions.edits import steer
from esn_interp.models.audio_lm import AudioLM, Encoded
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.audio import read_audio
from esn_interp.speech.clips import Clip, Clips
from esn_interp.tasks.recognition import Recognition

LONGEST, LARGEST = 30.0, 10
"""Seconds of a recording, and megabytes of its file, that are taken at most."""
RANDOM = "random"
"""The control: as many neurons of the same layers as ``mad`` finds, but others."""
SELECTORS = ("mad", "cas", "lap", "lape", RANDOM)
TOPS = (0.002, 0.005, 0.01, 0.02, 0.05)
ALPHAS = (-1.0, 16.0)
"""From silence to seventeen times as much."""
_REMEMBERED = 32
"""Recordings whose encoding is kept in memory; nothing is ever written."""


@dataclass(frozen=True)
class Settings:
    """Where the sliders are: whose neurons, found how and how many, and by how much they are turned."""

    emotion: str
    selector: str = "mad"
    top: float = 0.02
    alpha: float = 0.0


@dataclass(frozen=True, eq=False)
class Heard:
    """A recording that the model has heard once: its encoded audio, and the unedited answer."""

    name: str
    waveform: Float[np.ndarray, " sample"]
    encoded: Encoded
    plain: Float[np.ndarray, " emotion"]
    clip: Clip | None = None

    __repr__ = brief


@dataclass(frozen=True, eq=False)
class Answer:
    """Probabilities of the emotions without and with the edit."""

    emotions: tuple[str, ...]
    before: Float[np.ndarray, " emotion"]
    after: Float[np.ndarray, " emotion"]
    neurons: int

    __repr__ = brief

    @property
    def words(self) -> tuple[str, str]:
        """The likeliest emotion before and after."""
        return self.emotions[int(self.before.argmax())], self.emotions[int(self.after.argmax())]

    @property
    def turned(self) -> bool:
        """Whether the edit changes the answer."""
        return self.words[0] != self.words[1]

    def summary(self) -> str:
        """What happened, in a sentence that a screen reader can say."""
        before, after = self.words
        share = 100 * float(self.after[self.emotions.index(after)])
        if self.turned:
            return f"The answer turns from {before} to {after} ({share:.0f} %)."
        return f"The answer is {after} ({share:.0f} %)" + (", as without the edit." if self.neurons else ".")


@dataclass(eq=False)
class Bench:
    """A model with the statistics of a corpus, and the clips that can be picked.

    ``lesson`` are voices that no claim is made about (validation), ``clips`` those that can be picked, ``found_on``
    those of the statistics.
    """

    lm: AudioLM
    statistics: GateStatistics
    clips: Clips
    lesson: Clips
    found_on: Clips
    opened: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.recognition = Recognition(self.statistics.emotions)
        self._sets: dict[tuple[str, float], NeuronSet] = {}
        self._known: OrderedDict[str, Heard] = OrderedDict()

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that the model chooses from."""
        return self.statistics.emotions

    # ---------------------------------------------------------------- hearing

    def hear_clip(self, clip: Clip) -> Heard:
        """A clip of the corpus; heard once, and remembered while others are few."""
        return self._remembered(clip.id, lambda: self._hear(clip.id, clip.waveform(), clip))

    def hear_file(self, path: str) -> Heard:
        """A recording of the user's; it is not kept.

        Raises
        ------
        AudioError
            When it can't be read, or is longer than ``LONGEST`` seconds.
        """
        waveform = read_audio(path, name="your recording", longest=LONGEST)
        return self._hear("your recording", waveform, None)

    def _hear(self, name: str, waveform: Float[np.ndarray, " sample"], clip: Clip | None) -> Heard:
        if not len(waveform):
            raise AudioError(f"{name}: there is no sound")
        encoded = self.lm.encode([waveform], self.recognition.prompt)
        scores = self.lm.scores(encoded, self.recognition.labels)
        return Heard(name, waveform, encoded, np.exp(scores[0]), clip)

    def _remembered(self, name: str, hear: Callable[[], Heard]) -> Heard:
        if name not in self._known:
            self._known[name] = hear()
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        return self._known[name]

    # ---------------------------------------------------------------- turning

    def neurons(self, selector: str, top: float) -> NeuronSet:
        """The neurons of every emotion, found once for each choice (EsnError for a selector that is none)."""
        if selector not in SELECTORS:
            raise EsnError(f"unknown selector {selector!r}; choose {', '.join(SELECTORS)}")
        if (selector, top) not in self._sets:
            found = (
                self.neurons("mad", top).random_like(0)
                if selector == RANDOM
                else select(self.statistics, selector, top=top)
            )
            self._sets[selector, top] = found
        return self._sets[selector, top]

    def chosen(self, settings: Settings) -> NeuronSet:
        """The neurons that the sliders name."""
        return self.neurons(settings.selector, settings.top)[settings.emotion]

    def answer(self, heard: Heard, settings: Settings) -> Answer:
        """The answer under the edit: one forward pass of the decoder, since the audio is encoded already."""
        neurons = self.chosen(settings)
        if not settings.alpha or not len(neurons):
            return Answer(self.emotions, heard.plain, heard.plain, 0)
        edits = steer(neurons, settings.alpha)
        scores = self.lm.scores(heard.encoded, self.recognition.labels, edits=edits)
        return Answer(self.emotions, heard.plain, np.exp(scores[0]), len(neurons))

    def strongest(self, settings: Settings, most: int = 8) -> list[tuple[int, int, float]]:
        """Layer, neuron and score of the strongest neurons that the sliders name."""
        frame = self.chosen(settings).to_frame().nlargest(most, "score")
        rows = zip(frame["layer"], frame["neuron"], frame["score"], strict=True)
        return [(int(layer), int(neuron), float(score)) for layer, neuron, score in rows]

    # ---------------------------------------------------------------- showing

    def code(self, heard: Heard, settings: Settings) -> str:
        """The Python that makes this view."""
        where = dict(self.opened)
        model, corpus = where.get("model", self.lm.name), where.get("corpus", self.statistics.corpus)
        find = "mad" if settings.selector == RANDOM else settings.selector
        lines = [
            "import esn_interp as esn",
            "",
            f"lm = esn.load({model!r})",
            f"validation, identification, evaluation = esn.corpus({corpus!r}).split(unheard_by=lm)",
            "stats = esn.collect(lm, identification)",
            f"esns = esn.select(stats, {find!r}, top={settings.top:g})",
        ]
        if settings.selector == RANDOM:
            lines.append("esns = esns.random_like(0)  # the control: others of the same layers")
        lines += ["esns.plot().show()", "", f"clip = {self._source(heard)}"]
        ask = "lm.answer(clip, question, options=esns.emotions)"
        lines += [f"question = {self.recognition.prompt!r}", f"print({ask})"]
        if settings.alpha:
            lines += [
                f"with lm.steered(esns[{settings.emotion!r}], alpha={settings.alpha:g}):",
                f"    print({ask})",
            ]
        return "\n".join(lines) + "\n"

    def _source(self, heard: Heard) -> str:
        """How a script gets the recording."""
        if heard.clip is None:
            return '"your_recording.wav"'
        for name, clips in (("evaluation", self.clips), ("validation", self.lesson)):
            if heard.name in (ids := clips.column("id")):
                return f"{name}[{ids.index(heard.name)}]"
        raise EsnError(f"{heard.name} is none of the clips")

    def turning_clip(self, emotion: str, alphas: Sequence[float] = (1, 2, 4, 8, 16)) -> tuple[Clip, float] | None:
        """A clip that the model hears rightly, turned by the neurons of another emotion but not by random ones.

        Searched among the voices of the lesson, at the least gain of these; None where there is none.
        """
        for alpha in alphas:
            for clip in self.lesson.limit(min(40, len(self.lesson))):
                if clip.emotion in (emotion, *set(self.emotions) - set(self.lesson.emotions)):
                    continue
                heard = self.hear_clip(clip)
                wish = Settings(emotion, alpha=float(alpha))
                own, other = (self.answer(heard, replace(wish, selector=name)) for name in ("mad", RANDOM))
                if own.words == (clip.emotion, emotion) and not other.turned:
                    return clip, float(alpha)
        return None

    def map(self, selector: str, top: float) -> Any:
        """The neuron map of a choice, whose title is that of the page."""
        return self.neurons(selector, top).plot(title=False)

    def neuron_page(self, layer: int, neuron: int) -> str:
        """The page of one neuron (EsnError where there is no such neuron)."""
        from esn_interp.analysis.neuron.measure import neuron as measured

        return measured(self.lm, self.statistics, layer, neuron, clips=self.found_on).html()
