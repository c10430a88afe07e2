"""What an edit costs elsewhere: transcription, the speaker's sex, and the broader dimensions of emotion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.errors import CorpusError
from esn_interp.models.edits import Edit
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clip, Clips
from esn_interp.tasks.batches import Batch, Skipped, batches
from esn_interp.tasks.judges.word_errors import errors
from esn_interp.tasks.listener import Listener, longest_clip, scores_under
from esn_interp.tasks.recognition import BASELINE

TRANSCRIPTION = "Transcribe the speech."
VALENCE = {
    **{"neutral": "neutral", "happy": "positive", "angry": "negative", "sad": "negative"},
    **{"fearful": "negative", "disgusted": "negative", "bored": "negative"},
}
AROUSAL = {
    **{"neutral": "low", "happy": "high", "angry": "high", "sad": "low", "fearful": "high"},
    **{"bored": "low", "surprised": "high"},
}


@dataclass(frozen=True)
class Choice:
    """A question with a few answers, and the right one for a clip (empty where it is not known)."""

    prompt: str
    labels: tuple[str, ...]
    truth: Callable[[Clip], str]


CHOICES = {
    "sex": Choice("Is the speaker male or female?", ("male", "female"), lambda clip: clip.sex),
    "valence": Choice(
        "Is the valence positive, neutral or negative?",
        ("positive", "neutral", "negative"),
        lambda clip: VALENCE.get(clip.emotion, ""),
    ),
    "arousal": Choice(
        "Is the arousal high or low?", ("high", "low"), lambda clip: AROUSAL.get(clip.emotion, "")
    ),
}
TASKS = ("transcription", *CHOICES)


@dataclass(frozen=True, eq=False)
class OffTarget:
    """Accuracy of the side tasks for every clip under every condition, from 0 to 1.

    ``accuracy`` is 1 - min(WER, 1) for transcription and 0 or 1 for the choices; NaN where the right answer
    is not known. Valence and arousal follow from the emotion, so that an edit that changes the emotion heard
    should change them too: they tell what the neurons stand for, the other two what else they do.
    """

    conditions: tuple[str, ...]
    tasks: tuple[str, ...]
    accuracy: Float64[np.ndarray, "condition task clip"]
    transcripts: Mapping[str, tuple[str, ...]]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    def mean(self, task: str, condition: str = BASELINE) -> float:
        """Mean accuracy of a task over the clips whose right answer is known; NaN when there is none."""
        values = self.accuracy[self.conditions.index(condition), self.tasks.index(task)]
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    def drop(self, task: str, condition: str) -> float:
        """What a condition costs: the unedited accuracy minus the edited; positive is worse."""
        return self.mean(task) - self.mean(task, condition)

    def mean_drop(self, task: str) -> float:
        """Mean cost over all conditions but the unedited one."""
        return float(np.mean([self.drop(task, name) for name in self.conditions if name != BASELINE]))

    def to_frame(self) -> pd.DataFrame:
        """One row per condition: its name, and the mean accuracy of each task in a column."""
        return pd.DataFrame(
            [{"condition": c} | {task: self.mean(task, c) for task in self.tasks} for c in self.conditions]
        )


def off_target(
    lm: Listener,
    clips: Clips,
    *,
    conditions: Mapping[str, Sequence[Edit]],
    tasks: Sequence[str] = TASKS,
    limit: int | None = None,
    seed: int = 0,
    max_new_tokens: int = 96,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> OffTarget:
    """Ask for things that are not the emotion, under every condition.

    Transcripts are generated greedily; sex, valence and arousal are scored labels, on audio that is heard
    once per batch and question. The unedited model is added as ``baseline`` where it is missing.

    Parameters
    ----------
    tasks
        Any of ``transcription``, ``sex``, ``valence``, ``arousal``.
    limit
        Ask about so many clips only, evenly over the emotions, drawn with ``seed``.

    Raises
    ------
    CorpusError
        On an unknown task, or when no clip can be used.
    """
    if unknown := [task for task in tasks if task not in TASKS]:
        raise CorpusError(f"unknown side task {unknown[0]!r}; choose from {', '.join(TASKS)}")
    clips = clips if limit is None else clips.limit(limit, seed=seed)
    plan = {BASELINE: (), **conditions}
    accuracy = np.full((len(plan), len(tasks), len(clips)), np.nan)
    transcripts = {name: [""] * len(clips) for name in plan} if TASKS[0] in tasks else {}
    skipped: list[Skipped] = []
    rows: list[int] = []
    total = len(clips) * len(tasks) * len(plan)
    with progress_bar("Asking for other things", total, enabled=progress) as advance:
        for batch in batches(
            clips, batch_size=batch_size, skipped=skipped, strict=strict, longest=longest_clip(lm)
        ):
            rows += batch.rows
            for at, task in enumerate(tasks):
                if task in CHOICES:
                    accuracy[:, at, batch.rows] = _choose(lm, batch, CHOICES[task], plan)
                    advance(len(batch) * len(plan))
                    continue
                for row, (name, edits) in enumerate(plan.items()):
                    texts = lm.generate(
                        batch.waveforms, TRANSCRIPTION, edits=edits, max_new_tokens=max_new_tokens
                    )
                    for clip, position, text in zip(batch.clips, batch.rows, texts, strict=True):
                        transcripts[name][position] = text
                        accuracy[row, at, position] = transcription_accuracy(clip.transcript, text)
                    advance(len(batch))
    if not rows:
        raise CorpusError(f"corpus {clips.name}: no clip to ask about")
    rows.sort()
    ids, speakers = clips.column("id"), clips.column("speaker")
    return OffTarget(
        conditions=tuple(plan),
        tasks=tuple(tasks),
        accuracy=accuracy[:, :, rows],
        transcripts={name: tuple(texts[row] for row in rows) for name, texts in transcripts.items()},
        clips=tuple(ids[row] for row in rows),
        speakers=tuple(speakers[row] for row in rows),
        skipped=tuple(skipped),
    )


def transcription_accuracy(reference: str, hypothesis: str) -> float:
    """1 - min(WER, 1), case and punctuation aside; NaN without a reference.

    Capping the word error rate keeps a clip on which the model runs away from outweighing all others.
    """
    return 1.0 - min(errors(reference, hypothesis).wer, 1.0)


def _choose(
    lm: Listener, batch: Batch, choice: Choice, plan: Mapping[str, Sequence[Edit]]
) -> Float64[np.ndarray, "condition clip"]:
    truth = [choice.truth(clip) for clip in batch.clips]
    if not any(truth):
        return np.full((len(plan), len(batch)), np.nan)
    encoded = lm.encode(batch.waveforms, choice.prompt)
    right = np.array(
        [
            [choice.labels[best] == known for best, known in zip(scores.argmax(axis=1), truth, strict=True)]
            for scores in scores_under(lm, encoded, choice.labels, list(plan.values()))[0]
        ],
        dtype=np.float64,
    )
    return np.where([known in choice.labels for known in truth], right, np.nan)
