"""The figures of smol-audio's card, on voices that it has not heard.

    python tools/evaluate_smol_audio.py aims --out docs/results/smol-audio
    python tools/evaluate_smol_audio.py reading --out docs/results/smol-audio
    python tools/evaluate_smol_audio.py probes --out docs/results/smol-audio
    python tools/evaluate_smol_audio.py planted --clips 50 --out docs/results/smol-audio

``aims`` asks it what it was trained to be asked; ``reading`` compares heard with read neurons; ``probes`` asks how well
emotions can be read off encoder, projector and every layer of the decoder; ``planted`` sets it beside toy-omni. Each
takes a balanced part of the clips, by default few enough for a quarter of an hour on one core.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import torch

import esn_interp as esn
from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.files import write_json
from esn_interp.interventions import edits
from esn_interp.models.labels import label_tokens
from esn_interp.neurons.controls import draw_like
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.tasks.recognition import Recognition

MODEL = "smol-audio"


def interval(outcome: Any, clips: Any) -> dict[str, Any]:
    """Mean over clips with its 95 % interval over speakers."""
    values = np.asarray(outcome, dtype=np.float64)[None]
    means = SpeakerMeans.over_clips(values, np.ones(values.shape, dtype=np.bool_), list(clips.column("speaker")))
    low, high = means.bounds()
    return {
        "value": float(means.value[0]),
        "low": float(low[0]),
        "high": float(high[0]),
        "clips": len(clips),
        "speakers": len(set(clips.column("speaker"))),
    }


def in_batches(clips: Any, size: int = 8) -> Any:
    for start in range(0, len(clips), size):
        yield [clips[row] for row in range(start, min(start + size, len(clips)))]


def recognition(lm: Any, clips: Any) -> dict[str, Any]:
    """Right answers to the multiple choice in words; clips are balanced, so their mean is the mean recall."""
    asked = Recognition(tuple(clips.emotions))
    lengths = [len(tokens) for tokens in label_tokens(lm.processor.tokenizer, asked.emotions)]
    found: list[str] = []
    for some in in_batches(clips):
        scores = lm.scores(lm.encode([clip.waveform() for clip in some], asked.prompt), asked.emotions)
        found += [asked.emotions[at] for at in scores.argmax(axis=1)]
    right = np.array([one == clip.emotion for one, clip in zip(found, clips, strict=True)])
    truth = np.array(clips.column("emotion"))
    return {
        **interval(right, clips),
        "recall": {emotion: float(right[truth == emotion].mean()) for emotion in asked.emotions},
        "tokens": dict(zip(asked.emotions, lengths, strict=True)),
    }


def aims(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    evaluation = esn.corpus("toy-studio").split()[-1].limit(arguments.clips)
    people = esn.corpus("emodb-sample").limit(arguments.people)
    words, errors, sexes = evaluation.limit(arguments.words), [], []
    for some in in_batches(words):
        waves = [clip.waveform() for clip in some]
        written = lm.generate(waves, "Transcribe the speech.", max_new_tokens=16)
        errors += [
            jiwer.wer(clip.transcript.lower(), one.lower().strip(" .") or "-")
            for clip, one in zip(some, written, strict=True)
        ]
        scores = lm.scores(lm.encode(waves, "Is the speaker male or female?"), ("male", "female"))
        told = np.where(scores.argmax(axis=1) == 0, "male", "female")
        sexes += [one == clip.sex for one, clip in zip(told, some, strict=True)]
    return {
        "toy-studio": recognition(lm, evaluation),
        "emodb-sample": recognition(lm, people),
        "word_error_rate": interval(errors, words),
        "sex": interval(sexes, words),
    }


def reading(lm: Any, arguments: argparse.Namespace) -> Any:
    _, identification, evaluation = esn.corpus("toy-studio").split()
    stats = esn.collect(lm, identification, limit=arguments.collect, batch_size=8, progress=False)
    esns = esn.select(stats, "mad", top=arguments.top)
    few = evaluation.limit(arguments.silence) if arguments.silence else evaluation.limit(5)
    options: dict[str, Any] = {"silencing": bool(arguments.silence), "permutations": arguments.permutations}
    return esn.reading(lm, few, esns, **options)


def probes(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Recall of a linear classifier on means over a clip's sounding tokens, speakers left out in turn."""
    evaluation = esn.corpus("toy-studio").split()[-1]
    found: dict[str, Any] = {}
    for name, clips in (("toy-studio", evaluation), ("emodb-sample", esn.corpus("emodb-sample"))):
        clips = clips.limit(arguments.probe)
        features, truth, speakers = levels(lm, clips)
        found[name] = {
            "chance": 1 / len(clips.emotions),
            "clips": len(clips),
            "speakers": len(set(speakers)),
            "recall": {level: probed(values, truth, speakers) for level, values in features.items()},
        }
    return found


