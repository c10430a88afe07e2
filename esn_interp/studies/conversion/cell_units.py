"""What every stage of a conversion study needs: the clips of each split, and units of work that are done once."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from esn_interp.analysis.conversion.measures import Outcomes
from esn_interp.analysis.conversion.settings_result import SteeringSetting
from esn_interp.errors import CorpusError
from esn_interp.interventions.edits import steer
from esn_interp.models.conversion import ConversionPrompt, conversion_prompt
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics, merge
from esn_interp.speech.clips import Clips
from esn_interp.studies.cache import Undone, digest
from esn_interp.studies.conversion.judges import Judges
from esn_interp.studies.conversion.sounds import Sounds
from esn_interp.studies.conversion.units import UNEDITED, Condition, Unit
from esn_interp.studies.work import StudiedCell
from esn_interp.tasks.conversion import conversions
from esn_interp.tasks.success import conversion_statistics

SPLITS = ("validation", "identification", "evaluation")
_FURTHER = 1_000_003  # between the seeds of two attempts: seeds of studies are small numbers


@dataclass(eq=False)
class CellUnits(StudiedCell):
    """Three sets of speakers, and what becomes of their clips when they are said otherwise.

    Properties compute on first use and are stored; they raise `Undone` where a task can't be done.
    """

    judges: Judges = field(kw_only=True)
    _sets: dict[tuple[str, float, bool], NeuronSet] = field(default_factory=dict[tuple[str, float, bool], NeuronSet])
    _columns: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])
    _keys: dict[Unit, str] = field(default_factory=dict[Unit, str])
    _outcomes: dict[Unit, Outcomes] = field(default_factory=dict[Unit, Outcomes])

    # ---------------------------------------------------------------- clips

    @cached_property
    def splits(self) -> dict[str, Clips]:
        """Clips of the source emotions, by split; speakers that the model has heard are not evaluated on."""
        parts = self.clips.split(**self.division)
        limits = {name: getattr(self.config, f"{name}_clips") for name in SPLITS}
        return {
            name: _of_each_speaker(_spoken_in(part, self.config.sources), limits[name], seed=self.seed)
            for name, part in zip(SPLITS, parts, strict=True)
        }

    # ---------------------------------------------------------------- units

    def column(self, split: str, name: str) -> list[str]:
        """A column of a split's clips, read once."""
        if (split, name) not in self._columns:
            self._columns[split, name] = [str(value) for value in self.splits[split].column(name)]
        return self._columns[split, name]

    def key(self, unit: Unit) -> str:
        """What a unit's result depends on, as a name."""
        if unit not in self._keys:
            self._keys[unit] = self._key(unit)
        return self._keys[unit]

    def _key(self, unit: Unit) -> str:
        about: dict[str, Any] = self.about | {
            "clips": [self.column(unit.split, "id")[row] for row in unit.rows],
            "unit": asdict(unit) | {"rows": None},
        }
        if unit.condition.setting is not None:
            about |= {"neurons": self._sampled, "scope": self.config.scope}
        return digest(about)

    @cached_property
    def about(self) -> dict[str, Any]:
        """What every unit depends on."""
        return {
            "model": self.model.identity,
            "corpus": self.clips.fingerprint,
            "seed": self.seed,
            "judges": [getattr(self.config, f"{name}_judge") for name in ("filter", "score", "transcript", "speaker")],
            "success": asdict(self.config.success),
            "manner": asdict(self.config.manner),
            "prompt": [self.config.prompt, self.config.system],
        }

    def done(self, unit: Unit) -> bool:
        """Whether a unit's result is there."""
        key = self.key(unit)
        return self.store.path("units", key, ".json").exists() or self.store.failure("units", key) is not None

    def outcomes(self, unit: Unit) -> Outcomes:
        """What became of a unit's conversions."""
        if unit not in self._outcomes:
            key = self.key(unit)
            self._outcomes[unit] = self.store.fetch("units", key, lambda: self._perform(unit), Outcomes.load)
        return self._outcomes[unit]

    def sounds(self, unit: Unit) -> Sounds:
        """What was said in a unit that keeps its sounds."""
        self.outcomes(unit)
        return Sounds.load(self.store.path("units", self.key(unit), ".sounds.safetensors"))

    def _perform(self, unit: Unit) -> Outcomes:
        lm, key = self.model.lm, self.key(unit)
        clips = self.splits[unit.split].take(list(unit.rows))
        run = conversions(
            lm,
            clips,
            unit.targets,
            prompt=self.prompt,
            edits_for=None if unit.condition == UNEDITED else lambda target: self._edits(unit.condition, target),
            gates=unit.gates,
            manner=self.config.manner,
            batch_size=self.config.batch_size,
            seed=self.seed + _FURTHER * unit.attempt,
            progress=False,
        )
        verdicts = self.judges.verdicts(run)
        # Written before the outcomes, whose file says that the unit is done.
        if unit.gates and any(sums is not None for sums in run.reductions or ()):
            statistics = conversion_statistics(lm, run, verdicts)
            if unit.attempt:  # at the same clips, but another recording of the model
                origin = statistics.origin
                fingerprint = f"{origin.corpus_fingerprint}/{unit.attempt}"
                statistics = replace(statistics, origin=replace(origin, corpus_fingerprint=fingerprint))
            statistics.save(self.store.path("units", key, ".safetensors"))
        if unit.sounds:
            Sounds.made(run.conversions).save(self.store.path("units", key, ".sounds.safetensors"))
        return self.judges.outcomes(run, verdicts, clips, measured=unit.prosody)

    @property
    def prompt(self) -> ConversionPrompt:
        """What the model is asked: in its own way, unless the study says otherwise."""
        own = conversion_prompt(self.model.lm)
        if self.config.prompt is None and self.config.system is None:
            return own
        system = own.system if self.config.system is None else self.config.system
        return ConversionPrompt(self.config.prompt or own.prompt, system)

    def _edits(self, condition: Condition, target: str) -> Sequence[Edit]:
        assert condition.setting is not None
        neurons = self.neurons_of(condition.setting)[condition.neurons_of or target]
        if not len(neurons):
            return ()
        if condition.draw is not None:
            neurons = neurons.random_like(self.seed * self.config.draws + condition.draw)
        return steer(neurons, condition.setting.alpha)

    # ---------------------------------------------------------------- neurons

    @cached_property
    def sampling(self) -> tuple[Unit, ...]:
        """The identification speakers' conversions, a unit for each speaker and attempt."""
        parts, targets = self.by_speaker("identification"), self.config.targets
        return tuple(
            Unit("identification", rows, targets, gates=True, prosody=not attempt, attempt=attempt)
            for attempt in range(self.config.attempts)
            for rows in parts
        )

    @cached_property
    def statistics(self) -> GateStatistics:
        """What the gates did in the conversions of the identification speakers."""
        for unit in self.sampling:
            self.outcomes(unit)
        paths = [self.store.path("units", key, ".safetensors") for key in self._sampled]
        # A speaker in whose conversions nothing was said has left no gates.
        shards = [GateStatistics.load(path) for path in paths if path.exists()]
        if not shards:
            raise Undone("no conversion of the identification speakers left gates: nothing was said")
        return merge(shards)

    def neurons_of(self, setting: SteeringSetting) -> NeuronSet:
        """The neurons of a setting, whatever its gain.

        Raises
        ------
        StatisticsError
            When too few conversions passed the filter.
        """
        which = (setting.selector, setting.top, setting.filtered)
        if which not in self._sets:
            self._sets[which] = select(
                self.statistics,
                setting.selector,
                top=setting.top,
                scope=self.config.scope,
                filter="correct" if setting.filtered else "none",
                seed=self.seed,
            )
        return self._sets[which]

    @cached_property
    def _sampled(self) -> list[str]:
        """What names the conversions that neurons are found on."""
        return [self.key(unit) for unit in self.sampling]

    def by_speaker(self, split: str) -> list[tuple[int, ...]]:
        """Positions of each speaker's clips."""
        speakers = self.column(split, "speaker")
        return [
            tuple(row for row, name in enumerate(speakers) if name == speaker) for speaker in sorted(set(speakers))
        ]


def _spoken_in(clips: Clips, sources: Iterable[str]) -> Clips:
    rows = [row for row, emotion in enumerate(clips.column("emotion")) if emotion in set(sources)]
    if not rows:
        asked, had = ", ".join(sources), ", ".join(clips.emotions)
        raise CorpusError(f"corpus {clips.name}: no clip is {asked}, to be said otherwise; its emotions are {had}")
    return clips.take(rows)


def _of_each_speaker(clips: Clips, count: int | None, *, seed: int) -> Clips:
    rows = rows_of_each(clips, count, seed=seed)
    return clips if len(rows) == len(clips) else clips.take(list(rows))


def rows_of_each(clips: Clips, count: int | None, *, seed: int) -> tuple[int, ...]:
    """Positions of so many clips of each speaker, by a seeded draw, in the order of the corpus."""
    speakers, rng = np.array(clips.column("speaker")), np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(speakers == name))[:count] for name in np.unique(speakers)]
    return tuple(int(row) for row in np.sort(np.concatenate(chosen)))
