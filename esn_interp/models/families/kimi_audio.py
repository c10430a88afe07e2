"""Kimi-Audio: one Qwen2 decoder that forks, so that text and speech are written side by side.

The code is not in transformers: it comes with the checkpoint (class ``MoonshotKimiaForCausalLM``) and with the package
``kimia_infer``, whose prompt manager makes the inputs. A prompt is two streams of equal length that are added as
embeddings: the audio stream (discrete speech tokens, to which continuous Whisper features are added) and the text
stream, each blank where the other speaks. Layers up to the fork are shared; the layers after it lead to the text head
only, and the ``mimo`` layers, which start from the hidden state at the fork, to the speech head only. So in a forward,
gates after the fork can't change speech, nor gates of ``mimo`` the text. While the model speaks, both streams are fed
back: what is edited after the fork is heard only where it changes the words.
"""

import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import soundfile
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerBase
from transformers.modeling_outputs import CausalLMOutputWithPast

from esn_interp.errors import ModelError
from esn_interp.models.families.clip_by_clip import ClipByClip
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Inputs, Processor, Prompts, each
from esn_interp.models.families.kimi_streams import (
    CODES_PER_SECOND,
    RATE,
    AnswerEmbedding,
    TextStream,
    forward,
    write,
)
from esn_interp.models.families.spoken import SpeechRequest, SpeechRun, Spoken
from esn_interp.models.gate_view import first_hidden
from esn_interp.models.stacks import Stack, find_stacks

_MANAGER = "kimia_infer.api.prompt_manager"


