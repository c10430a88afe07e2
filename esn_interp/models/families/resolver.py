"""Models without a family file: whatever can be found by structure, and clear words where it can't."""

from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError
from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import PER_TOKEN, Processor
from esn_interp.models.stacks import Stack


class ByStructure(Family):
    """A model that is known by its structure only: decoder and gates are searched for, or pointed at."""

    info = FamilyInfo(
        name="by structure",
        title="a model by structure",
        model_types=(),
        needs="a processor of transformers with a chat template for audio",
    )

    def load_processor(self, path: str | Path, *, trust_remote_code: bool = False) -> Any:
        given = super().load_processor(path, trust_remote_code=trust_remote_code)
        if isinstance(given, PreTrainedTokenizerBase):
            raise ModelError(
                f"{path}: this is a text-only model, it has a tokenizer but no feature extractor for audio"
            )
        return given

    def stacks(self, model: nn.Module) -> dict[str, Stack]:
        found = super().stacks(model)
        # The stack that reads the prompt is the one whose path holds nothing but common parts; failing that, the
        # first: talkers and depth decoders stand behind it.
        if THINKER not in found:
            first, *others = found.values()
            found = {THINKER: Stack(THINKER, first.path, first.decoder, first.gates)} | {
                s.name: s for s in others
            }
        return found

    def processor(self, model: nn.Module, given: Any) -> Processor:
        self.opened(model)  # without gates there is nothing to ask a processor for
        processor = super().processor(model, given)
        if processor.whole is not None and not processor.chat_template:
            raise ModelError(
                f"{type(given).__name__} has no chat template, so its prompt is not known; add chat_template.jinja"
                " to the checkpoint, or write a family file"
            )
        names = set(processor.feature_extractor.model_input_names) | set(
            getattr(given, "model_input_names", ())
        )
        features = sorted(names - set(PER_TOKEN))
        if not set(features) & set(signature(model.forward).parameters):
            raise ModelError(
                f"{type(model).__name__} takes no audio features ({', '.join(features)}): it is a text-only model"
            )
        return processor
