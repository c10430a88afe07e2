"""The three sets of speakers of a corpus in a study of recognition."""

from functools import cached_property

from esn_interp.speech.clips import Clips
from esn_interp.speech.splits import Assignment
from esn_interp.studies.work import StudiedCell
from esn_interp.tasks.enough import at_most


class Divided(StudiedCell):
    """A model on a corpus whose clips are divided: neurons are found, settings chosen and effects measured apart."""

    @cached_property
    def assignment(self) -> Assignment:
        """Who is in which split."""
        return self.clips.assign(**self.division)

    @cached_property
    def splits(self) -> tuple[Clips, Clips, Clips]:
        """Validation, identification and evaluation clips."""
        parts = list(self.clips.divide(self.assignment))
        if (limit := self.corpus.limit) is not None:
            parts = [part.limit(limit, seed=self.seed) for part in parts]
        validation, identification, evaluation = parts
        if (most := self.config.evaluation_clips) is not None:
            evaluation = at_most(evaluation, most, seed=self.seed)
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
