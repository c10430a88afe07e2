"""Qwen3-Omni: a thinker and a talker whose MLPs are mixtures of experts, a code predictor and a vocoder.

A neuron is (layer, expert, unit), numbered ``expert * width + unit`` within its layer, and exists only at the tokens
that were routed to its expert. The talker's shared expert sees every token and is a stack of its own. The code
predictor fills in the residual codes of each frame that the talker chose.
"""

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn

from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Inputs, Processor, Prompts
from esn_interp.models.families.qwen2_5_omni import Qwen25Omni
from esn_interp.models.families.qwen2_5_speech import RATE
from esn_interp.models.families.spoken import SpeechRun, Spoken
from esn_interp.models.stacks import Stack

# The only implementation that computes all gates of a layer in one call, in the order of the tokens.
_EXPERTS = "batched_mm"
_CODES_PER_SECOND = 12.5
_SHORTEST = 16_000  # samples


class Qwen3Omni(Qwen25Omni):
    """Qwen3-Omni, asked through its thinker; its talker speaks what the thinker writes."""

    info = FamilyInfo(
        name="qwen3-omni",
        title="Qwen3-Omni",
        model_types=("qwen3_omni_moe", "qwen3_omni_moe_thinker"),
        capability="speak",
        checkpoints=(
            "Qwen/Qwen3-Omni-30B-A3B-Instruct",
            "Qwen/Qwen3-Omni-30B-A3B-Thinking",
            "Qwen/Qwen3-Omni-30B-A3B-Captioner",
        ),
        needs=(
            "transformers only; about 64 GB of memory for the thinker in bfloat16, and about 50 MB more for every token"
            " of a batch: readable experts copy their weights to each token"
        ),
        roles={
            THINKER: "reads audio and instruction, writes the answer; its edits change text and speech",
            "talker": "turns the thinker's words into the first code of each frame; its edits change the speech only",
            "talker_shared_expert": "the expert of the talker that sees every token",
            "talker_code_predictor": "adds the residual codes of each frame; its edits change the sound only",
        },
        notes=(
            *Qwen25Omni.info.notes,
            "experts_implementation is set to batched_mm when the model is opened: no other computes its gates in one"
            " call",
            "clips under a second are followed by silence up to one: the encoder's convolutions would see the end of a"
            " shorter clip differently in every batch",
        ),
    )
    speaks_together = False
    placeholder = "<|audio_pad|>"
    whole_class = "Qwen3OmniMoeForConditionalGeneration"
    thinker_class = "Qwen3OmniMoeThinkerForConditionalGeneration"

    def load_model(self, path: str | Path, *, component: str = THINKER, **options: Any) -> nn.Module:
        options["experts_implementation"] = _EXPERTS
        if "device_map" not in options:
            return super().load_model(path, component=component, **options)
        # Experts lie apart in a checkpoint and together in memory, so those that are offloaded are written anew.
        folder = tempfile.mkdtemp(prefix="esn-offload-")
        model = super().load_model(path, component=component, offload_folder=folder, **options)
        weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
        return model

    def default_config(self) -> Any:
        config = super().default_config()
        # Read by the model's code, but missing from its default configuration.
        config.talker_config.spatial_merge_size = 2
        config.talker_config.text_config.shared_expert_intermediate_size = 768
        return config

    def inputs(
        self,
        processor: Processor,
        waveforms: Sequence[Float[np.ndarray, " _sample"]],
        prompt: Prompts,
        *,
        system: str | None = None,
    ) -> Inputs:
        long = [np.pad(waveform, (0, max(0, _SHORTEST - len(waveform)))) for waveform in waveforms]
        return super().inputs(processor, long, prompt, system=system)

    @staticmethod
    def audio_tokens(frames: int) -> int:
        """Audio tokens of that many mel frames: three convolutions of stride 2 over each second by itself."""
        seconds, rest = divmod(frames, 100)
        for _ in range(3):
            rest = (rest + 1) // 2
        return 13 * seconds + rest

    def stacks(self, model: nn.Module) -> dict[str, Stack]:
        if any(
            _implementation(part) != _EXPERTS for part in model.modules() if hasattr(part, "gate_up_proj")
        ):
            cast(Any, model).set_experts_implementation(_EXPERTS)
        return super().stacks(model)

    def speech_scopes(self, component: str, inputs: Inputs) -> Int[Tensor, "clip token"]:
        # The talker reads parts of the prompt only, put together anew; all of its tokens count as generated.
        return Family.speech_scopes(self, component, inputs)

    def speak(self, run: SpeechRun) -> list[Spoken]:
        whole, manner, inputs = cast(Any, run.model), run.manner, run.inputs.tensors
        talker = getattr(whole.config, "talker_config", None)
        voice = self.chosen_voice(run, list(getattr(talker, "speaker_id", None) or ()))
        told = {f"talker_{name}": value for name, value in manner.decoding.items() if name != "greedy"}
        with warnings.catch_warnings():  # the model's own penalty is warned about, and meant as it is
            warnings.filterwarnings("ignore", message="Passing `repetition_penalty`")
            said = _spoken_or_silent(
                whole.generate,
                **inputs,
                speaker=voice,
                thinker_max_new_tokens=manner.max_new_tokens,
                thinker_do_sample=False,
                thinker_eos_token_id=run.processor.tokenizer.eos_token_id,
                talker_max_new_tokens=round(manner.max_seconds * _CODES_PER_SECOND),
                talker_do_sample=not manner.greedy,
                **told,
            )
        if said is None:
            return [Spoken.of("", None, RATE)]
        return [Spoken.of(run.processor.written(said[0][0, inputs["input_ids"].shape[1] :]), said[1], RATE)]


def _spoken_or_silent(generate: Callable[..., Any], **arguments: Any) -> tuple[Tensor, Tensor] | None:
    """Tokens and waveform of a whole model; None when thinker or talker ended at once, on which it stumbles."""
    try:
        tokens, waveform = generate(**arguments)
    except (RuntimeError, ValueError) as error:
        if "non-empty" not in str(error):
            raise
        return None
    return tokens, waveform


def _implementation(experts: nn.Module) -> str | None:
    return getattr(getattr(experts, "config", None), "_experts_implementation", None)
