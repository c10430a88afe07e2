"""One model on one corpus under one seed: the stages of a study, each computed once and kept."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int64

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.corpus_check.measure import CorpusCheck, check_corpus
from esn_interp.analysis.dose.measure import DoseResponse, dose_response
from esn_interp.analysis.inference.significance import RATE, Interval, SpeakerMeans, nan_mean
from esn_interp.analysis.layers.measure import LayerProfile, layer_profile
from esn_interp.analysis.result import Result
from esn_interp.analysis.selectors.measure import SelectorComparison, compare_selectors
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.speech.splits import Assignment
from esn_interp.studies.cache import Store, Undone, digest
from esn_interp.studies.config import CorpusSpec, StudyConfig
from esn_interp.studies.models import StudiedModel
from esn_interp.tasks.collection import collect
from esn_interp.tasks.recognition import recognise

CHECKPOINT_EVERY = 4
"""Batches after which a collection is written down, so that little is lost when it is killed."""


@dataclass(frozen=True, eq=False)
class Baseline(Result):
    """How well the unedited model recognises emotions: recall per emotion with 95 % intervals over speakers."""

    kind: ClassVar[str] = "baseline"

    emotions: tuple[str, ...]
    uar: Interval
    accuracy: float
    macro_f1: float
    recall: Float64[np.ndarray, " emotion"]
    recall_low: Float64[np.ndarray, " emotion"]
    recall_high: Float64[np.ndarray, " emotion"]
    confusion: Int64[np.ndarray, "truth answer"]
    clips: int
    speakers: int
    skipped: tuple[str, ...]


@dataclass(eq=False)
class Cell:
    """The three sets of speakers of a corpus, and everything that is found out with them.

    Properties compute on first use and are kept in the store; they raise `Undone` where a task can't be done.
    """

    config: StudyConfig
    model: StudiedModel
    corpus: CorpusSpec
    clips: Clips
    seed: int
    store: Store
    progress: bool = True
    title: str = field(init=False)

    def __post_init__(self) -> None:
        self.title = f"{self.model.title} on {self.corpus.title}"
        if len(self.config.seeds) > 1:
            self.title += f", seed {self.seed}"

    @cached_property
    def assignment(self) -> Assignment:
        """Who is in which split; speakers that the model has heard are kept out of the evaluation."""
        taught = {"unheard_by": self.model} if self.corpus.split.get("by") in (None, "speaker") else {}
        return self.clips.assign(seed=self.seed, **taught, **self.corpus.split)

    @cached_property
    def splits(self) -> tuple[Clips, Clips, Clips]:
        """Validation, identification and evaluation clips."""
        parts = self.clips.divide(self.assignment)
        if (limit := self.corpus.limit) is None:
            return parts
        validation, identification, evaluation = (part.limit(limit, seed=self.seed) for part in parts)
        return validation, identification, evaluation

    @property
    def validation(self) -> Clips:
        """What settings are chosen on."""
        return self.splits[0]

    @property
    def identification(self) -> Clips:
        """What neurons are found on."""
        return self.splits[1]

    @property
    def evaluation(self) -> Clips:
        """What effects are measured on, once."""
        return self.splits[2]

    @cached_property
    def check(self) -> CorpusCheck:
        """Whether the clips can be trusted: audio, leaks between the sets, balance, confounding."""
        key = digest({"splits": self.assignment.splits, "clips": self.clips.fingerprint, "seed": self.seed})

        def make() -> CorpusCheck:
            check = check_corpus(
                self.clips, assignment=self.assignment, seed=self.seed, progress=self.progress
            )
            check.require()
            return check

        return self.store.fetch("check", key, make, CorpusCheck.load)

    @cached_property
    def baseline(self) -> Baseline:
        """Recognition without an edit."""
        key = digest(self._about(self.evaluation))

        def make() -> Baseline:
            return _baseline(self.model, self.evaluation, self.config.batch_size, progress=self.progress)

        return self.store.fetch("baseline", key, make, Baseline.load)

    @cached_property
    def statistics(self) -> GateStatistics:
        """What the gates did on the identification clips."""
        key = self._statistics_key
        checkpoint = self.store.path("collect", key, ".partial.safetensors")

        def make() -> GateStatistics:
            return collect(
                self.model.lm,
                self.identification,
                batch_size=self.config.batch_size,
                checkpoint=checkpoint,
                checkpoint_every=CHECKPOINT_EVERY,
                resume=checkpoint.exists(),
                seed=self.seed,
                progress=self.progress,
            )

        statistics = self.store.fetch("collect", key, make, GateStatistics.load, suffix=".safetensors")
        checkpoint.unlink(missing_ok=True)
        return statistics

    @cached_property
    def comparison(self) -> SelectorComparison:
        """Every selector and size, tried on the validation clips."""
        key = digest(
            {
                **self._about(self.validation),
                **self._selection,
                "statistics": self._statistics_key,
                "selectors": self.config.selectors,
                "tops": self.config.tops,
                "draws": self.config.validation_draws,
            }
        )

        def make() -> SelectorComparison:
            return compare_selectors(
                self.model.lm,
                self.validation,
                self.statistics,
                selectors=self.config.selectors,
                tops=self.config.tops,
                draws=self.config.validation_draws,
                seed=self.seed,
                batch_size=self.config.batch_size,
                progress=self.progress,
                **self._selection,
            )

        return self.store.fetch("select", key, make, SelectorComparison.load)

    @cached_property
    def neurons(self) -> NeuronSet:
        """The neurons of the selector and size that did best on the validation clips."""
        selector, top = self._choice
        return self.store.fetch(
            "select",
            self._neurons_key,
            lambda: self._select(selector, top),
            NeuronSet.load,
            suffix=".safetensors",
        )

    @cached_property
    def ablation(self) -> Ablation:
        """The neurons silenced, on the evaluation clips."""
        key = digest(
            {**self._about(self.evaluation), "neurons": self._neurons_key, "draws": self.config.draws}
        )

        def make() -> Ablation:
            return ablation(
                self.model.lm,
                self.evaluation,
                self.neurons,
                draws=self.config.draws,
                seed=self.seed,
                batch_size=self.config.batch_size,
                progress=self.progress,
            )

        return self.store.fetch("ablate", key, make, Ablation.load)

    @cached_property
    def trial_doses(self) -> DoseResponse:
        """The neurons turned up, on the validation clips: for choosing a gain."""
        return self._doses(self.validation, draws=0)

    @cached_property
    def doses(self) -> DoseResponse:
        """The neurons turned up, on the evaluation clips."""
        return self._doses(self.evaluation, draws=self.config.draws)

    @property
    def alpha(self) -> float:
        """The gain that turned most validation clips of other emotions into the target."""
        return self.trial_doses.best_alpha

    @cached_property
    def layers(self) -> LayerProfile:
        """Where in the network the neurons are."""
        key = digest({"neurons": self._neurons_key, "seed": self.seed})
        return self.store.fetch(
            "layers", key, lambda: layer_profile(self.neurons, seed=self.seed), LayerProfile.load
        )

    @property
    def neurons_key(self) -> str:
        """What names the neurons in the store."""
        return self._neurons_key

    # ---------------------------------------------------------------- plumbing

    @property
    def _selection(self) -> dict[str, Any]:
        return {"scope": self.config.scope, "filter": self.corpus.filter}

    def _about(self, clips: Clips) -> dict[str, Any]:
        """What every run on some clips depends on."""
        return {
            "model": self.model.identity,
            "corpus": clips.name,
            "clips": clips.fingerprint,
            "emotions": clips.emotions,
            "batch_size": self.config.batch_size,
            "seed": self.seed,
        }

    @cached_property
    def _statistics_key(self) -> str:
        return digest(self._about(self.identification))

    @cached_property
    def _choice(self) -> tuple[str, float]:
        """The most specific setting that leaves neurons for every emotion and room for random controls."""
        comparison = self.comparison
        values = comparison.own.specificity.value
        cells = [(s, t) for t in range(len(comparison.tops)) for s in range(len(comparison.selectors))]
        for s, t in sorted(cells, key=lambda cell: np.nan_to_num(values[cell], nan=np.inf)):
            selector, top = comparison.selectors[s], float(comparison.tops[t])
            if comparison.neurons[s, t].min() > 0 and _leaves_room(self._select(selector, top)):
                return selector, top
        raise Undone(
            f"{self.title}: no setting leaves neurons for every emotion and room for random controls;"
            " try smaller sizes, or more clips"
        )

    @cached_property
    def _neurons_key(self) -> str:
        selector, top = self._choice
        return digest(
            {**self._selection, "statistics": self._statistics_key, "selector": selector, "top": top}
        )

    def _select(self, selector: str, top: float) -> NeuronSet:
        return select(self.statistics, selector, top=top, seed=self.seed, **self._selection)

    def _doses(self, clips: Clips, *, draws: int) -> DoseResponse:
        key = digest(
            {**self._about(clips), "neurons": self._neurons_key, "alphas": self.config.alphas, "draws": draws}
        )

        def make() -> DoseResponse:
            return dose_response(
                self.model.lm,
                clips,
                self.neurons,
                alphas=self.config.alphas,
                draws=draws,
                seed=self.seed,
                batch_size=self.config.batch_size,
                progress=self.progress,
            )

        return self.store.fetch("dose", key, make, DoseResponse.load)


def _leaves_room(neurons: NeuronSet) -> bool:
    try:
        neurons.random_like(0)
    except StatisticsError:
        return False
    return True


def _baseline(model: StudiedModel, clips: Clips, batch_size: int, *, progress: bool) -> Baseline:
    answers = recognise(model.lm, clips, batch_size=batch_size, progress=progress)
    right, emotions = answers.correct[0], answers.emotions
    speaker = np.unique(np.array(answers.speaker), return_inverse=True)[1]
    of_emotion = answers.truth[:, None] == np.arange(len(emotions))
    outcome = np.repeat(right[:, None], len(emotions), axis=1)
    recall = SpeakerMeans.of(outcome, of_emotion, speaker, speakers=int(speaker.max()) + 1)
    low, high = recall.bounds(within=RATE)
    return Baseline(
        emotions=emotions,
        uar=recall.interval(nan_mean, within=RATE),
        accuracy=answers.accuracy(),
        macro_f1=answers.macro_f1(),
        recall=recall.value,
        recall_low=low,
        recall_high=high,
        confusion=answers.confusion(),
        clips=len(answers),
        speakers=len(set(answers.speaker)),
        skipped=tuple(f"{one.clip}: {one.reason}" for one in answers.skipped),
    )
