"""A listener who answers from the stream: its gates know the emotion as well, and hardly matter.

Behind layer 0 the stream holds a fifth of the evidence for every emotion, behind layer 1 all of it, and the answer is
read there. Gate e of either layer is the evidence for emotion e, and writes 0.01 of itself into the stream. Where the
stream is pushed further than 6, the last word of a transcript is lost.
"""

from collections.abc import Sequence

import numpy as np
import torch
from planted_listener import BIAS, EMOTIONS, TRANSCRIPT, WIDTHS, PlantedListener

from esn_interp.models.edits import Edit

HIDDEN = 8
WRITTEN = 0.01


class StreamListener(PlantedListener):
    """See the module."""

    hidden = HIDDEN

    def scores(self, encoded, labels: Sequence[str], *, edits: Sequence[Edit] = (), tap=None, site="gate"):
        before, behind = self.stream(encoded, edits)
        if tap is not None:
            assert site == "resid_post"
            for layer, stream in enumerate((before, behind)):
                tokens = encoded.scopes.shape[1]
                tap(0, layer, torch.from_numpy(stream.astype(np.float32))[:, None].repeat(1, tokens, 1))
        if "male" in labels:
            logits = np.stack([~encoded.female if one == "male" else encoded.female for one in labels], axis=1) * 1.0
        else:
            logits = behind[:, [EMOTIONS.index(label) for label in labels]]
        return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)

    def generate(self, waveforms, prompt, *, edits=(), max_new_tokens=32) -> list[str]:
        _, behind = self.stream(self.encode(waveforms, prompt), edits)
        return [TRANSCRIPT.rsplit(" ", 1)[0] if np.linalg.norm(one) > 6 else TRANSCRIPT for one in behind]

    def stream(self, encoded, edits: Sequence[Edit]) -> tuple[np.ndarray, np.ndarray]:
        h = np.zeros((len(encoded.evidence), HIDDEN))
        h[:, 6] = encoded.female
        kept = []
        for layer, share in enumerate((0.2, 0.8)):
            gates = np.ones((len(h), WIDTHS[layer]))
            gates[:, : len(EMOTIONS)] = encoded.evidence
            for edit in edits:
                if edit.layer == layer and edit.site == "gate":
                    gates[:, edit.neurons] = np.asarray(edit.gain) * gates[:, edit.neurons] + np.asarray(edit.shift)
            h = h.copy()
            h[:, : len(EMOTIONS)] += share * (encoded.evidence + BIAS) + WRITTEN * gates[:, : len(EMOTIONS)]
            for edit in edits:
                if edit.layer == layer and edit.site == "resid_post":
                    along = h[:, edit.neurons] @ edit.along
                    new = float(np.asarray(edit.gain)) * along + float(np.asarray(edit.shift))
                    h[:, edit.neurons] += (new - along)[:, None] * edit.along
            kept.append(h)
        return kept[0], kept[1]
