"""A made-up model that reads and hears: which of its gates fire for which emotion is known, and used by both."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from esn_interp.models.families.inputs import Inputs
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.tasks.reading import expressed, named

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
WIDTHS = (30, 30)
HEARD = {emotion: np.arange(4 * at, 4 * at + 4) for at, emotion in enumerate(EMOTIONS)}
"""Gates of layer 0 that fire when the emotion is heard."""
READ = {emotion: np.array([4 * at, 4 * at + 1, 20 + at, 25 + at]) for at, emotion in enumerate(EMOTIONS)}
"""Gates that fire when it is read: the first two are those of the heard one."""


@dataclass
class Asked:
    """What a batch is about."""

    emotions: list[str]
    by: dict[str, np.ndarray]
    scopes: np.ndarray


class PlantedReader:
    """Answers by how strongly an emotion's gates fire, of which four in five clips have enough."""

    name, fingerprint, component, widths = "planted reader", "r0", "thinker", WIDTHS

    def __init__(self) -> None:
        self.by_sentence = {one.sentence: one.emotion for one in (*expressed(), *named())}
        self.prompts: set[str] = set()

    @property
    def heard_set(self) -> NeuronSet:
        """The gates that fire when it hears, as a selector would have found them."""
        told = {"scope": "all", "pooling": "clip", "filter": "correct", "count": 4, "per_layer": False, "min_clips": 1}
        return NeuronSet.from_indices(Origin.of(self, corpus="clips"), HEARD, selector="mad", parameters=told)

    def prepare_text(self, sentences: Sequence[str], prompt: str) -> Inputs:
        self.prompts.add(prompt)
        ids = torch.tensor([[EMOTIONS.index(self.by_sentence[one])] * 4 for one in sentences])
        return Inputs({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, ids >= 0)

    def encode(self, waveforms: Any, prompt: str) -> Asked:
        if isinstance(waveforms, Inputs):
            kinds, by = waveforms.tensors["input_ids"][:, 0].tolist(), READ
        else:  # a clip says its emotion by its level
            kinds, by = [round(float(np.abs(wave).max()) * 10) - 1 for wave in waveforms], HEARD
        scopes = np.tile(np.array([0, 0, 1, 2], dtype=np.int8), (len(kinds), 1))
        return Asked([EMOTIONS[kind] for kind in kinds], by, scopes)

    def _gates(self, asked: Asked) -> np.ndarray:
        gates = np.full((len(asked.emotions), sum(WIDTHS)), -0.1, dtype=np.float32)
        for row, emotion in enumerate(asked.emotions):
            gates[row, asked.by[emotion]] = 1.0
        return gates

    def _scores(self, gates: np.ndarray, by: dict[str, np.ndarray]) -> np.ndarray:
        scores = np.stack([gates[:, by[emotion]].sum(axis=1) for emotion in EMOTIONS], axis=1)
        return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)

    def scores(self, encoded: Asked, labels: Sequence[str], *, tap: Any) -> np.ndarray:
        gates = self._gates(encoded)
        for layer, part in enumerate(np.split(gates, 2, axis=1)):
            tap(0, layer, torch.from_numpy(np.repeat(part[:, None], 4, axis=1)))
        return self._scores(gates, encoded.by)

    def sweep(self, encoded: Asked, labels: Sequence[str], conditions: Sequence[Any]) -> Any:
        rows = []
        for edits in conditions:
            gates = self._gates(encoded)
            for edit in edits:
                gates[:, edit.layer * WIDTHS[0] + np.asarray(edit.neurons)] = 0.0
            rows.append(self._scores(gates, encoded.by))
        return SimpleNamespace(log_probs=np.stack(rows).astype(np.float32))
