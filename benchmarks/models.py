"""Models of the real classes with random weights, in geometries from tiny to 7B, and noise for them to hear."""

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch

import esn_interp as esn
from esn_interp.models.audio_lm import AudioLM
from esn_interp.speech.clips import Clips

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
_SPREAD = 150.0
"""Times 0.02, as which transformers draws weights: the spread of what a layer computes from inputs of unit size."""
_SPECIAL = {"audio": "<|AUDIO|>", "begin": "<|audio_bos|>", "end": "<|audio_eos|>"}


@dataclass(frozen=True)
class Geometry:
    """Widths of a decoder with SwiGLU gates, and of the audio encoder before it."""

    name: str
    hidden: int
    layers: int
    gates: int
    heads: int = 8
    groups: int = 4
    vocabulary: int = 2000
    encoder: int = 128
    encoder_layers: int = 2
    encoder_heads: int = 4
    mels: int = 80

    def facts(self) -> dict[str, Any]:
        """For the results."""
        return asdict(self)


GEOMETRIES = {
    one.name: one
    for one in (
        Geometry("least", 32, 2, 64, 4, 2, encoder=32, encoder_layers=1, encoder_heads=2, mels=32),
        Geometry("tiny", 64, 3, 256, encoder=64, encoder_layers=1),
        Geometry("5M", 192, 8, 768),
        Geometry("60M", 640, 10, 2560),
        # Qwen2.5-Omni-7B's thinker
        Geometry("7B", 3584, 28, 18944, 28, 4, 152064, 1280, 32, 20, 128),
    )
}


@dataclass(frozen=True, eq=False)
class Made:
    """A model as transformers makes it, which nobody has opened yet, and its processor."""

    model: Any
    processor: Any
    name: str
    stack: str = "model.language_model"

    @property
    def decoder(self) -> Any:
        """The stack whose gates are read."""
        return self.model.get_submodule(self.stack)

    def opened(self) -> AudioLM:
        """The same model as this package sees it."""
        return esn.load(self.model, processor=self.processor, name=self.name)


def make_qwen2_5_omni(
    geometry: Geometry, *, device: str = "cpu", dtype: torch.dtype = torch.float32, seed: int = 0
) -> Made:
    """A thinker of Qwen2.5-Omni; the same seed gives the same weights."""
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration, WhisperFeatureExtractor
    from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

    from esn_interp.models.families import Processor

    tokenizer, template = _words()
    token = {name: tokenizer.convert_tokens_to_ids(text) for name, text in _SPECIAL.items()}
    per_head = geometry.hidden // geometry.heads
    config = Qwen2_5OmniThinkerConfig(
        text_config=_decoder(geometry, tokenizer)
        | dict(
            rope_scaling=dict(
                mrope_section=[per_head // 2 - 2 * (3 * per_head // 16), *[3 * per_head // 16] * 2],
                rope_type="default",
                type="default",
            )
        ),
        audio_config=dict(
            d_model=geometry.encoder,
            encoder_layers=geometry.encoder_layers,
            encoder_attention_heads=geometry.encoder_heads,
            encoder_ffn_dim=4 * geometry.encoder,
            output_dim=geometry.hidden,
            num_mel_bins=geometry.mels,
            n_window=100,
        ),
        vision_config=dict(
            depth=1, hidden_size=64, num_heads=2, intermediate_size=64, out_hidden_size=geometry.hidden
        ),
        audio_token_index=token["audio"],
        audio_start_token_id=token["begin"],
        audio_end_token_id=token["end"],
        vision_start_token_id=8,
        vision_end_token_id=9,
        image_token_index=6,
        video_token_index=7,
    )
    model = _drawn(Qwen2_5OmniThinkerForConditionalGeneration, config, tokenizer, device, dtype, seed)
    extractor = WhisperFeatureExtractor(feature_size=geometry.mels)
    processor = Processor(tokenizer, extractor, template)
    return Made(model, processor, f"Qwen2.5-Omni thinker, {geometry.name}")


def make_qwen2_audio(
    geometry: Geometry,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    window: int = 5,
) -> Made:
    """A Qwen2-Audio; its encoder pads every clip to ``window`` seconds (30 in the published one)."""
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
        WhisperFeatureExtractor,
    )

    tokenizer, _ = _words()
    config = Qwen2AudioConfig(
        text_config=_decoder(geometry, tokenizer) | dict(model_type="qwen2"),
        audio_config=dict(
            model_type="qwen2_audio_encoder",
            d_model=geometry.encoder,
            encoder_layers=geometry.encoder_layers,
            encoder_attention_heads=geometry.encoder_heads,
            encoder_ffn_dim=4 * geometry.encoder,
            num_mel_bins=geometry.mels,
            max_source_positions=50 * window,
        ),
        audio_token_index=tokenizer.convert_tokens_to_ids(_SPECIAL["audio"]),
    )
    model = _drawn(Qwen2AudioForConditionalGeneration, config, tokenizer, device, dtype, seed)
    extractor = WhisperFeatureExtractor(feature_size=geometry.mels, chunk_length=window)
    processor = Qwen2AudioProcessor(feature_extractor=extractor, tokenizer=tokenizer)
    return Made(model, processor, f"Qwen2-Audio, {geometry.name}")


