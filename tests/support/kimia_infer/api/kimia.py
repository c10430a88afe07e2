"""The pipeline around the model: what loads it, and what makes sound of speech codes."""

import torch
from transformers import AutoModelForCausalLM

from kimia_infer.api.prompt_manager import KimiAPromptManager


class KimiAudio:
    def __init__(self, model_path, load_detokenizer=True):
        self.alm = AutoModelForCausalLM.from_pretrained(model_path, trust_remote_code=True)
        self.kimia_token_offset = self.alm.config.kimia_token_offset
        self.prompt_manager = KimiAPromptManager(model_path, self.kimia_token_offset)
        self.extra_tokens = self.prompt_manager.extra_tokens
        self.detokenizer = object() if load_detokenizer else None

    def detokenize_audio(self, audio_tokens):
        """A tone for every code, in place of a voice."""
        if self.detokenizer is None:
            raise ValueError("Detokenizer is not initialized")
        seconds = torch.arange(1920) / 24_000
        return torch.sin(2 * torch.pi * seconds * (200 + 20 * audio_tokens[0, :, None])).reshape(1, -1)
