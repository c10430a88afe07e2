"""What is known once gates were exchanged between recordings and between prompts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int32, Int64

from esn_interp.analysis.grounding.interchange import PATCHED
from esn_interp.analysis.inference.estimates import BySet
from esn_interp.analysis.result import OfSets

AUDIO, TEXT = 0, 1
GROUPS = ("others", "own")
OTHERS, OWN = 0, 1
ALL = list(PATCHED).index("all")


@dataclass(frozen=True, eq=False)
class Grounding(OfSets):
    """What the gates of each emotion's neurons do when they come from another recording, or another prompt.

    A clip is asked the usual question, and the gates of a set are replaced by what they were (``kinds``) for
    another recording of the same speaker, where possible with the same words ("audio"), or for the same recording
    under another prompt (by its name), at the tokens of one scope or at all (``scopes``). Into clips of other
    emotions come the gates of a recording of the set's own emotion, and into clips of its own emotion those of
    another: the two ``groups`` tell whether the gates suffice, and whether they are needed.

    ``effect`` is the mean change of the log-odds of the set's emotion in nats, ``moved`` the mean of its absolute
    value and ``flipped`` the share of answers that change. ``random_effect`` is ``effect`` at all tokens for
    layer-matched random neurons. ``share`` is the audio share, ``A / (A + T)``: A is ``moved`` by the audio and T
    by a prompt (mean over the prompts), both at all tokens and averaged over the two groups.

    ``neuron_share`` is the audio share of each neuron's own gate: there, A and T are the mean absolute changes
    of its mean over a scope's tokens (``gate_moves``, under another recording and another prompt), summed over
    the scopes. ``ablation`` is the change of recall of an emotion when its own neurons are silenced in one scope
    of tokens only, and ``random_ablation`` that under random neurons. Bounds are 95 % over speakers.
    """

    kind: ClassVar[str] = "grounding"

    prompt: str
    prompts: dict[str, str]
    draws: int
    neurons: tuple[int, ...]
    kinds: tuple[str, ...]
    groups: tuple[str, ...]
    scopes: tuple[str, ...]
    effect: BySet
    moved: BySet
    flipped: BySet
    random_effect: BySet
    share: BySet
    random_share: BySet
    ablation: BySet
    random_ablation: BySet
    emotion: Int32[np.ndarray, " member"]
    layer: Int32[np.ndarray, " member"]
    neuron: Int32[np.ndarray, " member"]
    gate_moves: Float64[np.ndarray, "source place member"]
    neuron_share: Float64[np.ndarray, " member"]
    neuron_low: Float64[np.ndarray, " member"]
    neuron_high: Float64[np.ndarray, " member"]
    same_words: float
    averaged: float
    truth: Int64[np.ndarray, " clip"]
    change: Float32[np.ndarray, "kind scope set clip"]

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity, kind of donor, clips of others or of the own emotion, scope, set (or ``mean``)."""
        tables = [
            ("effect", self.effect, self.kinds, self.groups, self.scopes),
            ("moved", self.moved, self.kinds, self.groups, self.scopes),
            ("flipped", self.flipped, self.kinds, self.groups, self.scopes),
            ("random_effect", self.random_effect, self.kinds, self.groups, ("all",)),
            ("share", self.share, ("",), ("both",), ("all",)),
            ("random_share", self.random_share, ("",), ("both",), ("all",)),
            ("ablation", self.ablation, ("",), ("own",), self.scopes),
            ("random_ablation", self.random_ablation, ("",), ("own",), self.scopes),
        ]
        frames: list[pd.DataFrame] = []
        for name, table, *labels in tables:
            names = ["kind", "clips", "scope", "set"]
            index = pd.MultiIndex.from_product([*labels, (*self.sets, "mean")], names=names)
            columns = {
                column: np.concatenate([each, mean[..., None]], axis=-1).ravel()
                for column, each, mean in (
                    ("value", table.value, table.mean),
                    ("low", table.low, table.mean_low),
                    ("high", table.high, table.mean_high),
                )
            }
            frame = pd.DataFrame(columns, index=index).reset_index()
            frame.insert(0, "quantity", name)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def neurons_frame(self) -> pd.DataFrame:
        """One row per neuron: its audio share with bounds, and how far its gate moves, by scope."""
        moves = {
            f"{kind} moves {scope}": self.gate_moves[k, p]
            for k, kind in enumerate(("audio", "prompt"))
            for p, scope in enumerate(self.scopes[:ALL])
        }
        return pd.DataFrame(
            {
                "emotion": [self.sets[at] for at in self.emotion],
                "layer": self.layer,
                "neuron": self.neuron,
                "share": self.neuron_share,
                "low": self.neuron_low,
                "high": self.neuron_high,
                **moves,
            }
        )

    def summary(self) -> str:
        """The result in one sentence."""
        into, out = (self.effect.at(AUDIO, group, ALL) for group in (OTHERS, OWN))
        return (
            f"With gates from a recording of another emotion, the log-odds of an emotion change by {out:+.2f} nats on"
            f" its own clips; with gates from a recording of it, by {into:+.2f} on the others; audio share"
            f" {self.share.at():.2f}"
            + (
                f" (random neurons on its own clips: {self.random_effect.at(AUDIO, OWN).value:+.2f} nats)"
                if self.draws
                else ""
            )
            + f"; {len(self.clips)} clips of {self.n_speakers} speakers{self.reservation}."
        )
