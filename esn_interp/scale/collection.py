"""Statistics from many replicas: shards of whole stretches of the corpus, added up in order."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, runtime_checkable
from typing import Protocol as Interface

from esn_interp.errors import AudioError, CorpusError
from esn_interp.files import clean
from esn_interp.models.loading import load
from esn_interp.models.sites import GATE, checked_site
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.statistics import GateStatistics, merge
from esn_interp.progress import progress_bar
from esn_interp.scale.engines import Engine
from esn_interp.speech.clips import Clips
from esn_interp.speech.known_clips import provenance
from esn_interp.tasks.batches import waveform
from esn_interp.tasks.budget import Budget
from esn_interp.tasks.checkpoints import Seldom, read_checkpoint, write_checkpoint
from esn_interp.tasks.collection import (
    CollectWarning,
    ReadableModel,
    collect,
    require_unchanged,
    warn_of_weakness,
)
from esn_interp.tasks.enough import until_correct
from esn_interp.tasks.hearing import Plan
from esn_interp.tasks.listener import longest_clip
from esn_interp.tasks.protocols import Protocol
from esn_interp.tasks.questions import question_about
from esn_interp.tasks.recognition import Recognition

_SHARDS, _LARGEST = 64, 16


@runtime_checkable
class ModelRecipe(Interface):
    """Says how a model is loaded, wherever that is to be."""

    def load(self) -> ReadableModel:
        """The model."""
        ...


@dataclass(frozen=True)
class Recipe:
    """A model by its name, with options of `esn_interp.load`; a folder must be seen by all machines."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def load(self) -> ReadableModel:
        """The model; where it is a folder, by its full path."""
        folder = Path(self.name)
        place = str(folder.resolve()) if folder.is_dir() else self.name
        options: dict[str, Any] = {"name": self.name, **self.options}
        return load(place, **options)


@dataclass(frozen=True, eq=False)
class _OnReplica:
    """Something that a replica does with rows of a corpus, with a model of its own."""

    recipe: ModelRecipe
    clips: Clips
    recognition: Recognition
    how: Protocol
    options: Mapping[str, Any]

    @cached_property
    def lm(self) -> ReadableModel:
        return self.recipe.load()


class _Enough(_OnReplica):
    """Asks about clips until enough of each emotion are answered correctly."""

    def __call__(self, rows: tuple[int, int]) -> list[int]:
        """The rows of the clips that a local run would collect."""
        part, most = self.clips.take(range(*rows)), self.how.identification_clips
        assert most is not None  # else nobody asks
        asked = self.recognition.emotions, self.recognition.synonyms, self.how
        _, question, part = question_about(part, *asked, limit=None, seed=self.options["seed"], lm=self.lm)
        enough = until_correct(cast(Any, self.lm), part, question, most, progress=False, **self.options)
        row_of = {name: row for row, name in enumerate(part.column("id"), start=rows[0])}
        return [row_of[name] for name in enough.column("id")]


class _Stretches(_OnReplica):
    """Collects rows of a corpus."""

    def __call__(self, rows: tuple[int, int]) -> GateStatistics:
        part = self.clips.take(range(*rows))
        asked = {"emotions": self.recognition.emotions, "synonyms": self.recognition.synonyms, "protocol": self.how}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollectWarning)  # whether clips are few is asked of all of them
            try:
                return collect(self.lm, part, progress=False, **asked, **self.options)
            except CorpusError:
                return self._nothing(part)

    def _nothing(self, part: Clips) -> GateStatistics:
        """Statistics of no clip, since none can be used; and why each can't."""
        longest, skipped = longest_clip(self.lm), list[tuple[str, str]]()
        for clip in (part[row] for row in range(len(part))):
            try:
                waveform(clip, longest)
            except AudioError as error:
                skipped.append((clip.id, str(error)))
        empty = Accumulator(Origin.of(self.lm, site=self.options["site"]), self.recognition.emotions)
        asked, seed = self.recognition, self.options["seed"]
        return empty.statistics(prompt=asked.told, skipped=skipped, seed=seed, asking=asked.wording.told)


