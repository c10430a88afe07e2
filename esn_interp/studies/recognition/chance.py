"""Whether a model knows what it is asked: one that guesses passes clips by luck, and its neurons mean nothing."""

from esn_interp.studies.cache import Undone


class AtChance(Undone):
    """The model answers as one that guesses."""


def why_not(title: str, protocol: str, told: str) -> str:
    """Why there are no figures for a model that guesses."""
    return (
        f"{title}: asked by {protocol}, {told}: it was not taught to be asked so, or can't hear it, and neurons would"
        " be found on lucky answers; ask by another protocol"
    )
