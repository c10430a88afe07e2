"""What ablating sets that were found on few clips does to recall, over the number of clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.inference.significance import (
    CHANGE,
    Interval,
    SpeakerMeans,
    few_speakers_note,
    nan_mean,
)
from esn_interp.analysis.trials import options
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, recognise


@dataclass(frozen=True, eq=False)
class Effects:
    """Change of an emotion's recall under ablation of its own neurons, found on few clips; the last is all.

    ``own`` is the mean over emotions and resamples, with 95 % cluster-t bounds over the speakers of the
    evaluation clips; ``each`` holds each emotion's, mean over the resamples. Signed fractions: -0.2 is a loss
    of 20 points. All clips count, right or wrong. ``random`` is the same for ``draws`` layer-matched random
    sets instead of the set from all clips.
    """

    corpus: str
    corpus_fingerprint: str
    clips: int
    speakers: int
    resamples: int
    own: Float64[np.ndarray, " size"]
    low: Float64[np.ndarray, " size"]
    high: Float64[np.ndarray, " size"]
    each: Float64[np.ndarray, "size emotion"]
    draws: int
    random: Interval
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The change with the fewest and with all clips, in points."""
        few, every = (
            f"{100 * self.own[at]:+.1f} [{100 * self.low[at]:+.1f}, {100 * self.high[at]:+.1f}]"
            for at in (0, -1)
        )
        control = f", random neurons by {self.random.scaled(100):+.1f}" if self.draws else ""
        return (
            f"Ablating them changes an emotion's own recall by {few} points with the fewest clips, {every} with"
            f" all{control} ({self.clips} clips of {self.speakers} speakers)."
        )


def measure_effects(
    lm: Listener,
    clips: Clips,
    sets: Sequence[Sequence[NeuronSet]],
    *,
    draws: int,
    seed: int,
    batch_size: int,
    progress: bool,
) -> Effects:
    """Ablate (to zero, everywhere) every set of every size in one pass over the clips.

    ``sets`` holds, for each number of clips, the sets of its resamples; ``draws`` random sets are drawn like
    the last.
    """
    emotions = sets[0][0].emotions
    sets[0][0].check(lm)
    recognition, notes = options(clips, sets[0][0]), list[str]()
    try:
        random = [sets[-1][0].random_like(seed + draw) for draw in range(draws)]
    except StatisticsError as error:
        random = []
        notes.append(f"no random control: {error}")
    tried = [*sets, random] if random else sets
    conditions = {
        f"{size}/{resample}/{emotion}": deactivate(one[emotion]) if len(one[emotion]) else ()
        for size, drawn in enumerate(tried)
        for resample, one in enumerate(drawn)
        for emotion in emotions
    }
    heard = recognise(
        lm,
        clips,
        conditions={BASELINE: (), **conditions},
        recognition=recognition,
        batch_size=batch_size,
        progress=progress,
        description="Ablating",
    )
    right = heard.predicted == heard.truth
    change = (right[1:].astype(np.float64) - right[0]).reshape(-1, len(emotions), len(heard))
    starts = np.cumsum([0, *map(len, tried)])
    by_size = np.stack([change[start:stop].mean(axis=0) for start, stop in pairwise(starts)])
    speaker = np.unique(np.array(heard.speaker), return_inverse=True)[1]
    target = np.array([recognition.emotions.index(emotion) for emotion in emotions])
    mask = np.broadcast_to(heard.truth == target[:, None], by_size.shape)
    speakers = int(speaker.max(initial=-1)) + 1
    means = SpeakerMeans.of(np.moveaxis(by_size, -1, 0), np.moveaxis(mask, -1, 0), speaker, speakers=speakers)
    own, low, high = means.reduced(nan_mean, within=CHANGE)
    if note := few_speakers_note(speakers):
        notes.append(note)
    unknown = float("nan")
    control = Interval(float(own[-1]), float(low[-1]), float(high[-1]), speakers)
    sizes = len(sets)
    return Effects(
        corpus=clips.name,
        corpus_fingerprint=clips.fingerprint,
        clips=len(heard),
        speakers=speakers,
        resamples=len(sets[0]),
        own=own[:sizes],
        low=low[:sizes],
        high=high[:sizes],
        each=means.value[:sizes],
        draws=len(random),
        random=control if random else Interval(unknown, unknown, unknown, speakers),
        notes=tuple(notes),
    )
