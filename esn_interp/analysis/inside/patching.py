"""The patching map: where, in layers and in time, a clip carries what its twin answers otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Float64, Int

from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.analysis.inside.seen import OfOneClip, Prompt, asked, name_of
from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM, Encoded
from esn_interp.models.edits import Edit
from esn_interp.models.sites import checked_site
from esn_interp.models.sweeping import can_repeat, repeated
from esn_interp.speech.audio import waveform_of


@dataclass(frozen=True, eq=False)
class PatchingMap(OfOneClip):
    """How much of the way to its twin's answer a clip goes when one place of one layer is given the twin's values.

    ``recovered`` is 0 where nothing changes and 1 where the log-odds of ``target``, the twin's answer, become the
    twin's; it may leave that range. ``places`` are parts of the recording, of equal length, from ``starts`` to ``ends``
    in seconds, and then the text and the last token. Clips of different length are laid over each other part by part.
    """

    kind: ClassVar[str] = "patching_map"
    drawn_by: ClassVar[str] = "patching_figure.draw"

    twin: str
    site: str
    labels: tuple[str, ...]
    target: str
    clip_log_odds: float
    twin_log_odds: float
    places: tuple[str, ...]
    starts: Float64[np.ndarray, " place"]
    ends: Float64[np.ndarray, " place"]
    recovered: Float64[np.ndarray, "layer place"]

    @property
    def _still(self) -> str:
        return f" {self.unmoved} of {self.recovered.size} patches changed nothing, in no digit." if self.unmoved else ""

    @property
    def unmoved(self) -> int:
        """Places of layers at which patching changed nothing, in no digit of the log-odds."""
        return int((self.recovered == 0).sum())

    def to_frame(self) -> pd.DataFrame:
        """One row per layer and place."""
        layer, place = (index.ravel() for index in np.indices(self.recovered.shape))
        return pd.DataFrame(
            {
                "layer": layer,
                "place": [self.places[at] for at in place],
                "start": self.starts[place],
                "end": self.ends[place],
                "recovered": self.recovered.ravel(),
            }
        )

    def summary(self) -> str:
        """The result in one sentence."""
        heard = self.recovered[:, :-2]
        layer, place = np.unravel_index(int(heard.argmax()), heard.shape)
        last = self.recovered[:, -1]
        arrived = np.flatnonzero(last >= 0.5)
        end = (
            f"at the last token, half of it is there from layer {arrived[0]} on"
            if len(arrived)
            else f"at the last token, {100 * last.max():.0f} % at most"
        )
        return (
            f"Patched one place at a time ({self.site}), {self.prompt.clip} goes towards {self.twin} in the log-odds of"
            f" “{self.target}”: in the recording {100 * heard[layer, place]:.0f} % of the way at most (layer {layer},"
            f" {self.places[place]}); {end}."
            f"{self._still}"
        )


def patching_map(
    lm: AudioLM,
    audio: Any,
    twin: Any,
    labels: Sequence[str],
    *,
    site: str = "resid_post",
    target: str | None = None,
    parts: int = 10,
    question: str | None = None,
) -> PatchingMap:
    """Write a twin's values into a clip's run, one layer and one place at a time.

    Parameters
    ----------
    twin
        The same words in another emotion, if such a clip is at hand: what differs then is the emotion alone.
    labels
        The answers to choose from.
    site
        What is patched: ``resid_post``, ``gate``, ``attn_out`` or another of `esn_interp.models.sites`.
    target
        Whose log-odds; by default what the model answers to the twin.
    parts
        Into how many equal parts the recording is cut.

    Raises
    ------
    ModelError
        When both clips are answered alike to the digit, so that there is no way to go; in a mixture of experts, for
        gates; when the model's runs can't be repeated in a batch.
    """
    labels, question = asked(lm, labels, question)
    checked_site(site)
    own, other = (lm.encode([waveform_of(one)], question) for one in (audio, twin))
    if not can_repeat(own.decoder_inputs, 1):
        raise ModelError(f"{lm.name}: it can't be told how its inputs are repeated in a batch, so it can't be patched")
    given, donor = _recorded(lm, own, labels, site), _recorded(lm, other, labels, site)
    at = int(donor.scores.argmax()) if target is None else list(labels).index(target)
    start, end = (float(log_odds(one.scores[None], np.array([at]))[0]) for one in (given, donor))
    if abs(end - start) < 1e-6:
        raise ModelError(f"{lm.name} answers both clips alike, so nothing can be recovered; take another twin")
    seats = _seats(own.scopes[0], other.scopes[0], parts)
    batch = Encoded(
        repeated(own.decoder_inputs, len(seats)), np.repeat(own.scopes, len(seats), axis=0), own.inputs
    )
    recovered: list[np.ndarray] = []
    for layer in range(lm.n_layers):
        values = np.repeat(given.values[layer][None], len(seats), axis=0)
        for row, (mine, theirs) in enumerate(seats):
            values[row, mine] = donor.values[layer][theirs]
        edit = Edit(
            layer,
            np.arange(values.shape[-1]),
            gain=0.0,
            shift=values,
            site=site,
            positions=frozenset({"audio", "text", "last"}),
        )
        scores = lm.scores(batch, labels, edits=[edit], plan="traced")
        recovered.append((log_odds(scores, np.full(len(seats), at)) - start) / (end - start))
    cache = lm.cache(audio, question, names="final_norm", progress=False)
    edges = np.linspace(0.0, cache.duration, len(seats) - 1)
    names = [f"{first:.1f}-{last:.1f} s" for first, last in pairwise(edges)]
    unknown = np.full(2, np.nan)
    return PatchingMap(
        prompt=Prompt.of(cache, audio),
        twin=name_of(twin),
        site=site,
        labels=tuple(labels),
        target=labels[at],
        clip_log_odds=start,
        twin_log_odds=end,
        places=(*names, "text", "last token"),
        starts=np.concatenate([edges[:-1], unknown]),
        ends=np.concatenate([edges[1:], unknown]),
        recovered=np.array(recovered, dtype=np.float64),
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """One clip's values at a site, layer by layer, and the scores of its labels."""

    values: list[Float32[np.ndarray, "token _value"]]
    scores: Float32[np.ndarray, " label"]


def _recorded(lm: AudioLM, encoded: Encoded, labels: Sequence[str], site: str) -> _Run:
    values: list[Float32[np.ndarray, "token _value"]] = []

    def tap(step: int, layer: int, value: torch.Tensor, experts: torch.Tensor | None = None) -> None:
        if experts is not None:
            raise ModelError("gates of experts can't be patched: another run routes its tokens differently")
        values.append(value[0].float().cpu().numpy().copy())

    return _Run(values, lm.scores(encoded, labels, tap=tap, site=site)[0])


def _seats(
    own: Int[np.ndarray, " place"], other: Int[np.ndarray, " seat"], parts: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For every place the tokens that are patched, and the tokens of the twin whose values they are given."""
    mine, theirs = np.flatnonzero(own == 0), np.flatnonzero(other == 0)
    parts = min(parts, len(mine), len(theirs))
    seats: list[tuple[np.ndarray, np.ndarray]] = []
    for ours, its in zip(np.array_split(mine, parts), np.array_split(theirs, parts), strict=True):
        chosen = np.round(np.linspace(0, len(its) - 1, len(ours))).astype(np.int64)
        seats.append((ours, its[chosen]))
    for code in (1, 2):
        ours, its = np.flatnonzero(own == code), np.flatnonzero(other == code)
        if len(ours) != len(its):
            raise ModelError("the two prompts have different words, so their texts can't be laid over each other")
        seats.append((ours, its))
    return seats
