"""What a study needs of a model: to be asked, read, edited, and to say what it is."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from esn_interp.models.edits import Edit
from esn_interp.neurons.batch_tap import BatchTap
from esn_interp.tasks.listener import Listener


@runtime_checkable
class Subject(Listener, Protocol):
    """The part of `AudioLM` that a study uses, with what it tells its readers about the model."""

    @property
    def family(self) -> Any:
        """The kind of model; only its ``title`` is used."""
        ...

    def scores(
        self,
        encoded: Any,
        labels: Sequence[str],
        *,
        edits: Sequence[Edit] = (),
        tap: BatchTap | None = None,
    ) -> Float[np.ndarray, "clip label"]:
        """Log-probabilities of the labels; shows every layer's gates over the prompt to ``tap``."""
        ...