class KimiAudio(ClipByClip):
    """Kimi-Audio, asked through its text stream."""

    info = FamilyInfo(
        name="kimi-audio",
        title="Kimi-Audio",
        model_types=("kimi_audio",),
        capability="speak",
        checkpoints=("moonshotai/Kimi-Audio-7B-Instruct",),
        needs="kimia_infer, flash-attn and a GPU with about 24 GB of memory; runs its own code",
        tested="a stand-in",
        roles={
            THINKER: "all layers that the text passes; reads both streams, writes the answer",
            "shared": "the layers up to the fork; their edits change text and speech",
            "text": "the layers after the fork; their edits change the text, and the speech by way of the words alone",
            "mimo": "from the fork to the speech codes; its edits change the speech, and the words by way of the codes",
        },
        notes=(
            "the hidden state forks after the shared layers: gates of the thinker after the fork can't change the"
            " speech codes of a forward, nor gates of the mimo layers the text; only what is written is fed back to"
            " both",
            "in `text`, layer 0 is the first after the fork",
            "it has no system prompt",
            "it speaks when it is opened with the whole pipeline: load(kimi.alm, processor=kimi)",
            "the mimo layers run along in every forward, also where only text is asked for",
        ),
    )
    written_for = "transformers 4.51 to 4.57, with flash-attn"
    answering: ClassVar[tuple[str, ...]] = (THINKER, "shared", "text")
    speaks_with: ClassVar[str] = "mimo"
    decoding: ClassVar[tuple[str, ...]] = ("greedy", "temperature", "top_k")

    def knows(self, config: Any) -> bool:
        # The published configuration derives from Qwen2's and may carry its type.
        return hasattr(config, "kimia_mimo_transformer_from_layer_index")

    def default_config(self) -> Any:
        return None

    # ---------------------------------------------------------------- loading

    def load_model(self, path: str | Path, *, component: str = THINKER, **options: Any) -> nn.Module:
        return self.by_its_own_code(AutoModelForCausalLM, path, **options)

    def load_processor(self, path: str | Path, *, trust_remote_code: bool = False) -> Any:
        """The prompt manager, from ``kimia_infer``."""
        try:
            managers: Any = import_module(_MANAGER)
        except ImportError as error:
            raise ModelError(
                f"{path}: Kimi-Audio's inputs are made by its own package, and {error.name} can't be imported here;"
                " install kimia_infer from https://github.com/MoonshotAI/Kimi-Audio"
            ) from error
        config = AutoConfig.from_pretrained(str(path), trust_remote_code=trust_remote_code)
        folder = str(path)
        if not Path(folder).is_dir():
            from huggingface_hub import snapshot_download

            folder = snapshot_download(folder)
        return managers.KimiAPromptManager(model_path=folder, kimia_token_offset=config.kimia_token_offset)

    def processor(self, model: nn.Module, given: Any) -> Processor:
        """Our view of a prompt manager of ``kimia_infer``, or of the ``KimiAudio`` that holds one."""
        if not isinstance(given, Processor):
            manager = getattr(given, "prompt_manager", given)
            if not (hasattr(manager, "get_prompt") and hasattr(manager, "extra_tokens")):
                raise ModelError(
                    f"{type(given).__name__} is not a prompt manager of kimia_infer; give KimiAudio's"
                    " prompt_manager as the processor"
                )
            given = Processor(_Tokenizer(manager), manager, whole=given)
        special = given.feature_extractor.extra_tokens
        # What ends an answer and what is silent is known to the tokenizer alone; the model's class says neither.
        cast(Any, model).generation_config = GenerationConfig(
            eos_token_id=special.kimia_text_eos, pad_token_id=special.kimia_text_blank
        )
        return given

    # ---------------------------------------------------------------- inputs

    def inputs(
        self,
        processor: Processor,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: Prompts,
        *,
        system: str | None = None,
    ) -> Inputs:
        """Both streams of every clip: ``input_ids`` is the text, ``audio_input_ids`` the audio.

        The text is padded on the left; all else belongs to the audio, starts with its clip and is padded on the right.
        """
        return self._inputs(processor, waveforms, prompt, system=system, output="text")

    def speech_inputs(self, processor: Processor, request: SpeechRequest) -> Inputs:
        """As `inputs`, with the token that asks for speech beside the text."""
        if request.waveform is None:
            raise ModelError(f"{self.title} speaks about a clip; give it one")
        return self._inputs(processor, [request.waveform], request.prompt, system=request.system, output="both")

    def _inputs(
        self,
        processor: Processor,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: Prompts,
        *,
        system: str | None,
        output: str,
    ) -> Inputs:
        if system is not None:
            raise ModelError("Kimi-Audio has no system prompt; put what it should know into the question")
        manager = processor.feature_extractor
        blank = manager.extra_tokens.kimia_text_blank
        texts, audios, continuous, features = [], [], [], []
        for waveform, words in zip(waveforms, each(prompt, len(waveforms)), strict=True):
            content = _content(manager, waveform, words, output=output)
            audio, text, mask = (tensor[0] for tensor in content.to_tensor())
            texts.append(text)
            audios.append(audio)
            continuous.append(mask)
            features.append(content.continuous_feature[0][0].float())
        pad = nn.utils.rnn.pad_sequence
        longest = max(map(len, texts))
        left = [longest - len(text) for text in texts]
        tensors = {
            "input_ids": pad(texts, batch_first=True, padding_value=blank, padding_side="left"),
            "attention_mask": torch.stack([(torch.arange(longest) >= start).long() for start in left]),
            "audio_input_ids": pad(audios, batch_first=True, padding_value=blank),
            "is_continuous_mask": pad(continuous, batch_first=True),
            "whisper_input_feature": pad(features, batch_first=True),
        }
        audio = [nn.functional.pad(mask, (start, 0)) for mask, start in zip(continuous, left, strict=True)]
        return Inputs(tensors, torch.stack(audio))

    def one(self, tensors: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
        text = tensors["input_ids"][row : row + 1, tensors["attention_mask"][row].eq(0).sum() :]
        # While the model answers in text its audio stream is blank, and so is the padding.
        audio = tensors["audio_input_ids"][row : row + 1]
        continuous = tensors["is_continuous_mask"][row : row + 1]
        more, blank = max(text.shape[1] - audio.shape[1], 0), int(tensors["input_ids"][row, 0])
        audio = nn.functional.pad(audio, (0, more), value=blank)[:, : text.shape[1]]
        continuous = nn.functional.pad(continuous, (0, more))[:, : text.shape[1]]
        features = tensors["whisper_input_feature"][row : row + 1, : continuous.sum()]
        return {
            "input_ids": audio,
            "text_input_ids": text,
            "whisper_input_feature": features,
            "is_continuous_mask": continuous,
        }

    # ---------------------------------------------------------------- parts

    def stacks(self, model: nn.Module) -> dict[str, Stack]:
        found = find_stacks(model)
        thinker, fork = found[THINKER], _fork(model)
        parts = (thinker.part("shared", 0, fork), thinker.part("text", fork, len(thinker)))
        return {THINKER: thinker, **{part.name: part for part in parts}, "mimo": found["mimo"]}

    def decoder(self, model: nn.Module) -> nn.Module:
        return TextStream(model)

    def embedding(self, model: nn.Module) -> nn.Module:
        return AnswerEmbedding(model)

    # ---------------------------------------------------------------- running

    def native(self, model: nn.Module, clip: Mapping[str, Tensor], *, use_cache: bool = False) -> Any:
        output = forward(model, clip, 0, None, use_cache=use_cache)
        return CausalLMOutputWithPast(logits=output.logits[1], past_key_values=output.past_key_values)

    def merged(self, model: nn.Module, clip: Mapping[str, Tensor]) -> Float[Tensor, "1 token hidden"]:
        layers = [*cast(Any, model).model.layers, *cast(Any, model).model.mimo_layers]

        def run(**clip: Tensor) -> None:
            forward(model, clip, 0, None, use_cache=False)

        return first_hidden(layers, run, clip)

    def answer(
        self, model: nn.Module, clip: Mapping[str, Tensor], *, max_new_tokens: int
    ) -> Int[Tensor, " token"]:
        words, _ = write(model, clip, words=max_new_tokens)
        return words

    # ---------------------------------------------------------------- speech

    def speech_scopes(self, component: str, inputs: Inputs) -> Int[Tensor, "clip token"]:
        return inputs.scopes  # all stacks run over the prompt

    def speak(self, run: SpeechRun) -> list[Spoken]:
        whole, manager, manner = run.processor.whole, run.processor.feature_extractor, run.manner
        if getattr(whole, "detokenizer", None) is None:
            raise ModelError(
                "Kimi-Audio speaks through the detokenizer of its own package: kimi = KimiAudio(path), then"
                " load(kimi.alm, processor=kimi)"
            )
        special, offset = manager.extra_tokens, manager.kimia_token_offset
        ends = (special.msg_end, special.media_end)
        words, codes = write(
            run.model,
            self.one(run.inputs.tensors, 0),
            words=manner.max_new_tokens,
            codes=round(manner.max_seconds * CODES_PER_SECOND),
            ends=ends,
            temperature=manner.temperature,
            top_k=1 if manner.greedy else manner.top_k,
        )
        ended = special.kimia_text_eos in words.tolist() and int(codes[-1]) in ends
        codes = codes[codes >= offset]
        text = run.processor.tokenizer.batch_decode(words[None])[0].strip()
        sound = whole.detokenize_audio(codes[None] - offset) if len(codes) else None
        return [Spoken.of(text, sound, RATE, codes=codes.cpu().numpy().astype(np.int64), ended=ended)]

    def inaudible(self, model: nn.Module, component: str, layers: Sequence[int]) -> str | None:
        first = {THINKER: _fork(model), "text": 0}.get(component)
        late = [layer for layer in sorted(layers) if first is not None and layer >= first]
        if not late:
            return None
        return (
            f"layers {late[0]} to {late[-1]} of Kimi-Audio's {component} come after its fork and lead to the text only:"
            " gates there can't change the speech of the same forward, but the words, and speech by way of these"
        )


class _Tokenizer(PreTrainedTokenizerBase):
    """The prompt manager's text tokenizer, asked in its own way, under the names of transformers."""

    def __init__(self, manager: Any) -> None:
        super().__init__()
        self.manager = manager

    # Only what the package asks of a tokenizer; the arguments that it never gives are not looked at.

    def __call__(self, *text: Any, **options: Any) -> Any:
        return {"input_ids": list(self.manager.text_tokenizer.encode(text[0], bos=False, eos=False))}

    def convert_ids_to_tokens(self, *ids: Any, **options: Any) -> Any:
        return [self.manager.text_tokenizer.decode([token]) for token in ids[0]]

    def batch_decode(self, *sequences: Any, **options: Any) -> Any:
        """What is said before each answer ends; tokens of speech and markers are no words."""
        special = self.manager.extra_tokens
        markers = {token for token in vars(special).values() if isinstance(token, int)}
        words: list[str] = []
        for tokens in sequences[0].tolist():
            ends = tokens.index(special.kimia_text_eos) if special.kimia_text_eos in tokens else len(tokens)
            said = [t for t in tokens[:ends] if t < self.manager.kimia_token_offset and t not in markers]
            words.append(self.manager.text_tokenizer.decode(said))
        return words


def _content(manager: Any, waveform: Float[np.ndarray, " sample"], prompt: str, *, output: str) -> Any:
    """The prompt of one clip, instruction first, by the manager itself, which reads audio from files only."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "clip.wav")
        soundfile.write(path, waveform, 16_000, subtype="FLOAT")
        messages = [
            {"role": "user", "message_type": "text", "content": prompt},
            {"role": "user", "message_type": "audio", "content": path},
        ]
        return manager.get_prompt(messages, output_type=output)


def _fork(model: nn.Module) -> int:
    """How many layers are shared: the mimo layers start from the output of the one with this configured number."""
    return int(cast(Any, model).config.kimia_mimo_transformer_from_layer_index) + 1
