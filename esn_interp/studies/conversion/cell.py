"""The stages of a conversion study, for one model, corpus and seed: what each runs, and what comes out."""

from functools import cached_property
from itertools import product

import numpy as np

from esn_interp.analysis.conversion.cross import conversion_cross
from esn_interp.analysis.conversion.cross_result import ConversionCross
from esn_interp.analysis.conversion.effect import conversion_effect
from esn_interp.analysis.conversion.effect_result import (
    RANDOM,
    STEERED,
    UNFILTERED,
    UNSTEERED,
    ConversionEffect,
)
from esn_interp.analysis.conversion.measures import Outcome
from esn_interp.analysis.conversion.settings import conversion_grid
from esn_interp.analysis.conversion.settings_result import RANDOM_SELECTOR, ConversionGrid, SteeringSetting
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.studies.cache import Undone
from esn_interp.studies.conversion.cell_units import CellUnits, rows_of_each
from esn_interp.studies.conversion.units import UNEDITED, Condition, Unit


class Cell(CellUnits):
    """What is run and what is found, stage by stage.

    Properties compute on first use and are stored; they raise `Undone` where a task can't be done.
    """

    @cached_property
    def settings(self) -> tuple[tuple[SteeringSetting, ...], tuple[str, ...]]:
        """What is tried on the validation speakers; and what can't be, with the reason."""
        config, usable, unusable = self.config, list[SteeringSetting](), list[str]()
        for selector, top in product(config.selectors, config.tops):
            both = config.compare_filter and selector != RANDOM_SELECTOR
            for filtered in (True, False) if both else (selector != RANDOM_SELECTOR,):
                tried = [SteeringSetting(selector, top, alpha, filtered) for alpha in config.alphas]
                try:
                    self.neurons_of(tried[0])
                except StatisticsError as error:
                    unusable.append(f"{tried[0].title.partition(', alpha')[0]}: {error}")
                else:
                    usable += tried
        return tuple(usable), tuple(unusable)

    @property
    def trying(self) -> tuple[Unit, ...]:
        """The validation speakers' conversions: unsteered, then under every setting."""
        everyone = tuple(range(len(self.splits["validation"])))
        conditions = [UNEDITED, *map(Condition, self.settings[0])]
        return tuple(Unit("validation", everyone, self.config.targets, one) for one in conditions)

    @cached_property
    def choice(self) -> ConversionGrid:
        """What every setting does to the validation speakers, and which is chosen."""
        settings, unusable = self.settings
        unsteered, *tried = (self.outcomes(unit).rows for unit in self.trying)
        try:
            return conversion_grid(
                unsteered,
                dict(zip(settings, tried, strict=True)),
                {one: [len(self.neurons_of(one)[target]) for target in self.config.targets] for one in settings},
                targets=self.config.targets,
                judge=self.config.score_judge,
                filter_judge=self.config.filter_judge,
                most_wer=self.config.most_wer,
                unusable=unusable,
                seed=self.seed,
            )
        except StatisticsError as error:
            raise Undone("; ".join((str(error), *unusable[:1]))) from error

    @property
    def setting(self) -> SteeringSetting:
        """How it was chosen to steer."""
        return self.choice.setting

    @property
    def neurons(self) -> NeuronSet:
        """The neurons that it was chosen to steer."""
        return self.neurons_of(self.setting)

    @cached_property
    def no_control(self) -> str:
        """Why no random neurons can be drawn; empty where they can."""
        try:
            self.neurons_of(self.setting).random_like(0)
        except StatisticsError as error:
            return str(error)
        return ""

    @cached_property
    def unfiltered(self) -> SteeringSetting | None:
        """The chosen setting without the success filter; None where that is no other, or finds nothing."""
        chosen = self.setting
        other = SteeringSetting(chosen.selector, chosen.top, chosen.alpha, False)
        return other if self.config.compare_filter and chosen.filtered and other in self.settings[0] else None

    def measuring(self, split: str) -> dict[str, list[Unit]]:
        """The conversions that effects are measured on, by condition; a unit for each speaker, or random draw."""
        targets, parts = self.config.targets, self.by_speaker(split)

        def units(condition: Condition) -> list[Unit]:
            return [Unit(split, rows, targets, condition, prosody=True) for rows in parts]

        plan = {UNSTEERED: units(UNEDITED), STEERED: units(Condition(self.setting))}
        if split == "identification":
            plan[UNSTEERED] = [unit for unit in self.sampling if not unit.attempt]
        if not self.no_control:
            plan[RANDOM] = [
                Unit(split, rows, targets, Condition(self.setting, draw=draw), prosody=True)
                for draw, rows in enumerate(self._dealt(split))
                if rows
            ]
        if self.unfiltered is not None and split == "evaluation":
            plan[UNFILTERED] = units(Condition(self.unfiltered))
        return plan

    @cached_property
    def unseen(self) -> ConversionEffect:
        """What steering does to speakers that had no part in anything: the result."""
        return self._effect("evaluation", "unseen")

    @cached_property
    def seen(self) -> ConversionEffect:
        """The same for the speakers that the neurons were found on."""
        return self._effect("identification", "seen")

    @cached_property
    def filter_effect(self) -> ConversionEffect | None:
        """The filter on against off: evaluation conversions by both kinds of neurons, the change is on minus off."""
        if self.unfiltered is None:
            return None
        found = self.measured("evaluation")
        on_off = {UNFILTERED: found[UNFILTERED], STEERED: found[STEERED]}
        return conversion_effect(
            on_off,
            targets=self.config.targets,
            voices="unseen",
            judge=self.config.score_judge,
            clips=self.splits["evaluation"],
            seed=self.seed,
        )

    def measured(self, split: str) -> dict[str, list[Outcome]]:
        """The outcomes that effects are computed from, by condition."""
        return {
            name: [row for unit in units for row in self.outcomes(unit).rows]
            for name, units in self.measuring(split).items()
        }

    @cached_property
    def crossed_rows(self) -> tuple[int, ...]:
        """Evaluation clips that meet every emotion's neurons."""
        return rows_of_each(self.splits["evaluation"], self.config.cross_clips, seed=self.seed + 1)

    @property
    def crossing(self) -> dict[str, Unit]:
        """The conversions of some evaluation clips to the other emotions, by the emotion whose neurons are steered."""
        return {
            name: Unit(
                "evaluation",
                self.crossed_rows,
                tuple(target for target in self.config.targets if target != name),
                Condition(self.setting, neurons_of=name),
            )
            for name in self.config.targets
        }

    @cached_property
    def cross(self) -> ConversionCross:
        """One emotion asked for, another's neurons steered; what is heard without, and with its own, is known."""
        known, ids = self.measured("evaluation"), self.column("evaluation", "id")
        clips = {ids[row] for row in self.crossed_rows}
        unsteered, own = ([o for o in known[name] if o.clip in clips] for name in (UNSTEERED, STEERED))
        edited = {
            name: [*self.outcomes(unit).rows, *(o for o in own if o.target == name)]
            for name, unit in self.crossing.items()
        }
        try:
            return conversion_cross(
                unsteered, edited, targets=self.config.targets, judge=self.config.score_judge
            )
        except StatisticsError as error:
            raise Undone(str(error)) from error

    def heard_rows(self, target: str) -> tuple[int, ...]:
        """Evaluation clips whose conversions to a target can be listened to: a seeded draw, of many speakers.

        The draw knows nothing of what became of them.
        """
        parts = self.by_speaker("evaluation")
        rng = np.random.default_rng([self.seed, self.config.targets.index(target)])
        mixed = [rng.permutation(rows).tolist() for rows in parts]
        order = rng.permutation(len(parts)).tolist()
        turns = [mixed[at][turn] for turn in range(max(map(len, mixed))) for at in order if turn < len(mixed[at])]
        return tuple(turns[: max(1, self.config.listening_pairs)])

    def playing(self, target: str) -> dict[str, Unit]:
        """The conversions to a target that can be listened to, by condition."""
        conditions = {UNSTEERED: UNEDITED, STEERED: Condition(self.setting)}
        if not self.no_control:
            conditions[RANDOM] = Condition(self.setting, draw=0)
        rows = self.heard_rows(target)
        return {
            name: Unit("evaluation", rows, (target,), condition, sounds=True)
            for name, condition in conditions.items()
        }

    # ---------------------------------------------------------------- plumbing

    def _effect(self, split: str, voices: str) -> ConversionEffect:
        units = [unit for some in self.measuring(split).values() for unit in some]
        skipped = {one.clip: one.reason for unit in units for one in self.outcomes(unit).skipped}
        notes = [f"clip {clip} was skipped: {reason}" for clip, reason in skipped.items()]
        if self.no_control:
            notes.append(f"no random control: {self.no_control}")
        try:
            return conversion_effect(
                self.measured(split),
                targets=self.config.targets,
                voices=voices,
                judge=self.config.score_judge,
                clips=self.splits[split],
                seed=self.seed,
                notes=notes,
            )
        except StatisticsError as error:
            raise Undone(str(error)) from error

    def _dealt(self, split: str) -> list[tuple[int, ...]]:
        """Positions of the clips that meet each random draw: every clip meets one, every speaker many."""
        order = [row for rows in self.by_speaker(split) for row in rows]
        return [tuple(sorted(order[draw :: self.config.draws])) for draw in range(self.config.draws)]
