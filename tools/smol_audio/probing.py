"""How well emotions can be read off encoder, projector and every layer of the decoder, by linear classifiers."""

import argparse
from typing import Any

import numpy as np
import torch

import esn_interp as esn
from esn_interp.tasks.recognition import Recognition
from smol_audio.clips import in_batches, mean_recall, part_of


def probes(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Recall of a linear classifier on means over a clip's sounding tokens, speakers left out in turn."""
    evaluation = esn.corpus("toy-studio").split()[-1]
    found: dict[str, Any] = {}
    for name, clips in (("toy-studio", evaluation), ("emodb-sample", esn.corpus("emodb-sample"))):
        clips = part_of(clips, arguments.probe)
        features, truth, speakers, right = levels(lm, clips, arguments.batch_size)
        probed_at = {level: probed(values, truth, speakers) for level, values in features.items()}
        found[name] = {
            "chance": 1 / len(clips.emotions),
            "clips": len(clips),
            "speakers": len(set(speakers)),
            "recall": {level: one["value"] for level, one in probed_at.items()},
            "low": {level: one["low"] for level, one in probed_at.items()},
            "high": {level: one["high"] for level, one in probed_at.items()},
            "model": mean_recall(right, truth, speakers.tolist()),
        }
    return found


def levels(lm: Any, clips: Any, size: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Means (and spread, of the encoder) of what every stage holds at the clip's tokens, and in the gates.

    Then each clip's emotion as a number, its speaker, and whether the model's own answer is right.
    """
    asked = Recognition(tuple(clips.emotions))
    held: dict[str, list[np.ndarray]] = {}
    answers: list[int] = []
    inner = lm.model.model
    for some in in_batches(clips, size):
        encoded = lm.encode([clip.waveform() for clip in some], asked.prompt)
        sounding = torch.from_numpy(encoded.scopes == 0).to(lm.device)
        tensors = encoded.inputs.tensors
        heard = inner.audio_tower(
            tensors["input_features"], input_features_mask=tensors["input_features_mask"]
        ).last_hidden_state
        for row, count in enumerate(sounding.sum(dim=1).tolist()):
            part = heard[row, :count].float()
            put(held, "encoder", torch.cat([part.mean(0), part.std(0)]))
            put(held, "projector", inner.multi_modal_projector(heard[row, :count]).float().mean(0))

        def tap(step: int, layer: int, gate: torch.Tensor, experts: Any = None, where: torch.Tensor = sounding) -> None:
            if step == 0:
                there = where.to(gate.device)[..., None]
                means = torch.where(there, gate.float(), 0).sum(dim=1) / there.sum(dim=1)
                for one in means:
                    put(held, f"gates {layer:02d}", one)

        answers += lm.scores(encoded, asked.emotions, tap=tap).argmax(axis=1).tolist()
    truth = np.array([asked.emotions.index(clip.emotion) for clip in clips])
    features = {name: np.stack(rows) for name, rows in held.items()}
    return features, truth, np.array(clips.column("speaker")), np.array(answers) == truth


def put(held: dict[str, list[np.ndarray]], name: str, value: torch.Tensor) -> None:
    held.setdefault(name, []).append(value.detach().cpu().numpy())


def probed(values: np.ndarray, truth: np.ndarray, speakers: np.ndarray) -> dict[str, Any]:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    right = np.zeros(len(truth), dtype=np.bool_)
    for one in np.unique(speakers):
        out = speakers == one
        fitted = make_pipeline(StandardScaler(), RidgeClassifier(alpha=100.0)).fit(values[~out], truth[~out])
        right[out] = fitted.predict(values[out]) == truth[out]
    return mean_recall(right, truth, speakers.tolist())
