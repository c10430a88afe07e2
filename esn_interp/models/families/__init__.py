"""The kinds of models that can be asked about a clip, one file each."""

from esn_interp.errors import ModelError
from esn_interp.models.families.base import Family, Inputs, Processor
from esn_interp.models.families.qwen2_5_omni import Qwen25Omni

FAMILIES: tuple[Family, ...] = (Qwen25Omni(),)


def family_of(model_type: str) -> Family:
    """The family that handles a transformers ``model_type``.

    Raises
    ------
    ModelError
        When none does; names those that are known.
    """
    for family in FAMILIES:
        if model_type in family.model_types:
            return family
    known = ", ".join(t for family in FAMILIES for t in family.model_types)
    raise ModelError(f"model type {model_type!r} has no family here; known: {known}")


__all__ = ["FAMILIES", "Family", "Inputs", "Processor", "family_of"]
