"""Outcomes of conversions that nobody spoke: who is heard as what is planted, so every effect is known."""

from collections.abc import Callable, Sequence

import numpy as np

from esn_interp.analysis.conversion.measures import Outcome

TARGETS = ("happy", "angry", "sad", "fearful")
EMOTIONS = ("neutral", *TARGETS)
PROSODY = {"f0_mean": 180.0, "f0_range": 6.0, "energy": -24.0, "rate": 4.0, "duration": 1.8}


def heard_as(label: str, certainty: float = 0.8) -> dict[str, float]:
    rest = (1 - certainty) / (len(EMOTIONS) - 1)
    return {name: certainty if name == label else rest for name in EMOTIONS}


def outcome(clip: str, speaker: str, target: str, *, label: str | None = None, **changed) -> Outcome:
    """A conversion that is heard as its target unless told otherwise."""
    given = {
        **{"source": "neutral", "problem": None, "wer": 0.1, "cer": 0.05, "similarity": 0.7, **PROSODY},
        "probabilities": heard_as(label or target),
        "filter_probabilities": heard_as(label or target, 0.7),
    }
    return Outcome(clip=clip, speaker=speaker, target=target, **given | changed)


def failed(clip: str, speaker: str, target: str, problem: str = "nothing said") -> Outcome:
    return Outcome(clip, speaker, "neutral", target, problem, {}, {}, wer=1.0, cer=1.0)


def condition(
    success: Callable[[int, int, str], bool],
    *,
    speakers: int = 8,
    clips: int = 4,
    targets: Sequence[str] = TARGETS,
    miss: str = "neutral",
    **changed,
) -> list[Outcome]:
    """Every speaker says ``clips`` sentences with every target; ``success(speaker, clip, target)`` plants the outcome.

    Values in ``changed`` may be functions of the target and a random generator.
    """
    rng = np.random.default_rng(7)
    return [
        outcome(
            f"s{speaker}-{clip}",
            f"s{speaker}",
            target,
            label=target if success(speaker, clip, target) else miss,
            **{name: value(target, rng) if callable(value) else value for name, value in changed.items()},
        )
        for speaker in range(speakers)
        for clip in range(clips)
        for target in targets
    ]
