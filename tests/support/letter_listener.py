"""A listener in whom letters are planted: what hears an emotion stands in layer 0, what writes a letter in layer 1.

Evidence for emotion e passes through gate e of layer 0, always. Where options have letters, gate k of layer 1 is three
times what layer 0 says of the emotion that stands behind letter k, and the answer is read off these gates alone. All
other gates are on, a little differently for every clip, and lead nowhere.
"""

import re
from collections.abc import Sequence

import numpy as np
import torch
from planted_listener import BIAS, EMOTIONS, PlantedListener

from esn_interp.models.edits import Edit

WIDTHS = (12, 12)
LETTERS = "ABCDE"


class LetterListener(PlantedListener):
    """See the module."""

    name, fingerprint, component, widths = "letters", "1e77", "thinker", WIDTHS

    def encode(self, waveforms, prompt):
        heard = super().encode(waveforms, "")
        prompts = [prompt] * len(waveforms) if isinstance(prompt, str) else list(prompt)
        heard.__dict__["prompts"] = prompts
        return heard

    def scores(self, encoded, labels: Sequence[str], *, edits: Sequence[Edit] = (), tap=None) -> np.ndarray:
        first, second = self._gates(encoded, edits)
        if tap is not None:
            for layer, values in enumerate((first, second)):
                tokens = encoded.scopes.shape[1]
                gate = torch.from_numpy(values.astype(np.float32))[:, None].repeat(1, tokens, 1)
                if layer:  # letters are written at the last token
                    gate[:, :-1, : len(LETTERS)] = 0
                tap(0, layer, gate)
        totals = first[:, : len(EMOTIONS)] + BIAS
        if labels[0] == "A":
            logits = second[:, : len(LETTERS)]
        elif labels[0] == "yes":
            asked = [EMOTIONS.index(re.findall(r"speaker (\w+)", prompt)[0]) for prompt in encoded.prompts]
            yes = totals[np.arange(len(totals)), asked]
            logits = np.stack([yes, 0.5 - 0 * yes], axis=1)
        elif labels[0] == "positive":
            logits = np.stack([totals[:, 1], totals[:, 0], totals[:, 2:].max(axis=1)], axis=1)
        else:
            logits = totals[:, [EMOTIONS.index(label) for label in labels]]
        logits = 4 * logits
        return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)

    def generate(self, waveforms, prompt, *, edits=(), max_new_tokens=32) -> list[str]:
        encoded = self.encode(waveforms, prompt)
        first, second = self._gates(encoded, edits)
        return [
            LETTERS[int(letters[:5].argmax())] if "A. " in asked else f"They sound {EMOTIONS[int(heard.argmax())]}."
            for asked, letters, heard in zip(encoded.prompts, second, first[:, :5] + BIAS, strict=True)
        ]

    def _gates(self, encoded, edits: Sequence[Edit]) -> tuple[np.ndarray, np.ndarray]:
        rest = 1 + 0.01 * np.sin(np.outer(encoded.evidence @ np.arange(1, 6) + encoded.female, np.arange(12)))
        first, second = rest.copy(), rest.copy()
        first[:, : len(EMOTIONS)] = encoded.evidence
        first = _edited(first, 0, edits)
        second[:, : len(LETTERS)] = 0
        for row, prompt in enumerate(encoded.prompts):
            for letter, emotion in re.findall(r"([A-E])\. (\w+)", prompt):
                at = EMOTIONS.index(emotion)
                second[row, LETTERS.index(letter)] = 3 * (first[row, at] + BIAS[at])
        return first, _edited(second, 1, edits)


def _edited(gate: np.ndarray, layer: int, edits: Sequence[Edit]) -> np.ndarray:
    for edit in edits:
        if edit.layer == layer:
            gate[:, edit.neurons] = np.asarray(edit.gain) * gate[:, edit.neurons] + np.asarray(edit.shift)
    return gate
