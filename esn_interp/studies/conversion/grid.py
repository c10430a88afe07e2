"""The cells of a conversion study: every model on every corpus under every seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.loading import load_speaking
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus
from esn_interp.studies.cache import Store
from esn_interp.studies.config import CorpusSpec
from esn_interp.studies.conversion.cell import EvcCell
from esn_interp.studies.conversion.config import EvcConfig
from esn_interp.studies.conversion.units import Judges
from esn_interp.studies.models import StudiedModel
from esn_interp.tasks.listener import SpeakingLM


class SpeakingModel(StudiedModel):
    """A model that is loaded, on first use, with all that it speaks with."""

    @cached_property
    def lm(self) -> AudioLM:
        """The model itself."""
        options = {name: value for name, value in self.spec.options().items() if name != "component"}
        return load_speaking(self.spec.model, component=self.spec.component or None, name=self.title, **options)


class GivenModel(StudiedModel):
    """A model that is loaded already, and stays so."""

    def __init__(self, lm: SpeakingLM, spec: Any) -> None:
        super().__init__(spec)
        self._lm = lm

    @cached_property
    def identity(self) -> str:
        """The fingerprint of its weights, and which of its gates are meant."""
        return f"{self._lm.fingerprint} {self._lm.component}"

    @property
    def lm(self) -> SpeakingLM:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The model itself."""
        return self._lm


@dataclass(eq=False)
class EvcGrid:
    """The cells, in the order in which they are worked on, and what could not be done.

    ``models`` and ``corpora`` are what is loaded already, in the order of the config.
    """

    config: EvcConfig
    folder: Path
    models: Sequence[StudiedModel] | None = None
    corpora: Sequence[Clips] | None = None
    undone: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    @cached_property
    def cells(self) -> tuple[EvcCell, ...]:
        """Every model on every corpus under every seed."""
        config, store, judges = self.config, Store(self.folder / "stages"), Judges(self.config)
        corpora = self.corpora or [_load(spec, config) for spec in config.corpora]
        models = self.models or [SpeakingModel(spec) for spec in config.models]
        return tuple(
            EvcCell(config, model, spec, clips, seed, store, judges)
            for model in models
            for seed in config.seeds
            for spec, clips in zip(config.corpora, corpora, strict=True)
        )


def _load(spec: CorpusSpec, config: EvcConfig) -> Clips:
    return corpus(spec.corpus, root=spec.root, emotions=spec.emotions or config.emotions, **spec.options)
