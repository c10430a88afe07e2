"""A neuron set: labelled neurons per emotion, with where they come from and how they were selected."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Float64, Int, Int32, Int64

from esn_interp.entries import Entries
from esn_interp.errors import StatisticsError
from esn_interp.files import load_tensors, package_version, save_tensors
from esn_interp.neurons.controls import draw_like
from esn_interp.neurons.layout import LayeredArrays
from esn_interp.neurons.origin import GatedModel, OfGates, Origin
from esn_interp.neurons.showing import neurons_line, neurons_table
from esn_interp.neurons.statistics import GateStatistics

if TYPE_CHECKING:
    from esn_interp.drawing.look import Look
    from esn_interp.drawing.shown import Figure

KIND, VERSION = "neurons", 1
_LABELS = ("emotion", "layer", "expert", "neuron")
_COLUMNS = {**dict.fromkeys(_LABELS, np.int32), "score": np.float32}


@dataclass(frozen=True, eq=False, repr=False)
class NeuronSet(OfGates):
    """Neurons labelled with emotions; a neuron may belong to several.

    Members are sorted by (emotion, layer, neuron) and unique. ``emotion`` indexes ``emotions``, an emotion
    may have no member; ``expert`` is -1 outside mixtures of experts; ``score`` is the selector's, higher is
    stronger.

    ``esns["angry"]`` is the set of that emotion alone. ``|``, ``&`` and ``-`` join, intersect and subtract
    emotion by emotion; two sets of one emotion each are taken as plain sets of neurons, so that
    ``esns["angry"] & esns["sad"]`` holds what the two share.
    """

    origin: Origin
    emotions: tuple[str, ...]
    emotion: Int32[np.ndarray, " member"]
    layer: Int32[np.ndarray, " member"]
    expert: Int32[np.ndarray, " member"]
    neuron: Int32[np.ndarray, " member"]
    score: Float32[np.ndarray, " member"]
    selector: str = "custom"
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])

    _repr_html_ = neurons_table

    def __repr__(self) -> str:
        return neurons_line(self)

    def __post_init__(self) -> None:
        where = f"neuron set of {self.model}"
        for name, limit in (("emotion", len(self.emotions)), ("layer", len(self.widths))):
            values = getattr(self, name)
            if ((values < 0) | (values >= limit)).any():
                raise StatisticsError(f"{where}: {name} out of range, there are {limit}")
        limit = np.array(self.widths, dtype=np.int64)[self.layer]
        wrong = (self.neuron < 0) | (self.in_layer < 0) | (self.in_layer >= limit)
        if wrong.any():
            layer, neuron = int(self.layer[wrong][0]), int(self.neuron[wrong][0])
            raise StatisticsError(
                f"{where}: neuron {neuron} at layer {layer}, which has {self.widths[layer]}"
            )
        order = np.lexsort([getattr(self, name) for name in reversed(_LABELS)])
        for name in _COLUMNS:
            object.__setattr__(self, name, getattr(self, name)[order])
        if (np.diff(np.stack([getattr(self, name) for name in _LABELS])) == 0).all(axis=0).any():
            raise StatisticsError(f"{where}: a neuron is listed twice for one emotion")

    @classmethod
    def from_indices(
        cls,
        origin: Origin,
        indices: Mapping[str, Int[np.ndarray, " chosen"]],
        *,
        scores: Mapping[str, Float[np.ndarray, " chosen"]] | None = None,
        selector: str = "custom",
        parameters: Mapping[str, Any] | None = None,
    ) -> "NeuronSet":
        """A set from flat gate indices (see `Origin`) per emotion, in the order of the mapping."""
        sizes = [len(index) for index in indices.values()]
        flat = np.concatenate([*indices.values(), np.zeros(0)]).astype(np.int64)
        if len(flat) and not (flat.min() >= 0 and flat.max() < origin.n_gates):
            raise StatisticsError(f"gate indices of {origin.model} run from 0 to {origin.n_gates - 1}")
        layer, number = origin.locate(flat)
        expert, neuron = origin.expert_of(layer, number)
        weights = (
            [np.zeros(0), *(scores[emotion] for emotion in indices)] if scores else [np.zeros(len(flat))]
        )
        return cls(
            origin=origin,
            emotions=tuple(indices),
            emotion=np.repeat(np.arange(len(sizes)), sizes).astype(np.int32),
            layer=layer.astype(np.int32),
            expert=expert.astype(np.int32),
            neuron=neuron.astype(np.int32),
            score=np.concatenate(weights).astype(np.float32),
            selector=selector,
            parameters=dict(parameters or {}),
        )

    # ---------------------------------------------------------------- looking

    @property
    def flat(self) -> Int64[np.ndarray, " member"]:
        """Flat gate index of every member."""
        return self.origin.offsets[self.layer] + self.in_layer

    @property
    def in_layer(self) -> Int64[np.ndarray, " member"]:
        """Number of every member within its layer, by which edits name it; experts one after the other."""
        experts = np.array(self.origin.experts or (0,) * len(self.widths), dtype=np.int64)[self.layer]
        width = np.array(self.widths, dtype=np.int64)[self.layer] // np.maximum(experts, 1)
        return np.maximum(self.expert, 0) * width + self.neuron

    @property
    def empty(self) -> tuple[str, ...]:
        """The emotions that have no neuron."""
        return tuple(emotion for emotion in self.emotions if not len(self[emotion]))

    def __len__(self) -> int:
        return len(self.neuron)

    def __getitem__(self, emotion: str) -> "NeuronSet":
        mine = self.emotion == self._row(emotion)
        columns = {name: getattr(self, name)[mine] for name in _COLUMNS}
        return replace(self, emotions=(emotion,), **columns | {"emotion": np.zeros(mine.sum(), np.int32)})

    def indices(self, emotion: str | None = None) -> Int64[np.ndarray, " chosen"]:
        """Sorted flat gate indices of an emotion, or of all emotions together, each gate once."""
        return np.unique(self.flat if emotion is None else self.flat[self.emotion == self._row(emotion)])

    def counts(self) -> Int64[np.ndarray, "emotion layer"]:
        """Number of neurons per emotion and layer."""
        counts = np.zeros((len(self.emotions), len(self.widths)), dtype=np.int64)
        np.add.at(counts, (self.emotion, self.layer), 1)
        return counts

    def to_frame(self) -> pd.DataFrame:
        """One row per member: emotion (by name), layer, expert, neuron, score."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return pd.DataFrame(columns | {"emotion": [self.emotions[row] for row in self.emotion]})

    def plot(self, **look: "Unpack[Look]") -> "Figure":
        """The neuron map: neurons per layer and emotion; ``look`` is that of `esn_interp.drawing.look.looking`."""
        from esn_interp.drawing.look import looking
        from esn_interp.neurons.neuron_map import neuron_map

        return looking(neuron_map(self), **look)

    def check(self, lm: GatedModel) -> None:
        """Refuse a model in which these neurons were not found (StatisticsError)."""
        self.origin.check(lm, "the neurons")

    # ---------------------------------------------------------------- sets

    def __or__(self, other: "NeuronSet") -> "NeuronSet":
        return self._combine(other, "|")

    def __and__(self, other: "NeuronSet") -> "NeuronSet":
        return self._combine(other, "&")

    def __sub__(self, other: "NeuronSet") -> "NeuronSet":
        return self._combine(other, "-")

    def _combine(self, other: "NeuronSet", operator: str) -> "NeuronSet":
        """Emotion by emotion; a score is taken from the left set where it has the neuron."""
        if set(self.emotions) == set(other.emotions):
            pairs = {emotion: (emotion, emotion) for emotion in self.emotions}
        elif len(self.emotions) == len(other.emotions) == 1:
            left, right = self.emotions[0], other.emotions[0]
            pairs = {f"{left} {operator} {right}": (left, right)}
        else:
            mine, theirs = ", ".join(self.emotions), ", ".join(other.emotions)
            raise StatisticsError(f"sets of different emotions can't be combined: {mine} with {theirs}")
        indices: dict[str, Int64[np.ndarray, " chosen"]] = {}
        scores: dict[str, Float64[np.ndarray, " chosen"]] = {}
        for label, (left, right) in pairs.items():
            mine, theirs = self._scored(left), other._scored(right)
            joined = theirs | mine
            chosen = {"|": joined.keys(), "&": mine.keys() & theirs.keys(), "-": mine.keys() - theirs.keys()}
            indices[label] = np.array(sorted(chosen[operator]), dtype=np.int64)
            scores[label] = np.array([joined[gate] for gate in indices[label].tolist()], dtype=np.float64)
        selectors = dict.fromkeys((self.selector, other.selector))
        return NeuronSet.from_indices(
            self.origin.join([other.origin]),
            indices,
            scores=scores,
            selector=f" {operator} ".join(selectors),
            parameters={"operator": operator, "left": self._provenance(), "right": other._provenance()},
        )

    def random_like(self, seed: int, *, statistics: GateStatistics | None = None) -> "NeuronSet":
        """As many random neurons in every layer, per emotion, none of them this set's for that emotion.

        The control for what any neurons of these layers would do. The draw for an emotion depends on its name
        and its own neurons only, so ``esns.random_like(0)["sad"]`` equals ``esns["sad"].random_like(0)``.

        Parameters
        ----------
        statistics
            When given, the draw is also matched on the gates' activity: each neuron is replaced by one of the
            same decile of mean abs(g) in its layer; where a decile has no other neuron left, by the nearest
            that has.

        Raises
        ------
        StatisticsError
            When an emotion holds more than half of a layer, so that there are not enough others to draw; or
            when the statistics are of another model.
        """
        magnitude = None
        if statistics is not None:
            statistics.check(self.origin)
            magnitude = statistics.magnitude()

        def draw(emotion: str) -> Int64[np.ndarray, " chosen"]:
            mine = self.indices(emotion)
            return draw_like(mine, self.origin, emotion=emotion, seed=seed, magnitude=magnitude)

        return NeuronSet.from_indices(
            self.origin,
            {emotion: draw(emotion) for emotion in self.emotions},
            selector="random",
            parameters={
                "seed": seed,
                "matched": ["layer"] if magnitude is None else ["layer", "decile of mean abs(g)"],
                "like": self._provenance(),
            },
        )

    # ---------------------------------------------------------------- files

    def save(self, path: str | Path) -> None:
        """Write one ``.safetensors`` file."""
        header = {
            "kind": KIND,
            "version": VERSION,
            **self.origin.header(),
            "emotions": list(self.emotions),
            "selector": self.selector,
            "parameters": dict(self.parameters),
            "esn_interp": package_version(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        save_tensors(path, {name: getattr(self, name) for name in _COLUMNS}, header)

    @classmethod
    def load(cls, path: str | Path) -> "NeuronSet":
        """Read what `save` wrote.

        Raises
        ------
        EsnError
            When there is no such file, or it is of another kind or version.
        StatisticsError
            When its arrays do not fit its header.
        """
        arrays, header = load_tensors(path, kind=KIND, version=VERSION)
        told, origin = Entries(header, where=str(path)), Origin.from_header(header, where=str(path))
        file = LayeredArrays(arrays, origin, where=str(path))
        members = len(arrays["neuron"]) if "neuron" in arrays else 0
        columns = {name: file.flat(name, dtype, members) for name, dtype in _COLUMNS.items()}
        try:
            return cls(
                origin=origin,
                emotions=tuple(told.take("emotions", list[str])),
                selector=told.take("selector", str),
                parameters=told.take("parameters", dict[str, Any]),
                **columns,
            )
        except StatisticsError as error:
            told_already = str(error).startswith(str(path))
            raise (error if told_already else StatisticsError(f"{path}: {error}; the file is damaged")) from None

    # ---------------------------------------------------------------- sharing

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """Put the set and its card on a hub; see `esn_interp.neurons.sharing.push_to_hub`."""
        return _sharing().push_to_hub(self, repo, **options)

    @classmethod
    def from_hub(cls, repo: str, **options: Any) -> "NeuronSet":
        """The set that `push_to_hub` put there; see `esn_interp.neurons.sharing.from_hub`."""
        return _sharing().from_hub(repo, **options)

    def to_csv(self, path: str | Path) -> None:
        """One row per member."""
        _sharing().to_csv(self, path)

    def to_json(self, path: str | Path) -> None:
        """Everything as plain JSON, for programs that know nothing of ours."""
        _sharing().to_json(self, path)

    def lape_mask(self) -> list[list[Int64[np.ndarray, " chosen"]]]:
        """Gates by emotion and layer, as the code of LAPE keeps them for languages."""
        return _sharing().lape_mask(self)

    # ---------------------------------------------------------------- plumbing

    def _row(self, emotion: str) -> int:
        if emotion not in self.emotions:
            raise StatisticsError(f"unknown emotion {emotion!r}; this set holds {', '.join(self.emotions)}")
        return self.emotions.index(emotion)

    def _scored(self, emotion: str) -> dict[int, float]:
        mine = self.emotion == self._row(emotion)
        return dict(zip(self.flat[mine].tolist(), self.score[mine].tolist(), strict=True))

    def _provenance(self) -> dict[str, Any]:
        return {"selector": self.selector, "corpus": self.corpus, "parameters": dict(self.parameters)}


def _sharing() -> Any:
    """Loaded only when asked for: the hub's client takes a while to import."""
    from esn_interp.neurons import sharing

    return sharing
