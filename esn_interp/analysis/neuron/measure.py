"""Gathering what is known of one neuron: from statistics of single clips, from weights, and from a few further runs."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.analysis.inside.voice import acoustics
from esn_interp.analysis.inside.writing import Writes, writes
from esn_interp.analysis.neuron.effect import effect_of
from esn_interp.analysis.neuron.result import Example, Membership, Neighbour, NeuronPage
from esn_interp.analysis.result import standing_notes
from esn_interp.drawing.over_time import outline
from esn_interp.errors import ModelError, StatisticsError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.report.sounds import wav_of
from esn_interp.speech.clips import Clip, Clips
from esn_interp.speech.corpora import corpus as bundled_corpus

SCOPE = "audio"
_BUNDLED = ("toy-studio", "toy-phone")
_MOST = 40
"""Clips on which the neuron is edited and its voice is followed; balanced over emotions."""


def neuron(
    lm: AudioLM,
    stats: GateStatistics,
    layer: int,
    neuron: int,
    *,
    clips: Clips | None = None,
    sets: Mapping[str, NeuronSet] | None = None,
    examples: int = 3,
    controls: int = 5,
    gains: Sequence[float] = (2.0, 5.0, 17.0),
    limit: int = _MOST,
    seed: int = 0,
) -> NeuronPage:
    """All that is known of one neuron, for a page about it.

    Parameters
    ----------
    stats
        Statistics of this model that keep single clips (``collect(per_clip=True)``), at the default site.
    clips
        The clips of the statistics, for examples to hear, and for what takes further runs: its own ablation and doses,
        and what of the voice it goes with. By default those of a bundled corpus; without them these parts are left out.
    sets
        Neuron sets by name, such as those of other corpora, in which it is looked for beside the selectors' own.
    examples
        How many clips on which it is strongest, and how many on which it is weakest.
    controls
        As active neurons of the same layer that are edited alike.
    gains
        What the gate is multiplied by, beside 0, the ablation.
    limit
        Clips on which it is edited, balanced over the emotions, drawn with ``seed``.

    Raises
    ------
    StatisticsError
        When the statistics are another model's, keep no single clips, are of another site, or have no such neuron.
    """
    stats.check(lm)
    kept = _single(stats)
    if not (0 <= layer < len(stats.widths) and 0 <= neuron < stats.widths[layer]):
        raise StatisticsError(f"{stats.model} has no neuron {neuron} at layer {layer}")
    flat = int(stats.origin.offsets[layer]) + neuron
    means = kept.mean(SCOPE)
    values, rates = means[:, flat], kept.rate(SCOPE)[:, flat]
    speakers = tuple(speaker or "unknown" for speaker in kept.speakers)
    of = kept.emotion[None, :] == np.arange(len(stats.emotions))[:, None]
    by_emotion = SpeakerMeans.over_clips(np.broadcast_to(values, of.shape), of, speakers)
    low, high = by_emotion.bounds()
    clips = _at_hand(stats, kept, clips)
    found = {clip.id: clip for clip in clips} if clips is not None else {}
    order = np.argsort(-values, kind="stable")
    chosen = [order[:examples], order[::-1][:examples]]
    top, bottom = (
        tuple(_example(lm, stats, layer, neuron, kept, float(values[row]), int(row), found) for row in rows)
        for rows in chosen
    )
    heard = None if clips is None else clips.limit(limit, seed=seed)
    written, why = _writes(lm, layer, neuron, stats.emotions)
    return NeuronPage(
        model=stats.model,
        fingerprint=stats.origin.fingerprint,
        corpus=stats.corpus,
        layer=layer,
        neuron=neuron,
        emotions=stats.emotions,
        clips=kept.ids,
        speakers=speakers,
        emotion=kept.emotion.astype(np.int64),
        kept=kept.kept,
        values=values,
        rates=rates,
        by_emotion=np.asarray(by_emotion.value, dtype=np.float64),
        low=np.asarray(low, dtype=np.float64),
        high=np.asarray(high, dtype=np.float64),
        top=top,
        bottom=bottom,
        writes=written,
        effect=None
        if heard is None
        else effect_of(lm, stats, heard, layer, neuron, gains=gains, controls=controls, seed=seed),
        voice=None if heard is None else acoustics(lm, heard, layer, neuron),
        neighbours=neighbours_of(means, flat, stats),
        memberships=memberships_of(stats, flat, sets or {}),
        notes=standing_notes(
            len(set(speakers)),
            (),
            why,
            None if clips is not None else "the recordings were not at hand: no players, no edits, no voice",
        ),
    )


def _single(stats: GateStatistics) -> PerClip:
    if stats.per_clip is None:
        raise StatisticsError("the statistics keep no single clips; collect(..., per_clip=True), or --per-clip")
    if stats.site != "gate":
        raise StatisticsError(f"pages are of the site gate; these statistics are of {stats.site}")
    return stats.per_clip


def _at_hand(stats: GateStatistics, kept: PerClip, clips: Clips | None) -> Clips | None:
    """The clips of the statistics, where they can be had."""
    if clips is None and stats.corpus not in _BUNDLED:
        return None
    whole = bundled_corpus(stats.corpus) if clips is None else clips
    ids = set(kept.ids)
    rows = [row for row, name in enumerate(whole.column("id")) if name in ids]
    if not rows:
        raise StatisticsError(f"none of these clips is among those of the statistics of {stats.corpus}")
    return whole.take(rows)


def _example(
    lm: AudioLM,
    stats: GateStatistics,
    layer: int,
    neuron: int,
    kept: PerClip,
    value: float,
    row: int,
    found: Mapping[str, Clip],
) -> Example:
    """One clip, with its gate over time where the recording is at hand."""
    nothing = np.zeros(0)
    about: dict[str, Any] = {
        "clip": kept.ids[row],
        "speaker": kept.speakers[row],
        "emotion": stats.emotions[int(kept.emotion[row])],
        "value": value,
    }
    if (clip := found.get(kept.ids[row])) is None:
        empty: dict[str, Any] = {"transcript": "", "duration": 0.0, "sound": ""}
        return Example(**about, **empty, seconds=nothing, gate=nothing, envelope=nothing)
    waveform, name = clip.waveform(), f"blocks.{layer}.gate"
    cache = lm.cache(clip, stats.prompt, names=name, progress=False)
    heard = cache.where("audio")
    return Example(
        **about,
        transcript=clip.transcript or "",
        duration=float(cache.duration),
        seconds=cache.seconds[heard].astype(np.float64),
        gate=cache[name][heard, neuron].astype(np.float64),
        envelope=outline(waveform).astype(np.float64),
        sound=base64.b64encode(wav_of(waveform)).decode("ascii"),
    )


def _writes(lm: AudioLM, layer: int, neuron: int, labels: Sequence[str]) -> tuple[Writes | None, str | None]:
    """What it writes; why that is not known, where it is not."""
    try:
        return writes(lm, layer, neuron, labels), None
    except ModelError:
        pass
    try:
        return writes(lm, layer, neuron), None
    except ModelError as error:
        return None, f"what it writes is not known: {error}"


def neighbours_of(
    means: Float[np.ndarray, "clip gate"], flat: int, stats: GateStatistics, most: int = 8
) -> tuple[Neighbour, ...]:
    """The gates whose means over clips go most with one gate's, up or down (Pearson)."""
    centred = means - means.mean(axis=0)
    sizes = np.sqrt((centred**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Float64[np.ndarray, " gate"] = centred.T @ centred[:, flat] / (sizes * sizes[flat])
    r[flat] = np.nan
    order = [at for at in np.argsort(-np.abs(np.nan_to_num(r)), kind="stable").tolist() if np.isfinite(r[at])][:most]
    layer, number = stats.origin.locate(np.array(order, dtype=np.int64))
    pairs = zip(layer.tolist(), number.tolist(), order, strict=True)
    return tuple(Neighbour(at, one, float(r[index])) for at, one, index in pairs)


def memberships_of(
    stats: GateStatistics, flat: int, sets: Mapping[str, NeuronSet], top: float = 0.01
) -> tuple[Membership, ...]:
    """Its rank by every selector for every emotion, the first 1 % counting as members; and the sets that hold it.

    Raises
    ------
    StatisticsError
        When a set is another model's.
    """
    rows: list[Membership] = []
    for name, selector in SELECTORS.items():
        if selector.control:
            continue
        try:
            rates = stats.rates(filter="none", pooling=selector.pooling)
            scores = selector.score(rates, **selector.options)
        except StatisticsError:  # one that wants more than these statistics hold
            continue
        for row, emotion in enumerate(stats.emotions):
            score = np.where(scores.eligible[row], scores.score[row], -np.inf)
            rank = int((score > score[flat]).sum()) + 1 if np.isfinite(score[flat]) else 0
            rows.append(Membership(name, emotion, 0 < rank <= round(top * stats.n_gates), rank, stats.n_gates))
    for name, one in sets.items():
        stats.check(one.origin)
        rows += [
            Membership(name, emotion, bool(flat in one.indices(emotion)), 0, stats.n_gates) for emotion in one.emotions
        ]
    return tuple(rows)
