"""How a training of projectors goes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, and on what."""

    steps: int = 3000
    seconds: float = 0.0
    """When set, steps are cut to what a short trial at the beginning says can be done in this time."""
    batch: int = 32
    """Rows of each projector at a step."""
    rate: float = 2e-3
    warmup: int = 60
    decay: float = 0.01
    dropout: float = 0.1
    choosing: float = 0.5
    """Weight of a loss between the labels of a choice, as they are scored when the model is asked."""
    every: int = 250
    german: float = 0.25
    natural: float = 0.4
    """Share of the English clips that natural voices say, though they are few."""
    votes: bool = False
    """Whether answers are drawn by the votes of listeners; else all say what most say: less noise."""
    rough: bool = True
    """Whether mel bands are changed in level, masked and made noisy."""
