"""smol-audio beside toy-omni: the same clips, the same selector and sizes, silenced and turned up."""

import argparse
from typing import Any

import numpy as np

import esn_interp as esn
from esn_interp.analysis.inference.significance import CHANGE, CONTRAST, RATE, SpeakerMeans
from esn_interp.interventions import edits
from esn_interp.neurons.controls import draw_like
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.tasks.recognition import Recognition
from smol_audio.clips import in_batches, mean_recall, part_of, told


def planted(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in arguments.models:
        found[name] = beside(lm if name == lm.name else esn.load(name, device_map=arguments.device), arguments)
    return found


def beside(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Where neurons lie, what silencing does to recall, and how many answers turning up flips, for every emotion."""
    _, identification, evaluation = esn.corpus("toy-studio").split()
    size = arguments.batch_size
    stats = esn.collect(lm, identification, limit=arguments.collect, batch_size=size, progress=False)
    clips = part_of(evaluation, arguments.clips)
    asked = Recognition(tuple(clips.emotions))
    sets = {top: esn.select(stats, "mad", top=top, filter=arguments.filter) for top in arguments.tops}
    conditions = tried(sets, asked.emotions, arguments)
    scores: list[np.ndarray] = []
    for some in in_batches(clips, size):
        encoded = lm.encode([clip.waveform() for clip in some], asked.prompt)
        scores.append(lm.sweep(encoded, asked.emotions, list(conditions.values())).log_probs)
    answers = np.concatenate(scores, axis=1).argmax(axis=2)
    counts = sets[arguments.top].counts()
    truth, speakers = np.array([asked.emotions.index(clip.emotion) for clip in clips]), list(clips.column("speaker"))
    outcomes = Outcomes(dict(zip(conditions, answers, strict=True)), truth, speakers, arguments.draws)
    return {
        "emotions": list(asked.emotions),
        "clips": len(clips),
        "speakers": len(set(speakers)),
        "uar": mean_recall(answers[0] == truth, truth, speakers),
        "recall": [float((answers[0] == truth)[truth == at].mean()) for at in range(len(asked.emotions))],
        "share": (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0).tolist(),
        "silenced": {f"{top:g}": outcomes.silenced(top) for top in arguments.tops},
        "turned_up": {
            "0": outcomes.unedited_flips(),
            **{f"{alpha:g}": outcomes.turned_up(alpha) for alpha in arguments.alphas},
        },
    }


def tried(
    sets: dict[float, NeuronSet], emotions: tuple[str, ...], arguments: argparse.Namespace
) -> dict[tuple[Any, ...], list[Any]]:
    """Edits by what is done (``silenced`` or ``up``), how far, for which emotion's neurons, and draw (-1: found)."""
    conditions: dict[tuple[Any, ...], list[Any]] = {("none",): []}
    for top, neurons in sets.items():
        for at, emotion in enumerate(emotions):
            edited = {-1: neurons}
            for draw in range(arguments.draws):
                indices = draw_like(neurons.indices(emotion), neurons.origin, emotion=emotion, seed=draw)
                edited[draw] = NeuronSet.from_indices(neurons.origin, {emotion: indices}, selector="random")
            for draw, one in edited.items():
                conditions["silenced", top, at, draw] = edits.deactivate(one[emotion])
                for alpha in arguments.alphas if top == arguments.top else ():
                    conditions["up", alpha, at, draw] = edits.steer(one[emotion], alpha)
    return conditions


class Outcomes:
    """Answers of every condition to clips, and what follows from them, with 95 % intervals over speakers."""

    def __init__(self, answers: dict[Any, np.ndarray], truth: np.ndarray, speakers: list[str], draws: int) -> None:
        self.answers, self.truth, self.speakers, self.draws = answers, truth, speakers, draws
        self.emotions = range(int(truth.max()) + 1)
        self.heard = np.stack([truth == at for at in self.emotions])

    def silenced(self, top: float) -> dict[str, Any]:
        """Change of recall of the neurons' own emotion and of others: by emotion, and on average."""
        right = (self.answers["none",] == self.truth).astype(np.float64)
        found = np.stack([self._right("silenced", top, at, (-1,)) - right for at in self.emotions])
        random = np.stack([self._right("silenced", top, at, range(self.draws)) - right for at in self.emotions])
        mean, contrast = self._means(found), self._means(found - random)
        table = mean.value
        return {
            "own": np.diag(table).tolist(),
            "others": [float(np.delete(row, at).mean()) for at, row in enumerate(table)],
            "random": np.diag(self._means(random).value).tolist(),
            "mean_own": told(mean.interval(_own, within=CHANGE)),
            "mean_others": told(mean.interval(_others, within=CHANGE)),
            "mean_random": told(self._means(random).interval(_own, within=CHANGE)),
            "own_minus_others": told(mean.interval(lambda cells: _own(cells) - _others(cells), within=CONTRAST)),
            "own_minus_random": told(contrast.interval(_own, within=CONTRAST)),
        }

    def turned_up(self, alpha: float) -> dict[str, Any]:
        """Share of other emotions' clips that are answered with the emotion whose neurons are turned up."""
        found = self._flips([self._answered("up", alpha, at, (-1,)) for at in self.emotions])
        random = self._flips([self._answered("up", alpha, at, range(self.draws)) for at in self.emotions])
        return {
            "found": found.value.tolist(),
            "random": random.value.tolist(),
            "mean_found": told(found.interval(_mean, within=RATE)),
            "mean_random": told(random.interval(_mean, within=RATE)),
        }

    def unedited_flips(self) -> dict[str, Any]:
        flips = self._flips([(self.answers["none",] == at).astype(np.float64) for at in self.emotions])
        return {"found": flips.value.tolist(), "mean_found": told(flips.interval(_mean, within=RATE))}

    def _right(self, kind: str, much: float, at: int, draws: Any) -> np.ndarray:
        return np.mean([self.answers[kind, much, at, draw] == self.truth for draw in draws], axis=0)

    def _answered(self, kind: str, much: float, at: int, draws: Any) -> np.ndarray:
        return np.mean([self.answers[kind, much, at, draw] == at for draw in draws], axis=0)

    def _means(self, change: np.ndarray) -> SpeakerMeans:
        """Cells ``[silenced, heard]`` of outcomes ``[silenced, clip]``."""
        outcome = np.repeat(change[:, None], len(self.heard), axis=1)
        return SpeakerMeans.over_clips(outcome, self.heard, self.speakers)

    def _flips(self, answered: list[np.ndarray]) -> SpeakerMeans:
        return SpeakerMeans.over_clips(np.stack(answered), ~self.heard, self.speakers)


def _own(table: np.ndarray) -> np.ndarray:
    return np.diagonal(table, axis1=-2, axis2=-1).mean(axis=-1)


def _others(table: np.ndarray) -> np.ndarray:
    """Mean of what is off the diagonal."""
    count = table.shape[-1]
    total = table.sum(axis=(-2, -1)) - np.diagonal(table, axis1=-2, axis2=-1).sum(axis=-1)
    return total / (count * (count - 1))


def _mean(cells: np.ndarray) -> np.ndarray:
    return cells.mean(axis=-1)