def planted(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """smol-audio beside toy-omni: the same clips, the same selector and sizes, silenced and turned up."""
    models = {MODEL: lm, "toy-omni": esn.load("toy-omni")}
    return {name: beside(models[name], arguments) for name in arguments.models}


def beside(lm: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Where neurons lie, what silencing does to recall, and how many answers turning up flips, for every emotion."""
    _, identification, evaluation = esn.corpus("toy-studio").split()
    stats = esn.collect(lm, identification, limit=arguments.collect, batch_size=8, progress=False)
    clips = evaluation.limit(arguments.clips)
    asked = Recognition(tuple(clips.emotions))
    emotions = range(len(asked.emotions))
    sets = {top: esn.select(stats, "mad", top=top) for top in arguments.tops}
    conditions: dict[tuple[Any, ...], list[Any]] = {("none", 0.0, 0): []}
    for top, neurons in sets.items():
        for at, emotion in enumerate(asked.emotions):
            drawn = draw_like(neurons.indices(emotion), neurons.origin, emotion=emotion, seed=0)
            alike = NeuronSet.from_indices(neurons.origin, {emotion: drawn}, selector="random")
            conditions["found", top, at] = edits.deactivate(neurons[emotion])
            conditions["random", top, at] = edits.deactivate(alike)
            for alpha in arguments.alphas if top == arguments.top else ():
                conditions["up", alpha, at] = edits.steer(neurons[emotion], alpha)
                conditions["up at random", alpha, at] = edits.steer(alike, alpha)
    scores, truth = [], np.array([asked.emotions.index(clip.emotion) for clip in clips])
    for some in in_batches(clips):
        encoded = lm.encode([clip.waveform() for clip in some], asked.prompt)
        scores.append(lm.sweep(encoded, asked.emotions, list(conditions.values())).log_probs)
    answers = np.concatenate(scores, axis=1).argmax(axis=2)
    where = {key: at for at, key in enumerate(conditions)}
    right = (answers == truth).astype(np.float64)

    def change(kind: str, top: float, silenced: int, heard: int) -> float:
        return float((right[where[kind, top, silenced]] - right[0])[truth == heard].mean())

    def flips(row: int, at: int) -> float:
        return float((answers[row] == at)[truth != at].mean())

    counts = sets[arguments.top].counts()
    return {
        "emotions": list(asked.emotions),
        "clips": len(clips),
        "speakers": len(set(clips.column("speaker"))),
        "recall": [float(right[0][truth == at].mean()) for at in emotions],
        "share": (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0).tolist(),
        "silenced": {
            f"{top:g}": {
                "own": [change("found", top, at, at) for at in emotions],
                "others": [
                    float(np.mean([change("found", top, at, other) for other in emotions if other != at]))
                    for at in emotions
                ],
                "random": [change("random", top, at, at) for at in emotions],
            }
            for top in arguments.tops
        },
        "turned_up": {
            "0": {"found": [flips(0, at) for at in emotions]},
            **{
                f"{alpha:g}": {
                    "found": [flips(where["up", alpha, at], at) for at in emotions],
                    "random": [flips(where["up at random", alpha, at], at) for at in emotions],
                }
                for alpha in arguments.alphas
            },
        },
    }


def levels(lm: Any, clips: Any) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Means (and spread, of the encoder) of what every stage holds at the clip's tokens, and in the gates."""
    asked = Recognition(tuple(clips.emotions))
    held: dict[str, list[np.ndarray]] = {}
    inner = lm.model.model
    for some in in_batches(clips):
        encoded = lm.encode([clip.waveform() for clip in some], asked.prompt)
        sounding = torch.from_numpy(encoded.scopes == 0)
        heard = inner.audio_tower(
            encoded.inputs.tensors["input_features"],
            input_features_mask=encoded.inputs.tensors["input_features_mask"],
        ).last_hidden_state
        for row, count in enumerate(sounding.sum(axis=1).tolist()):
            part = heard[row, :count].float()
            put(held, "encoder", torch.cat([part.mean(0), part.std(0)]))
            put(held, "projector", inner.multi_modal_projector(heard[row, :count]).float().mean(0))

        def tap(step: int, layer: int, gate: torch.Tensor, experts: Any = None, where: torch.Tensor = sounding) -> None:
            if step == 0:
                for row in range(len(gate)):
                    put(held, f"gates {layer:02d}", gate[row, where[row]].float().mean(0))

        lm.scores(encoded, asked.emotions, tap=tap)
    truth = np.array([asked.emotions.index(clip.emotion) for clip in clips])
    return {name: np.stack(rows) for name, rows in held.items()}, truth, np.array(clips.column("speaker"))


def put(held: dict[str, list[np.ndarray]], name: str, value: torch.Tensor) -> None:
    held.setdefault(name, []).append(value.detach().cpu().numpy())


def probed(values: np.ndarray, truth: np.ndarray, speakers: np.ndarray) -> float:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    right = np.zeros(len(truth), dtype=np.bool_)
    for one in np.unique(speakers):
        out = speakers == one
        fitted = make_pipeline(StandardScaler(), RidgeClassifier(alpha=100.0)).fit(values[~out], truth[~out])
        right[out] = fitted.predict(values[out]) == truth[out]
    return float(np.mean([right[truth == at].mean() for at in np.unique(truth)]))


def main() -> None:
    parts: dict[str, Callable[..., Any]] = {"aims": aims, "reading": reading, "probes": probes, "planted": planted}
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("part", choices=parts)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", default="bfloat16")
    counts = {"clips": 100, "people": 70, "words": 30, "collect": 100, "silence": 20, "probe": 70}
    for name, value in counts.items():
        parser.add_argument(f"--{name}", type=int, default=value, help="clips, balanced over the emotions")
    parser.add_argument("--top", type=float, default=0.01)
    parser.add_argument("--models", nargs="+", choices=(MODEL, "toy-omni"), default=(MODEL, "toy-omni"))
    parser.add_argument("--tops", type=float, nargs="+", default=[0.005, 0.01])
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.5, 1, 2, 4])
    parser.add_argument("--permutations", type=int, default=199)
    arguments = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    lm = esn.load(MODEL, dtype=arguments.dtype)
    with torch.inference_mode(False), torch.no_grad():
        result = parts[arguments.part](lm, arguments)
    path = arguments.out / f"{arguments.part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(result, dict):
        settings = {name: value for name, value in vars(arguments).items() if name not in ("out", "part")}
        head = {"kind": "smol-audio figures", "version": 1, "model": MODEL, "fingerprint": lm.fingerprint}
        write_json(path, {**head, "settings": settings, **result})
    else:
        result.save(path)
    print(path)


if __name__ == "__main__":
    main()