def collect_on(
    engine: Engine,
    recipe: ModelRecipe,
    clips: Clips,
    *,
    batch_size: int | Literal["auto"] = 16,
    limit: int | None = None,
    per_clip: bool = False,
    strict: bool = False,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 20,
    resume: bool = False,
    emotions: Sequence[str] | None = None,
    synonyms: Mapping[str, tuple[str, ...]] | None = None,
    protocol: str | Path | Protocol = "ours",
    seed: int = 0,
    workers: int | None = None,
    site: str = GATE,
) -> GateStatistics:
    """`esn_interp.collect`, done by an engine; options are its own.

    A shard is one or more whole stretches of the corpus (``checkpoint_every`` batches), so that its batches are those
    of a local run. How many stretches follows from the corpus alone, and shards are added in its order: the numbers
    are the same to the bit for any number of workers, whichever of them were lost. Counts and the sums of single clips
    are those of a local run; the other sums differ from it by the order of additions in float64 at most, and most
    often not at all, since what is added are numbers of float32.

    Where the protocol stops at so many correct clips of an emotion, one replica finds these first.

    A checkpoint is replaced as shards are added, and is the same kind of file that a local run writes and resumes.

    Raises
    ------
    EsnError
        As `esn_interp.collect` and the engine say.
    """
    how, recognition, clips = question_about(clips, emotions, synonyms, protocol, limit=limit, seed=seed)
    if how.identification_clips is not None:
        # Which clips are enough follows from the answers to those before: one replica asks, all of them collect.
        asked = {"batch_size": batch_size if isinstance(batch_size, int) else 16, "strict": strict, "seed": seed}
        (rows,) = engine.results(_Enough(recipe, clips, recognition, how, asked), [(0, len(clips))])
        clips, how = clips.take(rows), replace(how, identification_clips=None)
    plan = Plan(Budget.of(batch_size, None), checkpoint_every)  # what a replica finds by itself may be another budget
    start, total = 0, None
    if checkpoint is not None:
        clean(checkpoint)
    whose = Origin("", "", "", (), clips.name, clips.fingerprint, **provenance(clips))
    if resume:
        start, total, plan = read_checkpoint(
            checkpoint, None, whose, recognition, per_clip="kept" if per_clip else "no", plan=plan
        )
        batch_size = plan.budget.clips if plan.budget.tokens is None else "auto"
    run = {"batch_size": batch_size, "per_clip": per_clip, "strict": strict, "workers": workers, "seed": seed}
    run |= {"checkpoint_every": plan.window, "site": checked_site(site, neurons=True)}
    work = _Stretches(recipe, clips, recognition, how, run)
    shards = _shards(start, len(clips), plan.stretch)
    writes = Seldom()
    with progress_bar("Collecting statistics", len(clips), enabled=progress) as advance:
        advance(start)
        for (begin, end), part in zip(shards, engine.results(work, shards), strict=True):
            total = _added(total, part, whose)
            advance(end - begin)
            if checkpoint is not None and writes.due(last=end == len(clips)):
                with writes:
                    write_checkpoint(checkpoint, total, plan, end)
    assert total is not None  # a corpus has clips
    require_unchanged(clips, whose)
    warn_of_weakness(total)
    return total


def _shards(start: int, end: int, stretch: int) -> list[tuple[int, int]]:
    """First and last row (exclusive) of each shard: few enough to be added up, small enough to be lost."""
    size = stretch * min(_LARGEST, max(1, end // stretch // _SHARDS))
    return [(begin, min(begin + size, end)) for begin in range(start, end, size)]


def _added(total: GateStatistics | None, part: GateStatistics, whose: Origin) -> GateStatistics:
    """The sum of both, as statistics of the whole corpus.

    Raises
    ------
    StatisticsError
        When they are of different models.
    """
    named = {name: getattr(whose, name) for name in ("corpus", "corpus_fingerprint", "preparation", "found_on")}
    origin = replace(part.origin, **named)
    if total is None:
        return replace(part, origin=origin)
    if not part.clips.any() or not total.clips.any():
        total.origin.check(part.origin, "the sums so far")
        skipped = (*total.skipped, *part.skipped)
        return replace(total if total.clips.any() else part, origin=origin, skipped=skipped)
    # Merging adds in the order of the corpora's names.
    ordered = [
        replace(one, origin=replace(one.origin, corpus=name, corpus_fingerprint=name))
        for name, one in (("1", total), ("2", part))
    ]
    return replace(merge(ordered), origin=origin)
