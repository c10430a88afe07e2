"""One model on one corpus under one seed: the stages of a study, each computed once and stored."""

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.corpus_check.measure import check_corpus
from esn_interp.analysis.corpus_check.result import CorpusCheck
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.layers.measure import layer_profile
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.analysis.selectors.measure import compare_selectors
from esn_interp.analysis.selectors.result import SelectorComparison
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.studies.cache import Undone, digest
from esn_interp.studies.recognition.baseline import Baseline, baseline
from esn_interp.studies.recognition.chance import AtChance, why_not
from esn_interp.studies.recognition.choice import Choice, Setting, choose, obstacle, trials
from esn_interp.studies.recognition.costs import SideCosts, side_costs
from esn_interp.studies.recognition.divided import Divided
from esn_interp.studies.recognition.examples import Examples, examples
from esn_interp.studies.recognition.pages import Paged
from esn_interp.studies.recognition.side_by_side import SideBySide, side_by_side
from esn_interp.tasks.chance import guesses
from esn_interp.tasks.collection import collect
from esn_interp.tasks.protocols import Protocol

SPLITS = ("validation", "identification", "evaluation")
CHECKPOINT_EVERY = 4
"""Batches after which a collection is written down, so that little is lost when it is killed."""


@dataclass(eq=False)
class Cell(Divided, Paged):
    """The three sets of speakers of a corpus, and everything that is found out with them.

    Properties compute on first use and are stored; they raise `Undone` where a task can't be done.
    """

    files: dict[str, str] = field(default_factory=dict[str, str])
    guesses: str = ""

    @cached_property
    def protocol(self) -> Protocol:
        """How the model is asked, and on how many correct clips neurons are found."""
        found = self.config.how.seeded(self.seed)
        return replace(found, identification_clips=self.config.identification_clips)

    @cached_property
    def check(self) -> CorpusCheck:
        """Whether the clips can be trusted: audio, leaks between the sets, balance, confounding."""

        def make() -> CorpusCheck:
            check = check_corpus(self.clips, assignment=self.assignment, seed=self.seed, progress=self.progress)
            check.require()
            return check

        about = {"splits": self.assignment.splits, "clips": self.clips.fingerprint, "seed": self.seed}
        return self.stored("check", about, make, CorpusCheck.load)

    @cached_property
    def baseline(self) -> Baseline:
        """Recognition without an edit."""

        return self.stored(
            "baseline",
            self._about(self.evaluation),
            lambda: baseline(
                self.model.lm, self.evaluation, self.config.batch_size, protocol=self.protocol, progress=self.progress
            ),
            Baseline.load,
        )

    @cached_property
    def statistics(self) -> GateStatistics:
        """What the gates did on the identification clips; `AtChance` where only right answers count, and are luck."""
        checkpoint = self.store.path("collect", self._statistics_key, ".partial.safetensors")

        def make() -> GateStatistics:
            return collect(
                self.model.lm,
                self.identification,
                checkpoint=checkpoint,
                checkpoint_every=CHECKPOINT_EVERY,
                per_clip=bool(self.config.relabellings),
                resume=checkpoint.exists(),
                protocol=self.protocol,
                **self._run,
            )

        about = self._about_statistics
        statistics = self.stored("collect", about, make, GateStatistics.load, suffix=".safetensors")
        checkpoint.unlink(missing_ok=True)
        if self.corpus.filter == "correct" and (told := guesses(statistics.seen, statistics.kept)):
            self.guesses = why_not(self.title, self.protocol.title, told)
            raise AtChance(self.guesses)
        return statistics

    @cached_property
    def comparison(self) -> SelectorComparison:
        """Every selector and size, tried on the validation clips; where several scopes are, under the chosen one."""
        scopes = self.config.tried_scopes
        scope = self.setting.scope if len(scopes) > 1 else scopes[0]
        found = self.comparisons[scope]
        self.files["comparison"] = self.files[f"comparison {scope}"]
        return found

    @cached_property
    def comparisons(self) -> dict[str, SelectorComparison]:
        """Every selector and size, tried on the validation clips under each scope."""
        return {scope: self._compared(scope) for scope in self.config.tried_scopes}

    @cached_property
    def choice(self) -> Choice:
        """What became of every setting on the validation clips, and which is chosen."""
        tried = trials({scope: found.own for scope, found in self.comparisons.items()}, self.config)
        return choose(tried, self.config, obstacle=self._obstacle, flip_rate=self._flip_rate)

    @property
    def setting(self) -> Setting:
        """How neurons are selected."""
        if self.choice.chosen is None:
            raise Undone(
                f"{self.title}: no setting leaves neurons for every emotion and room for random controls;"
                f" the first, {self.choice.unusable[0]}; try smaller sizes, or more clips"
            )
        return self.choice.chosen.setting

    @cached_property
    def neurons(self) -> NeuronSet:
        """The neurons of the setting that did best on the validation clips."""
        return self.stored(
            "select",
            self._neurons_of(self.setting),
            lambda: self._select(self.setting),
            NeuronSet.load,
            name="neurons",
            suffix=".safetensors",
        )

    @cached_property
    def ablation(self) -> Ablation:
        """The neurons silenced, on the evaluation clips."""
        how = {"draws": self.config.draws, **self.config.null}
        return self.stored(
            "ablate",
            {**self._about(self.evaluation), "neurons": self.neurons_key, **how},
            lambda: ablation(self.model.lm, self.evaluation, self.neurons, stats=self.statistics, **how, **self._run),
            Ablation.load,
            name="ablation",
        )

    @cached_property
    def side_by_side(self) -> SideBySide:
        """The neurons silenced and turned up, on the evaluation clips, asked as both protocols ask."""
        how: dict[str, Any] = {"alpha": float(self.config.alphas[0] or self.config.alphas[-1]), **self._run}
        return self.stored(
            "protocols",
            {**self._about(self.evaluation), "neurons": self.neurons_key, "alpha": how["alpha"]},
            lambda: side_by_side(self.model.lm, self.evaluation, self.neurons, **how),
            SideBySide.load,
        )

    @cached_property
    def trial_doses(self) -> DoseResponse:
        """The neurons turned up, on the validation clips: for choosing a gain."""
        return self._doses(self.validation, self.setting, self.config.alphas)

    @cached_property
    def doses(self) -> DoseResponse:
        """The neurons turned up, on the evaluation clips."""
        how = {"draws": self.config.draws, **self.config.null, "null_alpha": self.alpha}
        return self._doses(self.evaluation, self.setting, self.config.alphas, name="doses", **how)

    @property
    def alpha(self) -> float:
        """The gain that turned most validation clips of other emotions into the target; of equals, the gentlest."""
        return self.trial_doses.best_alpha

    @cached_property
    def costs(self) -> SideCosts:
        """What silencing costs beside the emotion, and whether steered answers still make sense."""
        limit = self.config.side_clips

        def make() -> SideCosts:
            asked, how = self.evaluation.limit(limit, seed=self.seed), self._run
            del how["seed"]
            return side_costs(self.model.lm, asked, self.neurons, alpha=self.alpha, **how)

        about = self._steered | {"clips asked": limit}
        return self.stored("cost", about, make, SideCosts.load, name="costs")

    @cached_property
    def examples(self) -> Examples:
        """One evaluation clip of each emotion, and what the model answers to it."""
        how: dict[str, Any] = {"alpha": self.alpha, "seed": self.seed, "progress": self.progress}
        return self.stored(
            "listen",
            self._steered,
            lambda: examples(self.model.lm, self.evaluation, self.neurons, **how),
            Examples.load,
        )

    @cached_property
    def layers(self) -> LayerProfile:
        """Where in the network the neurons are."""
        stats = self.statistics if self.config.relabellings else None
        about = {"neurons": self.neurons_key, "seed": self.seed, "relabelled": stats is not None}
        make = partial(layer_profile, self.neurons, stats, seed=self.seed)
        return self.stored("layers", about, make, LayerProfile.load)

    @cached_property
    def neurons_key(self) -> str:
        """What names the neurons in the store."""
        return digest(self._neurons_of(self.setting))

    # ---------------------------------------------------------------- plumbing

    @property
    def _run(self) -> dict[str, Any]:
        """How everything is run."""
        return {"seed": self.seed, "batch_size": self.config.batch_size, "progress": self.progress}

    def _about(self, clips: Clips) -> dict[str, Any]:
        """What every run on some clips depends on."""
        asked = self.protocol.wording.told | ({"official": True} if self.protocol.official else {})
        return {
            **({"asked": asked} if asked else {}),
            "model": self.model.identity,
            "corpus": clips.name,
            "clips": clips.fingerprint,
            "emotions": clips.emotions,
            "batch_size": self.config.batch_size,
            "seed": self.seed,
        }

    @property
    def _steered(self) -> dict[str, Any]:
        return {**self._about(self.evaluation), "neurons": self.neurons_key, "alpha": self.alpha}

    @property
    def _about_statistics(self) -> dict[str, Any]:
        most = self.config.identification_clips
        kept = {"per_clip": True} if self.config.relabellings else {}
        return self._about(self.identification) | ({} if most is None else {"correct": most}) | kept

    @cached_property
    def _statistics_key(self) -> str:
        return digest(self._about_statistics)

    def _neurons_of(self, setting: Setting) -> dict[str, Any]:
        """What the neurons of a setting depend on."""
        how = {"scope": setting.scope, "filter": self.corpus.filter, "selector": setting.selector, "top": setting.top}
        how |= {} if self.config.pooling is None else {"pooling": self.config.pooling}
        return {**how, "statistics": self._statistics_key}

    def _select(self, setting: Setting) -> NeuronSet:
        return select(
            self.statistics,
            setting.selector,
            top=setting.top,
            scope=setting.scope,
            pooling=self.config.pooling,
            filter=self.corpus.filter,
            seed=self.seed,
        )

    def _compared(self, scope: str) -> SelectorComparison:
        config = self.config
        selection: dict[str, Any] = {"scope": scope, "filter": self.corpus.filter}
        selection |= {} if config.pooling is None else {"pooling": config.pooling}
        tried = {"selectors": config.selectors, "tops": config.tops, "draws": config.validation_draws}
        return self.stored(
            "select",
            {**self._about(self.validation), **selection, **tried, "statistics": self._statistics_key},
            lambda: compare_selectors(
                self.model.lm, self.validation, self.statistics, **tried, **selection, **self._run
            ),
            SelectorComparison.load,
            name=f"comparison {scope}",
        )

    def _obstacle(self, setting: Setting) -> str:
        return obstacle(self._select(setting), seed=self.seed)

    def _flip_rate(self, setting: Setting) -> float:
        """The mean flip rate over the target emotions at the largest gain, on the validation clips."""
        alpha = float(max(self.config.alphas))
        # By its setting: else every one of a study would look like a change of the one before.
        name = f"flips {setting.selector} {setting.top:g} {setting.scope}"
        return self._doses(self.validation, setting, (alpha,), name=name).flip_rate(alpha).value

    def _doses(
        self,
        clips: Clips,
        setting: Setting,
        alphas: tuple[float, ...],
        *,
        name: str = "trial_doses",
        **other: Any,
    ) -> DoseResponse:
        how = {"alphas": alphas, "draws": 0, "relabellings": 0, **other}
        neurons = digest(self._neurons_of(setting))
        return self.stored(
            "dose",
            {**self._about(clips), "neurons": neurons, **how},
            lambda: dose_response(
                self.model.lm, clips, self._select(setting), stats=self.statistics, **how, **self._run
            ),
            DoseResponse.load,
            name=name,
        )
