"""What ablating sets that were found on few clips does to recall, over the number of clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from einops import rearrange
from jaxtyping import Float64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import (
    CHANGE,
    Interval,
    SpeakerMeans,
    few_speakers_note,
    nan_mean,
)
from esn_interp.analysis.result import told
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

    ``own`` is the mean over emotions and resamples, with 95 % bounds over the speakers of the
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
    recognition, why = options(clips, sets[0][0]), None
    try:
        random = [sets[-1][0].random_like(seed + draw) for draw in range(draws)]
    except StatisticsError as error:
        random, why = [], f"no random control: {error}"
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
    change = rearrange(
        right[1:].astype(np.float64) - right[0], "(set emotion) clip -> set emotion clip", emotion=len(emotions)
    )
    starts = np.cumsum([0, *map(len, tried)])
    by_size = np.stack([change[start:stop].mean(axis=0) for start, stop in pairwise(starts)])
    target = np.array([recognition.emotions.index(emotion) for emotion in emotions])
    means = SpeakerMeans.over_clips(by_size, heard.truth == target[:, None], heard.speaker)
    effects, speakers, sizes = Estimates.reduced(means, nan_mean, within=CHANGE), len(set(heard.speaker)), len(sets)
    unknown = float("nan")
    return Effects(
        corpus=clips.name,
        corpus_fingerprint=clips.fingerprint,
        clips=len(heard),
        speakers=speakers,
        resamples=len(sets[0]),
        own=effects.value[:sizes],
        low=effects.low[:sizes],
        high=effects.high[:sizes],
        each=means.value[:sizes],
        draws=len(random),
        random=effects.at(-1, speakers=speakers) if random else Interval(unknown, unknown, unknown, speakers),
        notes=told(why, few_speakers_note(speakers), heard.unmoved_note),
    )
