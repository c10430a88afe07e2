"""All that is known of one neuron."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from esn_interp.analysis.inside.voice import AcousticCorrelates
from esn_interp.analysis.inside.writing import Writes
from esn_interp.analysis.result import Result
from esn_interp.drawing.brief import brief
from esn_interp.drawing.numbers import signed
from esn_interp.report.page import write_page


@dataclass(frozen=True)
class Example:
    """A clip on which the neuron is strong or weak: its gate at every audio token, and the recording itself.

    ``sound`` is a WAV file in base64, empty where recordings were not at hand; ``seconds`` says where tokens begin.
    """

    clip: str
    speaker: str
    emotion: str
    transcript: str
    value: float
    duration: float
    seconds: Float64[np.ndarray, " token"]
    gate: Float64[np.ndarray, " token"]
    envelope: Float64[np.ndarray, " point"]
    sound: str

    __repr__ = brief


@dataclass(frozen=True)
class Effect:
    """What editing the neuron alone does, beside what the same edit does to others of its layer.

    ``change`` is the mean change of the log-odds of each emotion over the clips, by gain: the first gain is 0, the
    ablation. ``low`` and ``high`` are 95 % bounds over speakers. ``controls`` are as active neurons of the layer, drawn
    at random: their changes are by control. ``flipped`` is the share of clips whose answer changes.
    """

    gains: Float64[np.ndarray, " gain"]
    change: Float64[np.ndarray, "gain emotion"]
    low: Float64[np.ndarray, "gain emotion"]
    high: Float64[np.ndarray, "gain emotion"]
    flipped: Float64[np.ndarray, " gain"]
    control_neurons: Int64[np.ndarray, " control"]
    controls: Float64[np.ndarray, "control gain emotion"]
    clips: int

    __repr__ = brief


@dataclass(frozen=True)
class Neighbour:
    """A neuron whose means over clips go with this one's: ``correlation`` is Pearson's over the clips."""

    layer: int
    neuron: int
    correlation: float


@dataclass(frozen=True)
class Membership:
    """Whether a set holds the neuron for an emotion, and its rank among all gates there, from 1; 0 where unknown."""

    set: str
    emotion: str
    member: bool
    rank: int
    of: int


@dataclass(frozen=True, eq=False)
class NeuronPage(Result):
    """One neuron: how it goes with emotions, the clips that drive it, what it writes, and what it does.

    ``values`` are the means of its gate over the recording, clip by clip, ``rates`` the shares of audio tokens at which
    it fires; ``by_emotion`` their means over clips with 95 % bounds over speakers. ``effect``, ``voice`` and the sounds
    of the examples are there where clips were given.
    """

    kind: ClassVar[str] = "neuron"

    model: str
    fingerprint: str
    corpus: str
    layer: int
    neuron: int
    emotions: tuple[str, ...]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    emotion: Int64[np.ndarray, " clip"]
    kept: Bool[np.ndarray, " clip"]
    values: Float64[np.ndarray, " clip"]
    rates: Float64[np.ndarray, " clip"]
    by_emotion: Float64[np.ndarray, " emotion"]
    low: Float64[np.ndarray, " emotion"]
    high: Float64[np.ndarray, " emotion"]
    top: tuple[Example, ...]
    bottom: tuple[Example, ...]
    writes: Writes | None
    effect: Effect | None
    voice: AcousticCorrelates | None
    neighbours: tuple[Neighbour, ...]
    memberships: tuple[Membership, ...]
    notes: tuple[str, ...]

    @property
    def preferred(self) -> str:
        """The emotion on which its mean is highest."""
        return self.emotions[int(np.nanargmax(self.by_emotion))]

    @property
    def title(self) -> str:
        """What it is called."""
        return f"layer {self.layer}, neuron {self.neuron}"

    def to_frame(self) -> pd.DataFrame:
        """One row per clip: emotion, speaker, mean gate, firing rate."""
        return pd.DataFrame(
            {
                "clip": self.clips,
                "speaker": self.speakers,
                "emotion": [self.emotions[row] for row in self.emotion],
                "labelled_correctly": self.kept,
                "mean": self.values,
                "rate": self.rates,
            }
        )

    def summary(self) -> str:
        """The result in a sentence or two."""
        best, others = self.emotions.index(self.preferred), np.arange(len(self.emotions))
        rest = float(np.nanmean(self.by_emotion[others != best])) if len(others) > 1 else float("nan")
        said = (
            f"On {self.corpus}, {self.title} of {self.model} is highest on {self.preferred} clips"
            f" ({self.by_emotion[best]:.3g}; {rest:.3g} on the others)"
        )
        if self.effect is None:
            return f"{said}."
        own = signed(float(self.effect.change[0, best]), 2)
        controls = self.effect.controls[:, 0, best]
        bounds = [signed(float(np.quantile(controls, at)), 2) for at in (0, 1)] if len(controls) else []
        beside = f" ({' to '.join(bounds)} for others like it)" if bounds else ""
        return (
            f"{said}. Silenced by itself, it changes the log-odds of {self.preferred} by {own}{beside} and the answer"
            f" on {100 * self.effect.flipped[0]:.0f} % of {self.effect.clips} clips."
        )

    def html(self) -> str:
        """A self-contained page about it."""
        from esn_interp.analysis.neuron.page import neuron_page

        return neuron_page(self)

    def write(self, path: str | Path) -> Path:
        """Write the page; a folder that is missing is made."""
        return write_page(path, self.html())


@dataclass(frozen=True, eq=False)
class NeuronPages(Result):
    """Several neurons, each with all that is known of it: the strongest of each emotion, most often."""

    kind: ClassVar[str] = "neuron_pages"

    pages: tuple[NeuronPage, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron: where it is, the emotion on which it is highest, and its mean there."""
        rows = [(one.layer, one.neuron, one.preferred, float(np.nanmax(one.by_emotion))) for one in self.pages]
        return pd.DataFrame(rows, columns=["layer", "neuron", "highest on", "mean"])

    def summary(self) -> str:
        """The result in one sentence."""
        told = ", ".join(f"{one.title} ({one.preferred})" for one in self.pages)
        return f"Pages of {len(self.pages)} neurons: {told}." if told else "There is no page of a neuron."

    def links(self, place: str) -> dict[str, str]:
        """Address of each page below a folder, by layer and neuron: ``{"5/31": "neurons/5-31.html"}``."""
        return {f"{one.layer}/{one.neuron}": f"{place}/{one.layer}-{one.neuron}.html" for one in self.pages}

    def write(self, folder: str | Path, place: str = "neurons") -> dict[str, str]:
        """Write every page into a folder below another, and say where they are; see `links`."""
        links = self.links(place)
        for one in self.pages:
            one.write(Path(folder) / links[f"{one.layer}/{one.neuron}"])
        return links
