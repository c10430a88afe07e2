"""Where statistics and neuron sets come from: which model's gates, and which clips."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64

from esn_interp.entries import Entries
from esn_interp.errors import EsnWarning, StatisticsError
from esn_interp.models.sites import GATE, NEURON_SITES
from esn_interp.speech.clip_keys import joined_keys

SOUND, LABELS = "sound", "labels"
UNVERIFIED = "sound not verified: made by a release that knew recordings by their names and labels alone"
"""What is said of clips that are known by their labels."""


class KinWarning(EsnWarning):
    """Gates are used in a model whose weights are those in which they were found, but rounded in another way."""


@runtime_checkable
class GatedModel(Protocol):
    """The part of `AudioLM` by which its gates are recognised."""

    @property
    def name(self) -> str:
        """What the model is called."""
        ...

    @property
    def fingerprint(self) -> str:
        """Short hash of its weights."""
        ...

    @property
    def component(self) -> str:
        """The decoder whose gates are meant."""
        ...

    @property
    def widths(self) -> tuple[int, ...]:
        """Gates of each decoder layer."""
        ...


@dataclass(frozen=True)
class Origin:
    """The gates of one component of one model, and the clips that they were read on.

    ``widths`` counts the gates of each decoder layer, in a mixture of experts those of all its ``experts`` (0
    for a layer that is not a mixture, and none at all where no layer is one). A gate has two names: (layer,
    expert, neuron), and its flat index, which numbers all gates layer by layer, and within a layer expert by
    expert: ``index = offsets[layer] + expert * width + neuron``.

    ``site`` is where in the layers they were read: the gate after its activation, or another with a value per gate.
    ``part_fingerprint`` is that of the part which holds these gates, where it can be loaded without the rest of the
    model; empty where it was. ``identity`` says what the clips are known by: their ``sound`` and labels, or in files of
    earlier releases their ``labels`` alone. ``preparation`` says how they were treated before they were heard, and
    ``found_on`` holds their keys (`~esn_interp.speech.known_clips.keys_of`); both are empty where that is not known.
    ``kin`` is what the model shares with others that have its weights in another rounding.
    """

    model: str
    fingerprint: str
    component: str
    widths: tuple[int, ...]
    corpus: str
    corpus_fingerprint: str
    experts: tuple[int, ...] = ()
    part_fingerprint: str = ""
    site: str = GATE
    kin: str = ""
    identity: str = SOUND
    preparation: str = ""
    found_on: str = field(default="", repr=False)

    @classmethod
    def of(
        cls,
        lm: GatedModel,
        *,
        corpus: str = "",
        corpus_fingerprint: str = "",
        site: str = GATE,
        preparation: str = "",
        found_on: str = "",
    ) -> "Origin":
        """The gates of a model, and the clips that they are read on."""
        experts = tuple(getattr(lm, "experts", ()))
        return cls(
            model=lm.name,
            fingerprint=lm.fingerprint,
            component=lm.component,
            widths=tuple(lm.widths),
            corpus=corpus,
            corpus_fingerprint=corpus_fingerprint,
            experts=experts if any(experts) else (),
            part_fingerprint=getattr(lm, "part_fingerprint", ""),
            site=site,
            preparation=preparation,
            found_on=found_on,
            kin=getattr(lm, "kin", ""),
        )

    @property
    def name(self) -> str:
        """The model's name: an origin can stand where a model is compared."""
        return self.model

    @property
    def n_gates(self) -> int:
        """The number of gates over all layers."""
        return sum(self.widths)

    @property
    def offsets(self) -> Int64[np.ndarray, " layer"]:
        """Flat index of each layer's first gate."""
        return np.cumsum([0, *self.widths[:-1]], dtype=np.int64)

    @property
    def layers(self) -> tuple[slice, ...]:
        """The flat indices of each layer."""
        return tuple(
            slice(int(start), int(start) + n) for start, n in zip(self.offsets, self.widths, strict=True)
        )

    @property
    def mixtures(self) -> dict[int, int]:
        """Number of experts of the layers that are mixtures."""
        return {layer: count for layer, count in enumerate(self.experts) if count}

    def expert_of(
        self, layer: Int[np.ndarray, " member"], neuron: Int[np.ndarray, " member"]
    ) -> tuple[Int64[np.ndarray, " member"], Int64[np.ndarray, " member"]]:
        """Expert (-1 outside mixtures) and neuron within it, from the neuron's number within its layer."""
        experts = np.array(self.experts or (0,) * len(self.widths), dtype=np.int64)[layer]
        width = np.array(self.widths, dtype=np.int64)[layer] // np.maximum(experts, 1)
        return np.where(experts > 0, neuron // width, -1), np.where(experts > 0, neuron % width, neuron)

    def locate(
        self, index: Int[np.ndarray, " member"]
    ) -> tuple[Int64[np.ndarray, " member"], Int64[np.ndarray, " member"]]:
        """Layer of each flat index, and its number within the layer."""
        layer = np.searchsorted(np.cumsum(self.widths), index, side="right")
        return layer.astype(np.int64), (index - self.offsets[layer]).astype(np.int64)

    def check(self, lm: GatedModel, what: str) -> None:
        """Refuse a model whose gates are not these; ``what`` names the refused object.

        Where they are these gates with their weights in another rounding, it warns.

        Raises
        ------
        StatisticsError
            When weights, component, widths or the site differ.
        """
        if (site := getattr(lm, "site", self.site)) != self.site:
            raise StatisticsError(f"{what} are of the site {self.site}, not of {site}; collect both at one site")
        same = self.fingerprint == lm.fingerprint or not _fingerprints(self).isdisjoint(_fingerprints(lm))
        kin = self.kin != "" and self.kin == getattr(lm, "kin", "")
        if not (same or kin) or (self.component, self.widths) != (lm.component, tuple(lm.widths)):
            raise StatisticsError(
                f"{what} come from {_gates(self)}, not from {_gates(lm)};"
                " use the model that they were found in, or collect anew"
            )
        if not same:
            warnings.warn(
                f"{what} come from {self.model} with its weights in another rounding ({self.fingerprint}, here"
                f" {lm.fingerprint}): the gates are the same, what they read differs a little",
                KinWarning,
                stacklevel=3,
            )

    def join(self, others: Iterable["Origin"]) -> "Origin":
        """The same gates on the clips of all; corpora and their fingerprints are joined by ``+``.

        Raises
        ------
        StatisticsError
            When another model's gates are among them.
        """
        origins = [self, *others]
        treated = {origin.preparation for origin in origins}
        corpora, fingerprints = set(self.corpus.split("+")), set(self.corpus_fingerprint.split("+"))
        identity = self.identity
        for other in origins[1:]:
            self.check(other, "the gates")
            identity = LABELS if LABELS in (identity, other.identity) else SOUND
            corpora |= set(other.corpus.split("+"))
            fingerprints |= set(other.corpus_fingerprint.split("+"))
        return replace(
            self,
            corpus="+".join(sorted(corpora)),
            corpus_fingerprint="+".join(sorted(fingerprints)),
            identity=identity,
            preparation="" if "" in treated else " | ".join(sorted(treated)),
            found_on=joined_keys(origin.found_on for origin in origins),
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader must know of where this comes from."""
        return () if self.identity == SOUND else (f"{self.corpus}: {UNVERIFIED}",)

    def require_sound(self, what: str, verb: str) -> None:
        """Refuse clips whose sound is not known, where it must be; ``verb`` says what can't be done with ``what``.

        Raises
        ------
        StatisticsError
            When they are known by their labels alone.
        """
        if self.identity != SOUND:
            raise StatisticsError(f"{what} can't be {verb}: {UNVERIFIED}; collect anew")

    def header(self) -> dict[str, Any]:
        """The fields as JSON; ``experts`` is 0 for a layer that is not a mixture of experts."""
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "component": self.component,
            "widths": list(self.widths),
            "experts": list(self.experts or (0,) * len(self.widths)),
            "corpus": self.corpus,
            "corpus_fingerprint": self.corpus_fingerprint,
            "corpus_identity": self.identity,
            **({"part_fingerprint": self.part_fingerprint} if self.part_fingerprint else {}),
            **({"site": self.site} if self.site != GATE else {}),
            **({"kin": self.kin} if self.kin else {}),
            **({"preparation": self.preparation} if self.preparation else {}),
            **({"found_on": self.found_on} if self.found_on else {}),
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any], *, where: str) -> "Origin":
        """What `header` wrote to a file called ``where``.

        Raises
        ------
        StatisticsError
            When an entry is missing, of another type, or says what can't be; names the file and the entry.
        """
        told = Entries(header, where=where)
        widths, experts = told.take("widths", list[int]), told.take("experts", list[int])
        if not widths or min(widths) < 0:
            raise told.damaged("widths", f"is {widths}: every layer has some number of gates")
        if len(experts) != len(widths) or any(
            n < 0 or (n and width % n) for n, width in zip(experts, widths, strict=False)
        ):
            raise told.damaged("experts", f"is {experts}, which does not divide the gates of {len(widths)} layers")
        site, identity = told.get("site", str, GATE), told.get("corpus_identity", str, LABELS)
        if site not in NEURON_SITES:
            raise told.damaged("site", f"is {site!r}, not one of {', '.join(NEURON_SITES)}")
        if identity not in (SOUND, LABELS):
            raise told.damaged("corpus_identity", f"is {identity!r}, not {SOUND} or {LABELS}")
        return cls(
            model=told.take("model", str),
            fingerprint=told.take("fingerprint", str),
            component=told.take("component", str),
            widths=tuple(widths),
            corpus=told.take("corpus", str),
            corpus_fingerprint=told.take("corpus_fingerprint", str),
            experts=tuple(experts) if any(experts) else (),
            part_fingerprint=told.get("part_fingerprint", str, ""),
            site=site,
            kin=told.get("kin", str, ""),
            identity=identity,
            preparation=told.get("preparation", str, ""),
            found_on=told.get("found_on", str, ""),
        )


class OfGates:
    """What says something of the gates of an origin, and is asked for its names."""

    origin: Origin

    @property
    def widths(self) -> tuple[int, ...]:
        """Gates of each decoder layer."""
        return self.origin.widths

    @property
    def n_gates(self) -> int:
        """Gates over all layers."""
        return self.origin.n_gates

    @property
    def model(self) -> str:
        """Name of the model whose gates these are."""
        return self.origin.model

    @property
    def site(self) -> str:
        """Where in the layers they were read."""
        return self.origin.site

    @property
    def corpus(self) -> str:
        """Name of the corpus on which they were read; joined by ``+`` where there were several."""
        return self.origin.corpus


def _fingerprints(lm: GatedModel) -> set[str]:
    """All that these gates' weights may be called."""
    names = lm.fingerprint, getattr(lm, "part_fingerprint", ""), *getattr(lm, "earlier_fingerprints", ())
    return set(names) - {""}


def _gates(lm: GatedModel) -> str:
    layers = f"{len(lm.widths)} layers with {sum(lm.widths):,} gates"
    return f"{lm.name} (weights {lm.fingerprint}, {lm.component}, {layers})"
