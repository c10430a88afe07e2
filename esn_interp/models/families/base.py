"""What the rest of the package needs to know about a kind of model, and nothing more.

The defaults fit a model of transformers that merges audio into the prompt of one decoder and comes with a processor:
gates, decoder, head and embedding are found by structure, inputs come from the processor's chat template. A family
file says what is different.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from esn_interp.errors import ModelError
from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.families.auto import auto_of, load_auto, load_whole, unremarked
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import (
    Inputs,
    Processor,
    Prompts,
    collate,
    each,
    messages,
    require_template,
    require_whole,
    template_of,
)
from esn_interp.models.families.spoken import SpeechRequest, SpeechRun, Spoken
from esn_interp.models.gate_view import decoder_inputs
from esn_interp.models.stacks import Stack, find_stacks, hinted_stack, no_stack


class Family:
    """One kind of model: how it is loaded, how a clip and an instruction become its inputs, where its parts are."""

    info: ClassVar[FamilyInfo]
    answering: ClassVar[tuple[str, ...]] = (THINKER,)
    """The stacks that take part when the model answers; gates of others can't change an answer."""
    max_seconds: ClassVar[float | None] = None
    """Longest clip that the encoder takes; None where it is windowed or unlimited."""
    sampling_rate: ClassVar[int] = 16_000
    model_class: ClassVar[str] = ""
    """The class of transformers that is loaded, where the Auto classes know another or none."""
    in_parts: ClassVar[bool] = False
    """Whether tokenizer and feature extractor are read by themselves, since the processor's class needs more."""
    templated: ClassVar[bool] = True
    """Whether a prompt is made by the chat template."""
    gates: str | None = None
    """Where the gates are, when somebody points at them: ``"model.layers[*].mlp.act_fn"``."""
    clip_by_clip: ClassVar[bool] = False
    """Whether the model writes its answers one clip at a time."""
    speaks_together: ClassVar[bool] = False
    """Whether it speaks about several clips in one run."""
    voices: ClassVar[bool] = False
    """Whether it has voices to choose from."""
    decoding: ClassVar[tuple[str, ...]] = ()
    """What a `Manner` can tell it of how codes of speech are chosen."""
    speaks_with: ClassVar[str] = THINKER
    """The stack that is meant when nobody says whose gates are to change speech."""
    speaking_system: ClassVar[str | None] = None
    """The system prompt that its checkpoints want before they speak."""

    @property
    def name(self) -> str:
        """What it is called in the catalogue."""
        return self.info.name

    @property
    def title(self) -> str:
        """What it is called in words."""
        return self.info.title

    # ---------------------------------------------------------------- loading

    def knows(self, config: Any) -> bool:
        """Whether a model with this configuration is of this kind."""
        return getattr(config, "model_type", None) in self.info.model_types

    def load(
        self, path: str | Path, *, component: str = THINKER, **options: Any
    ) -> tuple[nn.Module, Processor]:
        """Model and processor from a folder or the hub; ``component`` says whose gates will be read.

        What inputs are made with comes first: it is small, and without it a model can't hear, whatever its weights.
        """
        with unremarked():
            given = self.load_processor(path, trust_remote_code=bool(options.get("trust_remote_code")))
            model = self.load_model(path, component=component, **options)
        return model, self.processor(model, given)

    def load_model(self, path: str | Path, *, component: str = THINKER, **options: Any) -> nn.Module:
        """The model by itself, with ``options`` of ``from_pretrained``."""
        if not self.model_class:
            return load_auto(path, **options)
        return load_whole(getattr(transformers, self.model_class), path, **options)

    def load_processor(self, path: str | Path, *, trust_remote_code: bool = False) -> Any:
        """What `processor` makes our view of: the checkpoint's own processor, or what it is made of."""
        if self.in_parts:
            return self.parts(path)
        return AutoProcessor.from_pretrained(str(path), trust_remote_code=trust_remote_code)

    def parts(self, path: str | Path, *, extractor: Any = None) -> Processor:
        """Tokenizer, feature extractor and chat template, each read by itself."""
        tokenizer = self.load_tokenizer(path)
        template = require_template(template_of(tokenizer, path), str(path)) if self.templated else ""
        return Processor(tokenizer, extractor or AutoFeatureExtractor.from_pretrained(str(path)), template)

    def load_tokenizer(self, path: str | Path) -> PreTrainedTokenizerBase:
        """The tokenizer by itself."""
        return AutoTokenizer.from_pretrained(str(path))

    def processor(self, model: nn.Module, given: Any) -> Processor:
        """Our view of a processor of transformers, or one of ours, which may lack the audio token.

        Raises
        ------
        ModelError
            When it has no tokenizer or no feature extractor, or its vocabulary is not this model's.
        """
        if isinstance(given, Processor):
            known = given.audio_token_id >= 0
            return given if known else replace(given, audio_token_id=self.audio_token_id(model, given))
        tokenizer, extractor = self.halves(given)
        token = self.audio_token_id(model, given)
        theirs = getattr(given, "audio_token_id", None)
        if isinstance(theirs, int) and theirs != token:
            raise ModelError(
                f"{type(given).__name__}: its audio token is number {theirs}, the model's is {token}; this is the"
                " processor of another model"
            )
        if token >= (rows := cast(Any, self.embedding(model)).weight.shape[0]):
            raise ModelError(
                f"{type(given).__name__}: its audio token is number {token}, but the model knows {rows} tokens;"
                " this is the processor of another model"
            )
        bins = getattr(getattr(getattr(model, "config", None), "audio_config", None), "num_mel_bins", None)
        theirs = getattr(extractor, "feature_size", None)
        if isinstance(bins, int) and isinstance(theirs, int) and bins != theirs:
            raise ModelError(
                f"{type(given).__name__}: its features have {theirs} mel bands, the model's encoder takes {bins}; this"
                " is the processor of another model"
            )
        return Processor(tokenizer, extractor, getattr(given, "chat_template", None) or "", given, token)

    def halves(self, given: Any) -> tuple[PreTrainedTokenizerBase, Any]:
        """Tokenizer and feature extractor of a processor of transformers."""
        tokenizer = getattr(given, "tokenizer", None)
        extractor = getattr(given, "feature_extractor", None) or getattr(given, "audio_processor", None)
        if tokenizer is None or extractor is None:
            raise ModelError(
                f"{type(given).__name__} is not a processor for audio and text (it lacks a tokenizer or a feature"
                f" extractor); load the one that belongs to {self.title}"
            )
        return tokenizer, extractor

    def audio_token_id(self, model: nn.Module, processor: Any) -> int:
        """The token that stands for audio in a prompt, from the model's configuration or its processor."""
        config = getattr(model, "config", None)
        for holder in (config, processor.tokenizer if isinstance(processor, Processor) else processor):
            for name in ("audio_token_id", "audio_token_index"):
                if isinstance(token := getattr(holder, name, None), int):
                    return token
        raise ModelError(
            f"{type(model).__name__}: no audio token in its configuration, so audio has no place in its prompt (is it a"
            " text-only model?)"
        )

    def skeleton(self, config: Any = None) -> nn.Module | None:
        """The model without weights, for looking at its structure; by default in transformers' own configuration.

        None where its class does not come with transformers.
        """
        # Default configurations are complained about, and none of it concerns the structure.
        verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()
        try:
            return self._skeleton(self.default_config() if config is None else config)
        finally:
            transformers_logging.set_verbosity(verbosity)

    def _skeleton(self, config: Any) -> nn.Module | None:
        if (auto := auto_of(config)) is None:
            return None
        with torch.device("meta"):
            return getattr(transformers, self.model_class)(config) if self.model_class else auto.from_config(config)

    def default_config(self) -> Any:
        """The configuration of `skeleton`; None where there is none."""
        return AutoConfig.for_model(self.info.model_types[0])

    # ---------------------------------------------------------------- inputs

    def inputs(
        self,
        processor: Processor,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: Prompts,
        *,
        system: str | None = None,
    ) -> Inputs:
        """The inputs that ask ``prompt``, or each its own, about each waveform (mono, at ``sampling_rate``).

        Every clip is prepared by itself and padded afterwards, so that none depends on its neighbours.
        """
        asked = zip(waveforms, each(prompt, len(waveforms)), strict=True)
        singles = [self.one_input(processor, waveform, words, system=system) for waveform, words in asked]
        padding = processor.tokenizer.pad_token_id
        if not isinstance(padding, int) or padding == processor.audio_token_id:
            padding = 0 if processor.audio_token_id else 1  # padding must not be taken for audio
        tensors = collate(singles, pad_token_id=padding)
        return Inputs(tensors, tensors["input_ids"].eq(processor.audio_token_id))

    def one_input(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"],
        prompt: str,
        *,
        system: str | None = None,
    ) -> dict[str, Tensor]:
        """The inputs of one clip, batch axis included, as the model's own processor makes them."""
        require_template(processor.chat_template, type(processor.whole).__name__)
        conversation = messages(waveform, prompt, system=system)
        made = processor.whole.apply_chat_template(
            conversation, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        require_whole(made.get("input_features"), processor.feature_extractor, waveform, self.title)
        return {name: value for name, value in made.items() if isinstance(value, Tensor)}

    # ---------------------------------------------------------------- speech

    def speech_inputs(self, processor: Processor, request: SpeechRequest) -> Inputs:
        """The inputs of spoken answers; by default those of a question about each clip."""
        clips = [waveform for waveform in request.waveforms if waveform is not None]
        if len(clips) < len(request.waveforms):
            raise ModelError(f"{self.title} speaks about a clip; give it one")
        return self.inputs(processor, clips, request.prompt, system=request.system)

    def speech_scopes(self, component: str, inputs: Inputs) -> Int[Tensor, "clip token"]:
        """Scopes of the tokens that a stack computes first when the model speaks.

        A stack that only speaks works on nothing but what is being generated.
        """
        if component in (self.answering or (THINKER,)):
            return inputs.scopes
        return torch.full((1, 1), SCOPE_CODES["generated"], device=inputs.audio.device)

    def speak(self, run: SpeechRun) -> list[Spoken]:
        """Answer aloud, every clip as if it were alone.

        What is drawn at random comes from torch's own generator, which has been told the seed of the first clip.

        Raises
        ------
        ModelError
            When this kind of model has no speech of its own, or not this voice.
        """
        raise ModelError(f"{self.title} does not speak, it answers in writing")

    def inaudible(self, model: nn.Module, component: str, layers: Sequence[int]) -> str | None:
        """What somebody must be told who edits these layers to change speech; None when there is nothing to tell."""
        return None

    # ---------------------------------------------------------------- parts

    def opened(self, model: nn.Module) -> dict[str, Stack]:
        """The decoder stacks by name, or the one whose gates were pointed at."""
        return self.stacks(model) if self.gates is None else {THINKER: hinted_stack(model, self.gates)}

    def stacks(self, model: nn.Module) -> dict[str, Stack]:
        """The decoder stacks by name."""
        if not (found := find_stacks(model)):
            raise no_stack(model)
        return found

    def generator(self, model: nn.Module) -> nn.Module:
        """The module with ``forward`` to logits and ``generate`` to text."""
        return model

    def answering_part(self, model: nn.Module) -> nn.Module:
        """What is loaded when nothing but answers is asked for."""
        return model

    def backbone(self, model: nn.Module) -> nn.Module:
        """The module that merges audio and text and runs the decoder, without the head."""
        return cast(nn.Module, getattr(self.generator(model), "base_model", model))

    def decoder(self, model: nn.Module) -> nn.Module:
        """The decoder whose last hidden state the head reads."""
        return self.opened(model)[THINKER].decoder

    def captured(self, model: nn.Module, inputs: Inputs) -> dict[str, Any]:
        """The decoder's inputs: audio encoded and merged into the prompt, without running the decoder."""
        return decoder_inputs(self.decoder(model), self.backbone(model), inputs.tensors)

    def head(self, model: nn.Module) -> nn.Linear:
        """The unembedding."""
        return cast(Any, self.generator(model)).get_output_embeddings()

    def embedding(self, model: nn.Module) -> nn.Module:
        """The token embedding."""
        return cast(Any, self.generator(model)).get_input_embeddings()

    def finish(self, model: nn.Module, logits: Float[Tensor, "*cell"]) -> Float[Tensor, "*cell"]:
        """What the model does to its logits after the head, element by element: scaling or soft-capping."""
        return logits