def qwen2_5_omni(geometry: Geometry, **how: Any) -> AudioLM:
    """A thinker of Qwen2.5-Omni with random weights, opened."""
    return make_qwen2_5_omni(geometry, **how).opened()


MAKERS = {"qwen2-audio": make_qwen2_audio, "qwen2.5-omni": make_qwen2_5_omni}


def noise(clips: int, *, seconds: tuple[float, float] = (2.0, 4.0), seed: int = 0) -> list[np.ndarray]:
    """Noise at 16 kHz, of lengths drawn evenly: any audio will do for random weights."""
    rng = np.random.default_rng(seed)
    return [
        (0.1 * rng.normal(size=round(16_000 * length))).astype(np.float32)
        for length in rng.uniform(*seconds, size=clips)
    ]


def noisy_clips(clips: int, *, seconds: tuple[float, float] = (2.0, 4.0), seed: int = 0) -> Clips:
    """The same noise as a corpus of WAV files in memory, with an emotion and a speaker each."""
    rows = [
        {
            "audio": as_wav(wave),
            "id": f"noise-{at:05d}",
            "emotion": EMOTIONS[at % len(EMOTIONS)],
            "speaker": str(at % 8),
        }
        for at, wave in enumerate(noise(clips, seconds=seconds, seed=seed))
    ]
    return Clips.from_frame(pd.DataFrame(rows), name="noise")


def as_wav(waveform: np.ndarray) -> bytes:
    """The bytes of a WAV file, 16 bits a sample."""
    file = io.BytesIO()
    soundfile.write(file, waveform, 16_000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def some_gates(lm: AudioLM, *, share: float = 0.01, seed: int = 0) -> list[np.ndarray]:
    """Neurons drawn at random, the same share of every layer, sorted."""
    rng = np.random.default_rng(seed)
    return [np.sort(rng.choice(n, max(1, round(share * n)), replace=False)) for n in lm.widths]


def decoder_parameters(lm: AudioLM) -> int:
    """Weights of the decoder whose gates are read, embeddings included."""
    return sum(parameter.numel() for parameter in lm.stacks[lm.component].decoder.parameters())


def _words() -> tuple[Any, str]:
    """The bundled model's tokenizer and chat template: they have all special tokens of both families."""
    from transformers import AutoTokenizer

    folder = Path(str(esn.__file__)).parent / "models" / "bundled" / "toy-omni"
    return AutoTokenizer.from_pretrained(folder), (folder / "chat_template.jinja").read_text(encoding="utf-8")


def _decoder(geometry: Geometry, tokenizer: Any) -> dict[str, Any]:
    return dict(
        hidden_size=geometry.hidden,
        num_hidden_layers=geometry.layers,
        intermediate_size=geometry.gates,
        num_attention_heads=geometry.heads,
        num_key_value_heads=geometry.groups,
        vocab_size=max(geometry.vocabulary, len(tokenizer)),
        max_position_embeddings=32768,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _drawn(kind: Any, config: Any, tokenizer: Any, device: str, dtype: torch.dtype, seed: int) -> Any:
    """A model of this class with random weights, drawn where they will stay and in the precision they will have.

    They are drawn wider than is usual for training, so that gates are far from zero at any width, and silencing some
    shows in scores and words. Tokens that are no text are never chosen.
    """
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = kind(config)
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(False)
            if "layers" in name and parameter.ndim == 2:
                parameter.mul_(_SPREAD / parameter.shape[1] ** 0.5)
        texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))], skip_special_tokens=True)
        head = model.get_output_embeddings().weight
        head[len(tokenizer) :] = 0
        head[[token for token, text in enumerate(texts) if not text.strip()]] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval()
