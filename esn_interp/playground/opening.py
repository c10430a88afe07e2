"""Making a bench ready: load the model, gather the statistics or read them, and say what that will take."""

from pathlib import Path
from typing import Any

from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.loading import load
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.playground.bench import Bench
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus as corpus_of
from esn_interp.tasks.collection import collect


def open_bench(
    model: str | AudioLM = "toy-omni",
    corpus: str | Clips = "toy-studio",
    *,
    statistics: str | Path | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Bench:
    """A bench of a model on a corpus; without ``statistics`` they are collected on the identification clips first.

    Parameters
    ----------
    limit
        Identification clips at most, evenly over the emotions.

    Raises
    ------
    EsnError
        When there is no such model, corpus or file, or the statistics are another model's.
    """
    stats = None if statistics is None else GateStatistics.load(statistics)
    lm: Any = load(model) if isinstance(model, str) else model
    every = corpus_of(corpus) if isinstance(corpus, str) else corpus
    validation, identification, evaluation = every.split(unheard_by=lm)
    clips = identification if limit is None else identification.limit(limit)
    if stats is None:
        stats = collect(lm, clips, per_clip=True, progress=progress)
    stats.check(lm)
    return Bench(lm, stats, evaluation, validation, clips, {"model": lm.name, "corpus": every.name})
