"""Steering and silencing by neurons, by directions, by a probe, by words and at random: effect against side cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from einops import repeat
from jaxtyping import Float64, Int64

from esn_interp.analysis.baselines.directions import projected_out, pushed, streams
from esn_interp.analysis.baselines.others import adapted, asked_in_words
from esn_interp.analysis.baselines.result import Baselines, Points
from esn_interp.analysis.guards import check_apart_from
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import CHANGE, RATE, SpeakerMeans, nan_mean
from esn_interp.analysis.result import Origins, standing_notes
from esn_interp.analysis.trials import options
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.models.edits import Edit
from esn_interp.neurons.layout import ANSWERING
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.recognition import BASELINE, Predictions, recognise
from esn_interp.tasks.side_tasks import off_target

WORDS = "The speaker sounds {emotion}. "
"""What is said before every question where the emotion is asked for in words. (Our choice.)"""

SIDE = ("transcription", "sex")
STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)
EQUAL = 0.05
"""The side cost at which methods are compared: five points of accuracy. (Our choice.)"""


def baselines(
    lm: Any,
    clips: Clips,
    esns: NeuronSet,
    *,
    identification: Clips,
    validation: Clips,
    alphas: Sequence[float] = STRENGTHS,
    strengths: Sequence[float] = STRENGTHS,
    scope: str = ANSWERING,
    filter: str = "correct",
    equal_cost: float = EQUAL,
    side_clips: int = 20,
    max_new_tokens: int = 96,
    words: str = WORDS,
    adapter_rank: int = 0,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Baselines:
    """Push the model towards each emotion, and take each away, in several ways; and see what else that costs.

    All methods act at every position, by the same traced runs, on the same clips.

    Parameters
    ----------
    clips, identification, validation
        What effects are measured on; what directions are found on (correct clips, as neurons are); what their layer is
        chosen on.
    alphas, strengths
        Gains of neurons; lengths of directions, in units of the distance between the emotion's mean and the others'.
    scope, filter
        Tokens over which the stream is averaged where directions are found, and clips: ``correct`` ones, or all by
        ``none``.
    equal_cost
        Loss of accuracy in side tasks at which methods are compared.
    side_clips
        Clips that are asked for side tasks, evenly over the emotions; text is generated, which is slow.
    max_new_tokens
        Of a transcript, where a model that is pushed far would go on for ever.
    words
        What asks for an emotion; ``{emotion}`` stands in it.
    adapter_rank
        The rank of a low-rank adapter that is fitted, emotion by emotion, to answer so about every identification
        clip; its strengths are shares of what it adds to the weights. It needs peft; 0 for none.
    allow_identification_clips
        Evaluate on clips that found the neurons or directions, too, which is refused otherwise; the result says so.

    Raises
    ------
    StatisticsError
        When the neurons come from another model, or an emotion has no correct identification clip.
    CorpusError
        When clips are among those that something was found on, or no clip can be used.
    """
    origins = Origins.of(lm, clips, esns, allow_identification_clips=allow_identification_clips)
    shared = check_apart_from(clips, identification, lm, allow_identification_clips=allow_identification_clips)
    recognition, emotions = options(clips, esns), tuple(esns.emotions)
    run: dict[str, Any] = {"batch_size": batch_size, "strict": strict, "progress": progress}
    read = streams(lm, identification, recognition, scope=scope, correct=filter == "correct", **run)
    found = {"mean": read.of_means(), "probe": read.of_probes()}
    layers = {name: _layer(lm, validation, recognition, one, emotions, run) for name, one in found.items()}
    rows = {emotion: recognition.emotions.index(emotion) for emotion in emotions}
    random, drawn = _random(esns, found["mean"], seed)

    def along(table: Float64[np.ndarray, "layer emotion hidden"], layer: int) -> Callable[[str, float], Sequence[Edit]]:
        return lambda emotion, strength: pushed(table[layer, rows[emotion]], layer, strength)

    steering: dict[str, tuple[Callable[[str, float], Sequence[Edit]], Sequence[float]]] = {
        "neurons": (lambda emotion, alpha: _steered(esns, emotion, alpha), alphas),
        "direction": (along(found["mean"], layers["mean"]), strengths),
        "probe": (along(found["probe"], layers["probe"]), strengths),
        "random neurons": (lambda emotion, alpha: _steered(random, emotion, alpha), alphas),
        "random direction": (along(drawn, layers["mean"]), strengths),
    }
    silencing: dict[str, Callable[[str], Sequence[Edit]]] = {
        "neurons": lambda emotion: _silenced(esns, emotion),
        "direction": lambda emotion: projected_out(list(found["mean"][:, rows[emotion]])),
        "probe": lambda emotion: projected_out(list(found["probe"][:, rows[emotion]])),
        "random neurons": lambda emotion: _silenced(random, emotion),
        "random direction": lambda emotion: projected_out(list(drawn[:, rows[emotion]])),
    }
    places = [(name, float(strength)) for name, (_, some) in steering.items() for strength in some]
    conditions: dict[str, Sequence[Edit]] = {
        **{f"{name}/{at:g}/{emotion}": steering[name][0](emotion, at) for name, at in places for emotion in emotions},
        **{f"{name}/off/{emotion}": edits(emotion) for name, edits in silencing.items() for emotion in emotions},
    }
    answers = recognise(
        lm, clips, conditions={BASELINE: (), **conditions}, recognition=recognition, description="Comparing", **run
    )
    how: dict[str, Any] = {"rank": adapter_rank, "seed": seed, "batch_size": batch_size, "strict": strict}
    trained, no_adapter = adapted(lm, identification, recognition, emotions, **how)
    few = clips.limit(side_clips, seed=seed)
    asked: dict[str, Any] = {"tasks": SIDE, "max_new_tokens": max_new_tokens, **run}
    side = off_target(lm, few, conditions=conditions, **asked)
    flipped: list[Int64[np.ndarray, "_set clip"]] = []
    spent: list[Float64[np.ndarray, "_set task side"]] = []
    others = [*asked_in_words(lm, words), *trained]
    for other in others:
        heard: list[np.ndarray] = []
        accuracy: list[np.ndarray] = []
        for emotion in emotions:
            with other.towards(emotion) as model:
                heard.append(recognise(model, clips, recognition=recognition, **run).predicted[0])
                accuracy.append(off_target(model, few, conditions={}, **asked).accuracy[0])
        flipped.append(np.stack(heard))
        spent.append(side.accuracy[0] - np.stack(accuracy))
    points = [*places, *((other.method, other.strength) for other in others)]
    predicted = answers.predicted[1:].reshape(-1, len(emotions), len(answers))
    costs = (side.accuracy[:1] - side.accuracy[1:]).reshape(-1, len(emotions), *side.accuracy.shape[1:])
    flipped, spent = [*predicted[: len(places)], *flipped], [*costs[: len(places)], *spent]
    target = np.array([rows[emotion] for emotion in emotions])
    methods = tuple(name for name, _ in points)
    return Baselines(
        clips=answers.clips,
        speakers=answers.speaker,
        skipped=answers.skipped,
        notes=standing_notes(
            len(set(answers.speaker)),
            answers.skipped,
            answers.heard or None,
            no_adapter or None,
            answers.unmoved_note,
        ),
        origins=replace(origins, reservations=origins.reservations.joined(shared)),
        seed=seed,
        emotions=emotions,
        layers={name: int(layer) for name, layer in layers.items()},
        equal_cost=equal_cost,
        side_clips=len(few),
        steered=Points(
            methods=methods,
            strengths=np.array([strength for _, strength in points]),
            effect=_flips(np.stack(flipped), target, answers),
            cost=_costs(np.stack(spent), side.speakers),
        ),
        silenced=Points(
            methods=tuple(silencing),
            strengths=np.full(len(silencing), -1.0),
            effect=_losses(predicted[len(places) :], target, answers),
            cost=_costs(costs[len(places) :], side.speakers),
        ),
        specificity=_losses(predicted[len(places) :], target, answers, minus_cross=True),
    )


def _steered(neurons: NeuronSet, emotion: str, alpha: float) -> Sequence[Edit]:
    return steer(neurons[emotion], alpha) if len(neurons[emotion]) else ()


def _silenced(neurons: NeuronSet, emotion: str) -> Sequence[Edit]:
    return deactivate(neurons[emotion]) if len(neurons[emotion]) else ()


def _random(
    esns: NeuronSet, found: Float64[np.ndarray, "layer emotion hidden"], seed: int
) -> tuple[NeuronSet, Float64[np.ndarray, "layer emotion hidden"]]:
    """Random neurons of the same layers, and random directions of the same length."""
    drawn = np.random.default_rng(seed).standard_normal(found.shape)
    length = np.linalg.norm(found, axis=-1, keepdims=True)
    return esns.random_like(seed), drawn / np.linalg.norm(drawn, axis=-1, keepdims=True) * length


def _layer(
    lm: Any,
    validation: Clips,
    recognition: Any,
    found: Float64[np.ndarray, "layer emotion hidden"],
    emotions: tuple[str, ...],
    run: Mapping[str, Any],
) -> int:
    """The layer whose direction, at twice its length, makes most validation clips be heard as the target."""
    conditions = {
        f"{layer}/{emotion}": pushed(found[layer, recognition.emotions.index(emotion)], layer, 2.0)
        for layer in range(len(found))
        for emotion in emotions
    }
    answers = recognise(
        lm, validation, conditions=conditions, recognition=recognition, description="Choosing a layer", **run
    )
    target = np.array([recognition.emotions.index(emotion) for emotion in emotions])
    flips = answers.predicted.reshape(len(found), len(emotions), -1) == target[:, None]
    among = answers.truth != target[:, None]
    rates = (flips & among).sum(axis=2) / among.sum(axis=1)
    return int(rates.mean(axis=1).argmax())


def _flips(predicted: np.ndarray, target: np.ndarray, answers: Predictions) -> Estimates:
    """Share of the other emotions' clips that are heard as the target, the mean over the targets, by point."""
    flips = predicted == target[:, None]
    means = SpeakerMeans.over_clips(flips, answers.truth != target[:, None], answers.speaker)
    return Estimates.reduced(means, nan_mean, within=RATE)


