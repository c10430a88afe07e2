"""Whole protocols as data: what is asked, which tokens count, how many neurons, clips and controls, and their names.

`authors` is what is known of the protocol of the two papers' authors in 2026, `ours` what the package does by itself.
A file of the same form is one more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from esn_interp.errors import EsnError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.tasks.recognition import Recognition
from esn_interp.tasks.wording import ASKING, Wording

PROTOCOLS = ("ours", "authors")
"""Those that come with the package."""

_HERE = files("esn_interp") / "tasks" / "protocols"


@dataclass(frozen=True)
class Protocol:
    """One way to look for emotion-sensitive neurons, from the question to the names of the figures.

    Attributes
    ----------
    wording
        How the choice is put to a model that its maker gave no question of its own.
    official
        Whether models are asked as their makers publish it, where they do.
    max_new_tokens
        The most tokens of a written answer.
    scope, pooling
        Which tokens count, and whether each clip or each token counts once (None: as each selector has it).
    selectors, tops, alphas
        What neurons are scored by, how many of all gates are taken, how far they are turned up.
    identification_clips, evaluation_clips
        Clips of an emotion at most: labelled correctly, to find neurons; any, to measure effects. None: all.
    draws
        Random sets of the same size.
    figures
        What the change of an emotion's recall under its own neurons is called (``self``), under another's (``cross``),
        and the former minus the latter (``specificity``).
    conversion
        The request to say a recording with another emotion; None: each model's own.
    unknown
        What is not known of it, and is our choice.
    """

    name: str
    title: str
    wording: Wording
    max_new_tokens: int
    scope: str
    pooling: str | None
    selectors: tuple[str, ...]
    tops: tuple[float, ...]
    alphas: tuple[float, ...]
    identification_clips: int | None
    evaluation_clips: int | None
    draws: int
    figures: Mapping[str, str]
    conversion: str | None = None
    unknown: tuple[str, ...] = ()
    official: bool = False

    def recognition(self, emotions: Sequence[str], *, lm: object = None) -> Recognition:
        """The question about these emotions, put to this model."""
        wording = self.wording
        if self.official and (own := official_wording(lm)) is not None:
            wording = replace(own, shuffled=wording.shuffled and own.lettered, seed=wording.seed)
        return Recognition(tuple(emotions), wording=wording)

    def seeded(self, seed: int) -> "Protocol":
        """The same, with letters shuffled by another seed."""
        return replace(self, wording=replace(self.wording, seed=seed)) if self.wording.shuffled else self

    @property
    def selection(self) -> dict[str, Any]:
        """What `esn_interp.select` is told: its smallest size, scope and pooling."""
        return {"top": self.tops[0], "scope": self.scope, "pooling": self.pooling}


def protocol(name: "str | Path | Protocol", *, seed: int | None = None) -> Protocol:
    """A protocol by name, or from a file of the same form; shuffled by a seed of its own, if one is given.

    Raises
    ------
    EsnError
        When there is none of that name, or the file says something that a protocol does not have.
    """
    if isinstance(name, Protocol):
        found = name
    else:
        path = Path(str(_HERE / f"{name}.yaml")) if name in PROTOCOLS else Path(name)
        if not path.is_file():
            raise EsnError(f"{name}: there is no such protocol; give {', '.join(PROTOCOLS)}, or a .yaml file")
        found = _read(path)
    return found if seed is None else found.seeded(seed)


def official_wording(lm: object) -> Wording | None:
    """The question that the maker of a model publishes for emotions, if it does."""
    family = getattr(getattr(lm, "family", None), "name", None)
    known = yaml.safe_load((_HERE / "official.yaml").read_text(encoding="utf-8"))
    return Wording(**known[family]) if family in known else None


def asked_by(neurons: NeuronSet, other: "str | Path | Protocol", *, lm: object = None) -> NeuronSet:
    """The same neurons, to be tried as another protocol asks: every analysis asks as its neurons say."""
    wording = protocol(other).recognition(("one", "other"), lm=lm).wording
    rest = {name: value for name, value in neurons.parameters.items() if name != ASKING}
    return replace(neurons, parameters={**rest, ASKING: wording.told})


def _read(path: Path) -> Protocol:
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise EsnError(f"{path}: not a protocol: {' '.join(str(error).split())}") from None
    known = {one.name for one in fields(Protocol)} - {"name"}
    given: dict[str, Any] = told if isinstance(told, dict) else {}
    required = known - {"conversion", "unknown", "official"}
    for words, names in (("does not say", required - set(given)), ("has no", set(given) - known)):
        if names:
            raise EsnError(f"{path}: a protocol {words} {sorted(names)[0]!r}; see ours.yaml for the form")
    try:
        wording = Wording(**given["wording"])
    except (TypeError, EsnError) as error:
        raise EsnError(f"{path}: wording: {error}") from None
    empty = {name: () for name in ("selectors", "tops", "alphas", "unknown") if given.get(name) is None}
    try:
        whole = {**given, **empty, "name": path.stem, "wording": wording}
        return TypeAdapter(Protocol).validate_python(whole)
    except ValidationError as error:
        first = error.errors()[0]
        raise EsnError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
