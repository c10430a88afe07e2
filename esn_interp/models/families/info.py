"""What is known of a kind of models before one is loaded: the row of the catalogue, and the source of its docs page."""

from collections.abc import Mapping
from dataclasses import dataclass, field

THINKER = "thinker"


@dataclass(frozen=True)
class FamilyInfo:
    """What a family is called, what it can do and what one must know about it.

    Parameters
    ----------
    model_types
        Those of its configurations.
    capability
        ``recognise`` (answers about audio), ``speak`` (speech comes out) or ``gates only``.
    needs, needs_of
        What must be there, and of single checkpoints where they differ.
    tested
        What the contract tests run on: ``the real class``, or ``a stand-in`` for code that is not in transformers.
    roles
        What each decoder stack does, by its name.
    notes
        What one must know about the gates of this family.
    """

    name: str
    title: str
    model_types: tuple[str, ...] = ()
    capability: str = "recognise"
    checkpoints: tuple[str, ...] = ()
    needs: str = "transformers only"
    needs_of: Mapping[str, str] = field(default_factory=dict[str, str])
    tested: str = "the real class"
    roles: Mapping[str, str] = field(
        default_factory=lambda: {THINKER: "reads audio and instruction, writes the answer"}
    )
    notes: tuple[str, ...] = ()
