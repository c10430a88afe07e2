"""What a loaded model is known by: digests of its weights."""

import hashlib
from functools import cached_property

from torch import nn

from esn_interp.models.assembly.parts import MadeOf
from esn_interp.models.baked import Baked
from esn_interp.models.families.base import Family
from esn_interp.models.fingerprint import earlier_fingerprints, weights_fingerprint
from esn_interp.models.plans import Weights


class Identified:
    """The part of an opened model that says which weights it has."""

    model: nn.Module
    family: Family
    component: str
    baked: Baked | None
    made_of: MadeOf | None
    _weights: Weights

    @cached_property
    def fingerprint(self) -> str:
        """A short digest of architecture and weights, by which files are matched to models."""
        with self._weights.whole():
            return self._named(weights_fingerprint(self.model))

    @cached_property
    def part_fingerprint(self) -> str:
        """The fingerprint of the part that answers, loaded by itself; empty where that is all there is.

        So a thinker's neurons are known to be those of the speaking model, and the other way round.
        """
        with self._weights.whole():
            return "" if self._part is None else self._named(weights_fingerprint(self._part))

    @cached_property
    def earlier_fingerprints(self) -> tuple[str, ...]:
        """How files of earlier releases may call the same weights."""
        parts = (self.model,) if self._part is None else (self.model, self._part)
        with self._weights.whole():
            return tuple(self._named(name) for part in parts for name in earlier_fingerprints(part))

    @property
    def kin(self) -> str:
        """What models share whose weights are those of one model, rounded in different ways; empty for most."""
        return "" if self.made_of is None or self.baked is not None else self.made_of.kin

    def _named(self, fingerprint: str) -> str:
        """A steered checkpoint's is its own, even if none of the scaled weights is among those that are sampled."""
        if self.baked is None:
            return fingerprint
        return hashlib.sha256(f"{fingerprint} {self.baked.digest}".encode()).hexdigest()[:16]

    @property
    def _part(self) -> nn.Module | None:
        """What is loaded when nothing but answers is asked for, where these gates are of it and there is more."""
        part = self.family.answering_part(self.model)
        return None if part is self.model or self.component not in self.family.answering else part
