"""The smallest piece of work of a conversion study: some clips said under one condition."""

from dataclasses import dataclass

from esn_interp.analysis.conversion.settings_result import SteeringSetting


@dataclass(frozen=True)
class Condition:
    """What is done to a conversion: nothing; or neurons are steered.

    ``draw`` is the number of a random set that stands in for the setting's neurons, as many in every layer.
    ``neurons_of`` is the emotion whose neurons are steered; by default the target's own.
    """

    setting: SteeringSetting | None = None
    draw: int | None = None
    neurons_of: str = ""


UNEDITED = Condition()


@dataclass(frozen=True)
class Unit:
    """Clips of one split, by their position in it, said with every target under one condition.

    With ``gates`` the gates are summed up as well, with ``prosody`` the voice is measured, and with ``sounds`` what was
    said is stored. Every ``attempt`` at the same clips draws what is drawn at random anew.
    """

    split: str
    rows: tuple[int, ...]
    targets: tuple[str, ...]
    condition: Condition = UNEDITED
    gates: bool = False
    prosody: bool = False
    sounds: bool = False
    attempt: int = 0
