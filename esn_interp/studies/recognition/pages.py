"""Pages about single neurons of a study: the strongest of each emotion, to which the map of the report leads."""

from functools import cached_property
from typing import Any

from esn_interp.analysis.neuron.result import NeuronPages
from esn_interp.analysis.neuron.strongest import strongest_pages
from esn_interp.errors import ModelError, StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.studies.cache import Undone
from esn_interp.studies.recognition.storing import Storing
from esn_interp.studies.work import StudiedCell

PAGE_CLIPS = 25
"""Clips from which pages about single neurons are made."""


class Paged(StudiedCell, Storing):
    """The part of a cell that makes pages about single neurons."""

    @property
    def evaluation(self) -> Clips:
        """What is heard on the pages."""
        raise NotImplementedError

    @cached_property
    def neurons(self) -> NeuronSet:
        """Whose strongest get a page."""
        raise NotImplementedError

    @cached_property
    def neurons_key(self) -> str:
        """What names the neurons in the store."""
        raise NotImplementedError

    def _about(self, clips: Clips) -> dict[str, Any]:
        raise NotImplementedError

    @cached_property
    def pages(self) -> NeuronPages:
        """Pages about the strongest neuron of each emotion, on evaluation clips.

        Raises
        ------
        Undone
            When a page can't be made of these neurons.
        """

        def make() -> NeuronPages:
            if not hasattr(type(self.model.lm), "readout"):
                return NeuronPages(())  # a listener that only answers has nothing to look into
            try:
                return strongest_pages(self.model.lm, self.evaluation, self.neurons, limit=PAGE_CLIPS, seed=self.seed)
            except (ModelError, StatisticsError) as error:
                raise Undone(str(error)) from error

        about = {**self._about(self.evaluation), "neurons": self.neurons_key, "clips asked": PAGE_CLIPS}
        return self.stored("neuron", about, make, NeuronPages.load, name="pages")