def _losses(predicted: np.ndarray, target: np.ndarray, answers: Predictions, *, minus_cross: bool = False) -> Estimates:
    """Change of the recall of an emotion that is taken away; minus that of the others, where asked for."""
    change = (predicted == answers.truth).astype(np.float64) - (answers.predicted[0] == answers.truth)
    n = len(answers.emotions)
    of_emotion = answers.truth == np.arange(n)[:, None]
    cells = repeat(change, "point set clip -> point set emotion clip", emotion=n)
    means = SpeakerMeans.over_clips(cells, of_emotion, answers.speaker)
    own = target[:, None] == np.arange(n)

    def reduce(table: np.ndarray) -> np.ndarray:
        self_change = nan_mean(table[..., own])
        return self_change - nan_mean(table[..., ~own]) if minus_cross else self_change

    return Estimates.reduced(means, reduce) if minus_cross else Estimates.reduced(means, reduce, within=CHANGE)


def _costs(spent: Float64[np.ndarray, "point set task clip"], speakers: Sequence[str]) -> Estimates:
    """Loss of accuracy, the mean over side tasks and edited emotions, by point."""
    means = SpeakerMeans.over_clips(np.nan_to_num(spent), ~np.isnan(spent), speakers)
    return Estimates.reduced(means, lambda cells: nan_mean(nan_mean(cells)), within=CHANGE)


