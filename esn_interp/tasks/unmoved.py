"""Edits that changed nothing: told, since an effect of 0 looks like a finding."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

_NAMED = 6  # conditions that a note names


def unmoved(
    acting: Mapping[str, bool], scores: Float[np.ndarray, "condition clip label"], baseline: str
) -> tuple[str, ...]:
    """The conditions that edit something, and yet gave every clip the very scores of the unedited model.

    ``acting`` says of each condition, in the order of ``scores``, whether it edits anything; none is told where the
    ``baseline`` was not run.
    """
    if baseline not in acting:
        return ()
    unedited = scores[list(acting).index(baseline)]
    return tuple(
        name
        for at, (name, acts) in enumerate(acting.items())
        if acts and name != baseline and np.array_equal(scores[at], unedited)
    )


def unmoved_note(names: Sequence[str], clips: int) -> str:
    """The sentence on edits that changed nothing, of so many clips; empty where there are none."""
    if not names:
        return ""
    further = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    named = ", ".join(names[:_NAMED]) + further
    return f"edits that changed nothing, in no digit of any score of {clips} clips: {named}"
