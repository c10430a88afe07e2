"""What a steered checkpoint says of itself: which gates of which model are scaled in its weights, and by whom."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from esn_interp.entries import Entries
from esn_interp.files import package_version, read_json, write_json

FILE, KIND, VERSION = "steered.json", "steered checkpoint", 1


@dataclass(frozen=True, eq=False)
class Baked:
    """A recipe without code: gate ``neurons[i]`` of a layer is multiplied by ``gains[i]``, at every position.

    Lies beside a checkpoint as ``steered.json``.

    Parameters
    ----------
    base, base_fingerprint
        The model that was steered.
    component
        The decoder stack whose gates are meant.
    layers
        Neurons and gains by layer.
    by
        Who did it; "" when nobody said.
    """

    base: str
    base_fingerprint: str
    component: str
    layers: Mapping[int, tuple[Int64[np.ndarray, " _neuron"], Float32[np.ndarray, " _neuron"]]] = field(
        repr=False
    )
    by: str = ""
    made_with: str = field(default_factory=package_version)

    @property
    def count(self) -> int:
        """How many gates are scaled."""
        return sum(len(neurons) for neurons, _ in self.layers.values())

    @property
    def digest(self) -> str:
        """Tells one recipe from another: a fingerprint samples weights, and may miss the scaled ones."""
        digest = hashlib.sha256(f"{self.base_fingerprint}{self.component}".encode())
        for layer, (neurons, gains) in sorted(self.layers.items()):
            digest.update(
                f"{layer}:".encode() + neurons.astype("<i8").tobytes() + gains.astype("<f4").tobytes()
            )
        return digest.hexdigest()[:16]

    def summary(self) -> str:
        """One line."""
        gains = np.concatenate([gains for _, gains in self.layers.values()])
        low, high = float(gains.min()), float(gains.max())
        by = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        of = f"{self.count:,} gates in {len(self.layers)} layers of the {self.component} multiplied by {by}"
        return f"steered: {self.base} with {of}{f', by {self.by}' if self.by else ''}"

    @classmethod
    def beside(cls, folder: str | Path) -> "Baked | None":
        """The recipe that lies in a model's folder; None where there is none.

        Raises
        ------
        EsnError
            When the file is not such a recipe.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            return None
        told = Entries(read_json(path, kind=KIND, version=VERSION), where=str(path))
        layers: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for at, content in enumerate(told.take("layers", list[dict[str, Any]])):
            one = Entries(content, where=f"{path}, layers {at}")
            neurons, gains = one.take("neurons", list[int]), one.take("gains", list[float])
            if len(neurons) != len(gains):
                raise one.damaged("gains", f"has {len(gains)} values for {len(neurons)} neurons")
            layers[one.take("layer", int)] = np.array(neurons, dtype=np.int64), np.array(gains, dtype=np.float32)
        names = ("base", "base_fingerprint", "component", "by", "made_with")
        return cls(layers=layers, **{name: told.take(name, str) for name in names})

    def save(self, folder: str | Path) -> None:
        """Write the recipe into a model's folder."""
        layers: list[dict[str, Any]] = [
            {"layer": layer, "neurons": neurons.tolist(), "gains": [float(f"{gain:.9g}") for gain in gains]}
            for layer, (neurons, gains) in sorted(self.layers.items())
        ]
        names = ("base", "base_fingerprint", "component", "by", "made_with")
        told = {name: getattr(self, name) for name in names}
        write_json(Path(folder) / FILE, {"kind": KIND, "version": VERSION, **told, "layers": layers})
