"""MiniCPM-o 4.5: a Whisper encoder, a Qwen3 decoder that writes the answer, and a Llama that speaks it.

The code is not in transformers: it comes with the checkpoint (class ``MiniCPMO``: ``apm``, ``llm``, ``tts``). The model
is loaded without its image part. In its own batches the last, unfinished second of a clip attends to the padding behind
it (the encoder's mask counts mel frames where it should count half as many), so clips are encoded one by one.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import soundfile
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoModel

from esn_interp.errors import ModelError
from esn_interp.models.families.clip_by_clip import ClipByClip
from esn_interp.models.families.info import THINKER, FamilyInfo
from esn_interp.models.families.inputs import Processor
from esn_interp.models.families.spoken import SpeechRun, Spoken
from esn_interp.models.gate_view import decoder_inputs

_AUDIO = "<audio>./</audio>"
_HEARD = "<unk>"
_END_OF_SPEECH = "<|tts_eos|>"
_RATE = 24_000


class MiniCPMO(ClipByClip):
    """MiniCPM-o 4.5, asked as its ``chat`` asks: the audio first, thinking off."""

    info = FamilyInfo(
        name="minicpm-o",
        title="MiniCPM-o 4.5",
        model_types=("minicpmo",),
        capability="speak",
        checkpoints=("openbmb/MiniCPM-o-4_5",),
        needs="minicpmo-utils and a GPU with about 22 GB of memory; runs its own code",
        tested="a stand-in",
        roles={
            THINKER: "`llm`: reads audio and instruction, writes the answer; its edits change text and speech",
            "tts": "turns words and hidden states of the llm into speech codes; its edits change the speech only",
        },
        notes=(
            "answers are greedy, without the sampling and the repetition penalty that `chat` has by default",
            "it speaks with the voice of the clip that it is asked about, and only answers that it has ended",
        ),
    )
    written_for = "transformers 4.51.0, with minicpmo-utils"
    max_seconds = 30.0
    speaks_with: ClassVar[str] = "tts"

    def default_config(self) -> Any:
        return None

    # ---------------------------------------------------------------- loading

    def load_model(self, path: str | Path, *, component: str = THINKER, **options: Any) -> nn.Module:
        """The model by the code that comes with it, without its image part."""
        return self.by_its_own_code(AutoModel, path, init_vision=False, **options)

    def processor(self, model: nn.Module, given: Any) -> Processor:
        made = super().processor(model, given)
        # The model looks for its processor here, and would load it anew.
        cast(Any, model).processor = made.whole
        return made

    def audio_token_id(self, model: nn.Module, processor: Any) -> int:
        return int(processor.tokenizer.convert_tokens_to_ids(_HEARD))

    # ---------------------------------------------------------------- inputs

    def one_input(
        self,
        processor: Processor,
        waveform: Float[np.ndarray, " sample"],
        prompt: str,
        *,
        system: str | None = None,
    ) -> dict[str, Tensor]:
        """The inputs of one clip, as the model's ``chat`` makes them."""
        before = [{"role": "system", "content": system}] if system else []
        text = processor.tokenizer.apply_chat_template(
            [*before, {"role": "user", "content": f"{_AUDIO}\n{prompt}"}],
            tokenize=False,
            add_generation_prompt=True,
            use_tts_template=True,
            enable_thinking=False,
        )
        made = processor.whole([text], [[]], [[waveform]], [[len(before)]], return_tensors="pt")
        bounds = made["audio_bounds"][0]
        if len(bounds) != 1:
            raise ModelError(f"{self.title}: the prompt holds {len(bounds)} clips where one was given")
        return {
            "input_ids": made["input_ids"].long(),
            "attention_mask": made["attention_mask"].long(),
            "audio_features": made["audio_features"],
            "audio_feature_lens": made["audio_feature_lens"][0].long(),
            "audio_bounds": bounds[None].long(),
        }

    def one(self, tensors: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
        start = int(tensors["attention_mask"][row].eq(0).sum())
        frames = int(tensors["audio_feature_lens"][row])
        return {
            "input_ids": tensors["input_ids"][row : row + 1, start:],
            "audio_features": tensors["audio_features"][row : row + 1, :, :frames],
            "audio_feature_lens": tensors["audio_feature_lens"][row : row + 1],
            "audio_bounds": tensors["audio_bounds"][row],
        }

    # ---------------------------------------------------------------- running

    def native(self, model: nn.Module, clip: Mapping[str, Tensor], *, use_cache: bool = False) -> Any:
        data = _as_the_model_has_it(clip)
        positions = torch.arange(clip["input_ids"].shape[1], device=clip["input_ids"].device)[None]
        return cast(Any, model)({**data, "position_ids": positions}, use_cache=use_cache)

    def merged(self, model: nn.Module, clip: Mapping[str, Tensor]) -> Float[Tensor, "1 token hidden"]:
        def run(*, use_cache: bool, **clip: Tensor) -> None:
            self.native(model, clip, use_cache=use_cache)

        return decoder_inputs(self.decoder(model), run, clip)["inputs_embeds"]

    def answer(
        self, model: nn.Module, clip: Mapping[str, Tensor], *, max_new_tokens: int
    ) -> Int[Tensor, " token"]:
        own: Any = model
        tokenizer = own.processor.tokenizer
        _, output = own.generate(
            **_as_the_model_has_it(clip),
            attention_mask=torch.ones_like(clip["input_ids"]),
            tokenizer=tokenizer,
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
        )
        answer = output.sequences[0]
        ends = answer.eq(tokenizer.convert_tokens_to_ids(_END_OF_SPEECH)).nonzero()
        return answer[: int(ends[0])] if len(ends) else answer

    # ---------------------------------------------------------------- speech

    def speak(self, run: SpeechRun) -> list[Spoken]:
        """By the model's ``chat``, which makes its inputs anew."""
        own, request = cast(Any, run.model), run.request
        if own.tts.audio_tokenizer is None:
            own.init_tts(streaming=False)
        before = [{"role": "system", "content": [request.system]}] if request.system else []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "answer.wav"
            text = own.chat(
                msgs=[*before, {"role": "user", "content": [request.waveform, request.prompt]}],
                do_sample=False,
                num_beams=1,
                repetition_penalty=1.0,
                max_new_tokens=run.manner.max_new_tokens,
                use_tts_template=True,
                enable_thinking=False,
                generate_audio=True,
                output_audio_path=str(path),
            )
            # Its own code prints what went wrong with the speech, and returns the text as if nothing had.
            if not path.exists():
                why = (
                    f"{self.title} wrote no speech to its answer {text!r}; its own code says why above. An answer that"
                    " max_new_tokens cuts off can't be spoken"
                )
                return [Spoken.of(text.strip(), None, _RATE, failure=why)]
            sound, rate = soundfile.read(path, dtype="float32")
        most = round(run.manner.max_seconds * rate)
        return [Spoken(text.strip(), sound.reshape(-1)[:most], int(rate), ended=sound.size <= most)]


def _as_the_model_has_it(clip: Mapping[str, Tensor]) -> dict[str, Any]:
    """Inputs of one clip in the lists of the model's own code, which has room for several clips and images."""
    return {
        "input_ids": clip["input_ids"],
        "audio_features": clip["audio_features"],
        "audio_feature_lens": [clip["audio_feature_lens"]],
        "audio_bounds": [clip["audio_bounds"]],
        "spk_bounds": [clip["audio_bounds"][:0]],
        "image_bound": [clip["audio_bounds"][:0]],
        "pixel_values": [[]],
        "tgt_sizes": [[]],
    }
