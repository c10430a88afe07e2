"""By what a loaded model is known, and whether it is as it should be: its fingerprints, and no training mode."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from torch import nn

from esn_interp.errors import ModelError
from esn_interp.models.assembly.parts import MadeOf
from esn_interp.models.baked import Baked
from esn_interp.models.families.base import Family
from esn_interp.models.fingerprint import earlier_fingerprints, weights_fingerprint, weights_signature
from esn_interp.models.plans import Weights


class Identity(NamedTuple):
    """By what others know a model's gates."""

    name: str
    fingerprint: str
    component: str
    widths: tuple[int, ...]
    part_fingerprint: str
    earlier_fingerprints: tuple[str, ...]
    kin: str = ""


class Identified:
    """A loaded model, as far as it is told from others."""

    model: nn.Module
    name: str
    family: Family
    component: str
    widths: tuple[int, ...]
    baked: Baked | None
    made_of: MadeOf | None
    _weights: Weights
    _identity_known: Identity | None = None
    _signature: int = 0

    @property
    def fingerprint(self) -> str:
        """A short digest of architecture and weights, by which files are matched to models; computed whenever asked."""
        return self._identity(fresh=True).fingerprint

    @property
    def part_fingerprint(self) -> str:
        """The fingerprint of the part that answers, loaded by itself; empty where that is all there is.

        So a thinker's neurons are known to be those of the speaking model, and the other way round.
        """
        return self._identity().part_fingerprint

    @property
    def earlier_fingerprints(self) -> tuple[str, ...]:
        """How files of earlier releases may call the same weights."""
        return self._identity().earlier_fingerprints

    def _identity(self, *, fresh: bool = False) -> Identity:
        """By what these weights are known: as computed last, unless one was written since, or it is to be ``fresh``."""
        with self._weights.whole():
            signature = weights_signature(self.model)
            if fresh or self._identity_known is None or self._signature != signature:
                part = self._part
                parts = (self.model,) if part is None else (self.model, part)
                self._identity_known = Identity(
                    self.name,
                    self._named(weights_fingerprint(self.model)),
                    self.component,
                    self.widths,
                    "" if part is None else self._named(weights_fingerprint(part)),
                    tuple(self._named(name) for one in parts for name in earlier_fingerprints(one)),
                    self.kin,
                )
            self._signature = weights_signature(self.model)
            return self._identity_known

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

    @contextmanager
    def _rewritten(self) -> Generator[None]:
        """Around what writes weights and puts them back, bit for bit: they are the same afterwards."""
        unchanged = self._signature == weights_signature(self.model)
        try:
            yield
        finally:
            if unchanged:
                self._signature = weights_signature(self.model)

    def _require_settled(self) -> None:
        """Refuse a model that somebody trains on: dropout changes its answers, from one run to the next."""
        if any(module.training for module in self.model.modules()):
            raise ModelError(
                f"{self.name}: the model, or a part of it, is in training mode, where its answers differ from run to"
                " run; call lm.model.eval() first"
            )
