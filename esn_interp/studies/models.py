"""A model of a study: known by its files at once, and loaded only when something must be run."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from esn_interp.models.assembly import smol_audio
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.loading import (
    ASSEMBLED,
    BUNDLED,
    Outline,
    bundled_path,
    heard_of,
    load,
    load_speaking,
    outline,
)
from esn_interp.speech.heard import Heard, heard_by
from esn_interp.studies.config import ModelSpec
from esn_interp.tasks.listener import Listener, SpeakingLM


@dataclass(eq=False)
class StudiedModel:
    """A model that is loaded on first use, so that a study that finds all its results needs none."""

    spec: ModelSpec

    @property
    def title(self) -> str:
        """What the model is called in the study."""
        return self.spec.title

    @cached_property
    def identity(self) -> str:
        """A digest of how the model is loaded and, for one in a folder, of its files' names, sizes and times.

        A card that is edited does not make another model.
        """
        further = {name for name in ("plan", "allow_missing") if name not in self.spec.model_fields_set}
        parts = [self.spec.model_dump_json(exclude=further)]
        folder = bundled_path(self.spec.model) if self.spec.model in BUNDLED else Path(self.spec.model)
        found = folder.rglob("*") if folder.is_dir() else ()
        files = sorted(file for file in found if file.is_file() and file.suffix != ".md")
        if self.spec.model in ASSEMBLED:
            parts.append(smol_audio.way_to_parts() or "hub")
        parts += [
            f"{file.relative_to(folder)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @cached_property
    def lm(self) -> AudioLM:
        """The model itself."""
        return load(self.spec.model, name=self.title, **self.spec.options())

    @cached_property
    def outline(self) -> Outline:
        """The model's structure, from its configuration alone."""
        return outline(self.spec.model, trust_remote_code=self.spec.trust_remote_code, dtype=self.spec.dtype)

    @cached_property
    def heard(self) -> Heard:
        """The speakers whom the model says that it has heard in its training."""
        return heard_of(self.spec.model, name=self.title)

    @property
    def parameters(self) -> int:
        """Weights of the part that answers."""
        return sum(parameter.numel() for parameter in self.outline.model.parameters())

    def release(self) -> None:
        """Let go of the weights."""
        vars(self).pop("lm", None)


class SpeakingModel(StudiedModel):
    """A model that is loaded, on first use, with all that it speaks with."""

    @cached_property
    def lm(self) -> AudioLM:
        """The model itself."""
        options = {name: value for name, value in self.spec.options().items() if name != "component"}
        return load_speaking(self.spec.model, component=self.spec.component or None, name=self.title, **options)


class GivenModel(StudiedModel):
    """A model that is loaded already, and stays so."""

    def __init__(self, lm: Listener | SpeakingLM, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._lm = lm

    @cached_property
    def identity(self) -> str:
        """The fingerprint of its weights, and which of its gates are meant."""
        return f"{self._lm.fingerprint} {self._lm.component}"

    @property
    def lm(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The model itself."""
        return self._lm

    @cached_property
    def heard(self) -> Heard:
        """The speakers whom the model says that it has heard in its training."""
        return heard_by(self._lm)
