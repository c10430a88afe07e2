"""The kinds of models that can be asked about a clip, one file each."""

from esn_interp.models.families.audio_flamingo_3 import AudioFlamingo3
from esn_interp.models.families.base import Family, Inputs, Processor
from esn_interp.models.families.qwen2_5_omni import Qwen25Omni
from esn_interp.models.families.resolver import ByStructure

FAMILIES: tuple[Family, ...] = (Qwen25Omni(), AudioFlamingo3())


def family_of(model_type: str, *, gates: str | None = None) -> Family:
    """The family that handles a ``model_type``; one that goes by structure where there is none.

    ``gates`` points at the gates by hand, such as ``"model.layers[*].mlp.act_fn"``, and overrules the family.
    """
    known = [family for family in FAMILIES if model_type in family.model_types]
    return known[0] if known and gates is None else ByStructure(gates)


__all__ = ["FAMILIES", "ByStructure", "Family", "Inputs", "Processor", "family_of"]
