"""The figures of toy-emodb's model card: UAR, and the effect of silencing neurons, on speakers it has not heard.

python tools/evaluate_toy_emodb.py --emodb emodb
python tools/evaluate_toy_emodb.py --emodb emodb --folds folds   # folds/0 .. folds/4, of train_toy_emodb.py --fold
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from toy_omni.real_speech import EVALUATION, FOLDS, TRAINING, VALIDATION

import esn_interp as esn
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.inference.significance import Interval, SpeakerMeans


def silenced(lm: esn.AudioLM, heard: esn.Clips, unheard: esn.Clips, *, top: float, draws: int) -> Ablation:
    """Neurons found by `mad` on speakers that the model learnt from, silenced on others."""
    neurons = esn.select(esn.collect(lm, heard, progress=False), "mad", top=top)
    return esn.ablation(lm, unheard, neurons, draws=draws, progress=False)


def pooled(results: Sequence[Ablation], speaker_of: dict[str, str]) -> dict[str, Interval]:
    """The figures over the clips of all folds; the unit is the speaker."""
    emotions = results[0].emotions
    speaker_names = sorted({speaker_of[clip] for result in results for clip in result.clips})
    truth = np.concatenate([result.truth for result in results])
    speaker = np.array([speaker_names.index(speaker_of[clip]) for result in results for clip in result.clips])
    right = np.concatenate([np.equal(result.predicted, result.truth) for result in results], axis=1)
    acted = truth[:, None] == np.arange(len(emotions))

    def interval(
        outcome: np.ndarray, mask: np.ndarray, reduce: Callable[[np.ndarray], np.ndarray]
    ) -> Interval:
        return SpeakerMeans.of(outcome, mask, speaker, speakers=len(speaker_names)).interval(reduce)

    cells = np.broadcast_to(acted[:, None, :], (len(truth), len(emotions), len(emotions)))
    change = right[1:].T.astype(float) - right[0][:, None]  # [clip, set]
    changes = np.broadcast_to(change[:, :, None], cells.shape)
    met = np.concatenate([result.random_predicted >= 0 for result in results], axis=2)
    hit = np.concatenate([result.random_predicted == result.truth for result in results], axis=2)
    drawn = np.where(met, hit.astype(float) - right[0], 0.0).sum(0) / np.maximum(met.sum(0), 1)
    randoms = np.broadcast_to(drawn.T[:, :, None], cells.shape)
    known = cells & met.any(0).T[:, :, None]
    return {
        "UAR": interval(np.broadcast_to(right[0][:, None].astype(float), acted.shape), acted, _mean),
        "self": interval(changes, cells, _own),
        "cross": interval(changes, cells, _others),
        "random self": interval(randoms, known, _own),
        "self minus random": interval(changes - randoms, known, _own),
    }


def _mean(recalls: np.ndarray) -> np.ndarray:
    return np.nanmean(recalls, axis=-1)


def _own(cells: np.ndarray) -> np.ndarray:
    return np.nanmean(np.diagonal(cells, axis1=-2, axis2=-1), axis=-1)


def _others(cells: np.ndarray) -> np.ndarray:
    return np.nanmean(cells[..., ~np.eye(cells.shape[-1], dtype=bool)], axis=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--emodb", type=Path, required=True, help="the folder of the corpus")
    parser.add_argument("--model", default="toy-emodb")
    parser.add_argument(
        "--folds", type=Path, help="a folder with the model of each fold; else --model is taken"
    )
    parser.add_argument("--speakers", choices=("validation", "evaluation"), default="evaluation")
    parser.add_argument("--top", type=float, default=0.05)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--out", type=Path, help="a JSON of the figures")
    arguments = parser.parse_args()
    clips = esn.corpus("emodb", root=arguments.emodb)
    speaker_of = dict(zip(clips.column("id"), clips.column("speaker"), strict=True))
    held_out = VALIDATION if arguments.speakers == "validation" else EVALUATION
    parts = [(arguments.model, TRAINING, held_out)]
    if arguments.folds:
        parts = [
            (arguments.folds / str(number), tuple(s for s in clips.speakers if s not in fold), fold)
            for number, fold in enumerate(FOLDS)
        ]
    results: list[Ablation] = []
    for model, heard, unheard in parts:
        lm = esn.load(model)
        result = silenced(
            lm,
            clips.where(speaker=heard),
            clips.where(speaker=unheard),
            top=arguments.top,
            draws=arguments.draws,
        )
        results.append(result)
        recall = "  ".join(
            f"{e} {r:.2f} ({c:+.2f})"
            for e, r, c in zip(result.emotions, result.baseline_recall, np.diag(result.change), strict=True)
        )
        print(
            f"{model} on {', '.join(unheard)}: UAR {result.baseline_uar:.2f}; recall (silenced): {recall}",
            flush=True,
        )
    figures = pooled(results, speaker_of)
    for name, value in figures.items():
        print(f"{name} {value:+.2f}")
    if arguments.out:
        kept: dict[str, Any] = {
            name: {"value": value.value, "low": value.low, "high": value.high} for name, value in figures.items()
        }
        recalls = np.mean([result.baseline_recall for result in results], axis=0)
        kept["recall"] = dict(zip(results[0].emotions, recalls.tolist(), strict=True))
        arguments.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
