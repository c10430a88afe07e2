"""Planted listeners whose neurons read either the audio or the prompt, or stand in for each other."""

from collections.abc import Sequence

import numpy as np
import torch
from planted_listener import (
    BIAS,
    EMOTIONS,
    PER_LAYER,
    WIDTHS,
    Heard,
    PlantedListener,
    planted_gates,
    planted_set,
)

from esn_interp.models.edits import SCOPE_CODES, Edit
from esn_interp.models.recording import Recorder
from esn_interp.neurons.neuron_set import NeuronSet

PROMPT_LAYER = 1
PROMPT_WEIGHT = 0.5


def prompt_gate(emotion: str) -> int:
    """The neuron of layer 1 that reads how early the prompt names an emotion."""
    return PER_LAYER * len(EMOTIONS) + EMOTIONS.index(emotion)


def prompt_set() -> NeuronSet:
    """The neurons that read the prompt and nothing else."""
    origin = planted_set().origin
    start = int(origin.offsets[PROMPT_LAYER])
    return NeuronSet.from_indices(origin, {e: np.array([start + prompt_gate(e)]) for e in EMOTIONS})


def earliness(prompt: str) -> np.ndarray:
    """1 for the emotion that is named first, less for later ones, 0 for those that are not named."""
    places = [prompt.find(emotion) for emotion in EMOTIONS]
    named = sorted(place for place in places if place >= 0)
    return np.array([0.0 if place < 0 else 1 - named.index(place) / len(EMOTIONS) for place in places])


class GroundedListener(PlantedListener):
    """Has gates at every token, and decides at the last one: by what it hears there, and by the prompt.

    score of emotion e = bias + evidence for e + PROMPT_WEIGHT * how early the prompt names e
    """

    def encode(self, waveforms: Sequence[np.ndarray], prompt: str) -> Heard:
        heard = super().encode(waveforms, prompt)
        # The longer the prompt, the more text tokens: they stand before the audio as well, as a template's do.
        more = np.where(heard.scopes[:, :1] < 0, -1, 1).repeat(len(prompt) % 3, axis=1).astype(np.int8)
        scopes = np.concatenate([heard.scopes[:, :-1], np.ones_like(more), heard.scopes[:, -1:]], axis=1)
        return Heard(prompt, heard.evidence, heard.female, scopes)

    def scores(
        self,
        encoded: Heard,
        labels: Sequence[str],
        *,
        edits: Sequence[Edit] = (),
        tap: Recorder | None = None,
    ) -> np.ndarray:
        self.scored += 1
        early = earliness(encoded.prompt)
        scores = np.tile(BIAS, (len(encoded), 1))
        for layer, width in enumerate(WIDTHS):
            gate = torch.ones(*encoded.scopes.shape, width)
            for at, emotion in enumerate(EMOTIONS):
                share = torch.from_numpy(encoded.evidence[:, at] / (PER_LAYER * len(WIDTHS)))
                gate[..., planted_gates(emotion, layer)] = share[:, None, None].float()
                if layer == PROMPT_LAYER:
                    gate[..., prompt_gate(emotion)] = float(early[at])
            for edit in (edit for edit in edits if edit.layer == layer):
                codes = [SCOPE_CODES[scope] for scope in edit.positions]
                with torch.no_grad():
                    edit.apply(gate, torch.from_numpy(np.isin(encoded.scopes, codes)))
            if tap is not None:
                tap(0, layer, gate)
            last = gate[:, -1].double().numpy()
            for at, emotion in enumerate(EMOTIONS):
                scores[:, at] += last[:, planted_gates(emotion, layer)].sum(axis=1)
                if layer == PROMPT_LAYER:
                    scores[:, at] += PROMPT_WEIGHT * last[:, prompt_gate(emotion)]
        chosen = scores[:, [EMOTIONS.index(label) for label in labels]]
        return (chosen - np.logaddexp.reduce(chosen, axis=1, keepdims=True)).astype(np.float32)


class DuplicateListener(PlantedListener):
    """Any one of an emotion's gates does the work of all."""

    def combine(self, gates: np.ndarray) -> np.ndarray:
        return gates.shape[1] * gates.max(axis=1)


class InLineListener(PlantedListener):
    """All of an emotion's gates are needed: each is a link of one chain."""

    def combine(self, gates: np.ndarray) -> np.ndarray:
        return gates.shape[1] * gates.min(axis=1)
