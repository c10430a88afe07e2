"""What the neurons of heard emotions share with those of read ones, and what each set does in the other's place."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.overlap.pair import PairOverlap, Pooled
from esn_interp.analysis.result import Result

HEARD, READ, NAMED = "heard", "read", "named"
PLACES = ("both", "read only", "named only", "neither")
"""Where else a heard neuron was found: the last but one are those that may merely copy a word."""


@dataclass(frozen=True)
class Silenced:
    """What silencing neurons of one origin does to the log-odds of the right answer (nats), elsewhere or at home.

    ``own`` is the mean over the stimuli of the neurons' emotion, ``others`` over those of the other emotions,
    ``random`` over the former with as many gates drawn at random from each layer, ``contrast`` own minus others.
    """

    neurons: str
    doing: str
    own: Interval
    others: Interval
    random: Interval
    contrast: Interval


@dataclass(frozen=True, eq=False)
class Reading(Result):
    """Neurons of heard emotions beside those of the same emotions on paper.

    ``pairs`` compare the heard neurons (rows) with those selected while the model reads sentences that express an
    emotion without naming it (``read``), and with those selected while it reads neutral sentences that name one
    (``named``); see `PairOverlap`. ``difference`` is the mean Jaccard index of equal emotions minus that of different
    ones, ``drawn`` the same with the labels of the sentences permuted within their topics before neurons are selected,
    ``p_values`` how often chance does as much. ``right`` is the share of an emotion's sentences whose emotion was
    answered. ``places`` counts, for each emotion, the heard neurons that are also in both other sets of that emotion,
    in one of them, or in neither (`PLACES`). ``effects`` is what silencing does.
    """

    kind: ClassVar[str] = "reading"

    model: str
    fingerprint: str
    corpus: str
    emotions: tuple[str, ...]
    selector: str
    size: int
    sentences: int
    topics: int
    clips: int
    seed: int
    pairs: tuple[PairOverlap, ...]
    right: Float64[np.ndarray, "kind emotion"]
    difference: Float64[np.ndarray, " kind"]
    drawn: Float64[np.ndarray, "kind draw"]
    p_values: Float64[np.ndarray, " kind"]
    places: Int64[np.ndarray, "emotion place"]
    effects: tuple[Silenced, ...]
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What was read: sentences that express an emotion, and ones that name it."""
        return tuple(pair.b for pair in self.pairs)

    @property
    def same(self) -> tuple[Pooled, ...]:
        """What equal emotions share, of each kind, over what their layers alone would give."""
        return tuple(pair.same_emotion for pair in self.pairs)

    def effect(self, neurons: str, doing: str) -> Silenced | None:
        """What silencing these neurons does while the model is hearing or reading; None where it was not tried."""
        return next((one for one in self.effects if (one.neurons, one.doing) == (neurons, doing)), None)

    def to_frame(self) -> pd.DataFrame:
        """One row per kind of sentence and pair of emotions."""
        return pd.concat([pair.to_frame() for pair in self.pairs], ignore_index=True)

    def effects_frame(self) -> pd.DataFrame:
        """One row per origin of the neurons and what the model was doing."""
        rows = [
            {
                "neurons": one.neurons,
                "doing": one.doing,
                **{
                    f"{name}{end}": getattr(getattr(one, name), part)
                    for name in ("own", "others", "random", "contrast")
                    for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
                },
            }
            for one in self.effects
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in a few sentences."""
        told = [
            f"Neurons of heard emotions and those of the same emotion {_how(kind)} overlap {one.fold:.2g}"
            f" [{one.low:.2g}, {one.high:.2g}] times as much as their layers alone would give"
            f" (different emotions {pair.other_emotion.fold:.2g}; labels permuted: p {p:.2g})."
            for kind, pair, one, p in zip(self.kinds, self.pairs, self.same, self.p_values, strict=True)
        ]
        for neurons, doing in ((HEARD, "reading"), (READ, "hearing")):
            if (one := self.effect(neurons, doing)) is not None:
                told.append(
                    f"Silencing {neurons} neurons while it is {doing} changes the log-odds of their own emotion by"
                    f" {one.own:+.2f}, of others by {one.others:+.2f} (random gates {one.random:+.2f})."
                )
        return " ".join((*told, *self.notes))


def _how(kind: str) -> str:
    return "read in what expresses it" if kind == READ else "read by its name"
