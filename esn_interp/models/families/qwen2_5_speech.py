"""Speaking with Qwen2.5-Omni: its own ``generate`` on a batch of clips, each as if it were alone.

In a batch, transformers draws the codes of all clips, and then the noise that every clip's sound begins with, from one
generator, so that what a clip sounds like would depend on its neighbours. Here each clip has a generator of its own,
in the state in which torch's would be if the clip were alone. Nor does the talker read a prompt alone as it reads the
same prompt in a padded batch, see `_masked`.
"""

import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import (
    LogitsProcessor,
    StoppingCriteria,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import SpeechRun, Spoken

RATE = 24_000


def codes_per_second(whole: Any) -> float:
    """How many codes make a second of sound, from the sizes of the vocoder."""
    vocoder = whole.token2wav
    frame = int(np.prod(vocoder.code2wav_bigvgan_model.config.upsample_rates))  # samples
    return RATE / frame / vocoder.code2wav_dit_model.repeats


def speak(run: SpeechRun, *, voice: str) -> list[Spoken]:
    """What the whole model says to a batch of left-padded inputs."""
    whole: Any = run.model
    inputs, manner, tokenizer = run.inputs.tensors, run.manner, run.processor.tokenizer
    prompt, limit = inputs["input_ids"].shape[1], round(manner.max_seconds * codes_per_second(whole))
    # A whole model that is saved and loaded may forget how its thinker ends.
    ends = whole.thinker.generation_config.eos_token_id
    words_end = _ids(tokenizer.eos_token_id if ends is None else ends)
    codes_end = [whole.talker.codec_pad_token, whole.talker.codec_eos_token]
    writing = Watch(run.live.rows("thinker"), words_end)
    speaking = Watch(run.live.rows("talker"), codes_end)
    device = inputs["input_ids"].device
    generators = [torch.Generator(device).manual_seed(seed) for seed in run.request.seeds]
    with _masked(whole.talker), _one_by_one(whole.token2wav, generators) as made:
        try:
            tokens, _ = whole.generate(
                **inputs,
                speaker=voice,
                thinker_max_new_tokens=manner.max_new_tokens,
                thinker_do_sample=False,
                thinker_eos_token_id=words_end or None,
                thinker_stopping_criteria=[writing],
                talker_max_new_tokens=limit,
                talker_eos_token_id=codes_end,
                talker_stopping_criteria=[speaking],
                **_choice(whole, manner, generators, speaking.rows),
                **_vocoding(whole),
            )
        except (RuntimeError, ValueError) as error:
            if "non-empty" not in str(error):
                raise
            # Every reply of the batch ended before its first word, on which the model stumbles.
            return [Spoken.of("", None, RATE, words=0) for _ in generators]
    said: list[Spoken] = []
    for reply, sound in zip(tokens[:, prompt:], made, strict=True):
        ends = torch.isin(reply, torch.tensor(words_end, device=reply.device)).nonzero()
        words = int(ends[0]) if len(ends) else len(reply)
        if not words:  # alone, the talker would not have been asked
            said.append(Spoken.of("", None, RATE, words=0))
            continue
        said.append(
            Spoken.of(
                run.processor.written(reply[:words]),
                sound.waveform,
                RATE,
                codes=sound.codes,
                words=words,
                ended=bool(len(ends)) and len(sound.codes) < limit,
                failure=sound.failure,
            )
        )
    return said


class Watch(StoppingCriteria):
    """Stops nothing: keeps up with which rows have ended, before the next step computes their gates."""

    def __init__(self, rows: Bool[np.ndarray, " clip"], ends: Sequence[int]) -> None:
        self.rows, self._ends = rows, ends

    def __call__(self, input_ids: Tensor, scores: Any, **options: Any) -> Any:
        last = input_ids[:, -1]
        ended = torch.isin(last, torch.tensor(self._ends, dtype=last.dtype, device=last.device))
        self.rows &= ~ended.cpu().numpy()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class Draw(LogitsProcessor):
    """Chooses the next code of each row with the row's own generator, by leaving no other; ended rows draw none."""

    def __init__(self, generators: Sequence[torch.Generator], rows: Bool[np.ndarray, " clip"]) -> None:
        self._generators, self._rows = generators, rows

    def __call__(
        self, input_ids: Int[Tensor, "clip token"], scores: Float[Tensor, "clip code"]
    ) -> Float[Tensor, "clip code"]:
        shares = scores.softmax(-1)
        chosen = torch.full_like(scores, -torch.inf)
        for row, generator in enumerate(self._generators):
            if self._rows[row]:
                code = torch.multinomial(shares[row : row + 1], num_samples=1, generator=generator)
                chosen[row, code[0, 0]] = 0.0
        return chosen


def _choice(
    whole: Any, manner: Manner, generators: Sequence[torch.Generator], rows: Bool[np.ndarray, " clip"]
) -> dict[str, Any]:
    """How codes are chosen: the arguments of ``generate`` that say so, in place of its own drawing."""

    def value(name: str) -> Any:
        given = getattr(manner, name)
        return _own(whole, f"talker_{name}") if given is None else given

    # Warpers of transformers, in its order; what it would warn of as of no use to a greedy choice is unset.
    unset = {"talker_temperature": None, "talker_top_k": None, "talker_top_p": None}
    arguments = {"talker_do_sample": False, "talker_repetition_penalty": value("repetition_penalty"), **unset}
    if manner.greedy:
        return arguments
    warpers = [
        TemperatureLogitsWarper(float(value("temperature"))),
        TopKLogitsWarper(int(value("top_k"))),
        TopPLogitsWarper(float(value("top_p"))),
    ]
    return arguments | {"talker_logits_processor": [*warpers, Draw(generators, rows)]}


def _own(whole: Any, name: str) -> Any:
    """What ``generate`` does when it is not told: as the checkpoint says (a small model is unlike the large), or else
    by default."""
    said = getattr(whole.generation_config, name, None)
    return inspect.signature(type(whole).generate).parameters[name].default if said is None else said


def _vocoding(whole: Any) -> dict[str, Any]:
    """What the checkpoint says of how its vocoder works."""
    names = ("token2wav_num_steps", "token2wav_guidance_scale", "token2wav_sway_coefficient")
    said = {name: getattr(whole.generation_config, name, None) for name in names}
    return {name: value for name, value in said.items() if value is not None}


@contextmanager
def _masked(talker: Any) -> Generator[None]:
    """Within the block, the talker is always given the mask of its prompt, as in a padded batch.

    ``generate`` of transformers 5.21 to 5.23 drops a mask that masks nothing. Without one the talker leaves out the
    embedding of the sign that speech begins, with which it was trained.
    """
    own = talker.prepare_inputs_for_generation

    @functools.wraps(own)  # transformers looks at its signature
    def prepare(*given: Any, **named: Any) -> dict[str, Any]:
        inputs: dict[str, Any] = own(*given, **named)
        if inputs.get("attention_mask") is None:
            computed, cache = inputs.get("inputs_embeds"), inputs.get("past_key_values")
            tokens: Tensor = inputs["input_ids"] if computed is None else computed
            length = tokens.shape[1] + (0 if cache is None else cache.get_seq_length())
            inputs["attention_mask"] = torch.ones(len(tokens), length, dtype=torch.long, device=tokens.device)
        return inputs

    with _replaced(talker, "prepare_inputs_for_generation", prepare):
        yield


@dataclass(frozen=True, eq=False)
class _Made:
    """The sound of one clip, and the codes that it was made from."""

    codes: Int[np.ndarray, " code"]
    waveform: Tensor
    failure: str | None


@contextmanager
def _one_by_one(vocoder: nn.Module, generators: Sequence[torch.Generator]) -> Generator[list[_Made]]:
    """Within the block, the vocoder makes each clip's sound from the clip's own noise, and fails for that clip alone.

    ``generate`` calls it clip by clip, in order, with the codes before the end.
    """
    made: list[_Made] = []
    forward = vocoder.forward

    def guarded(code: Int[Tensor, "1 code"], **rest: Any) -> Tensor:
        _become(generators[len(made)])
        waveform, failure = torch.zeros(0, device=code.device), None
        if code.shape[1]:
            try:
                waveform = forward(code, **rest)
            except Exception as error:
                failure = f"{type(error).__name__}: {' '.join(str(error).split())}"
        made.append(_Made(code[0].cpu().numpy().astype(np.int64), waveform, failure))
        return waveform

    with _replaced(vocoder, "forward", guarded):
        yield made


@contextmanager
def _replaced(module: nn.Module, name: str, function: Callable[..., Any]) -> Generator[None]:
    """Within the block, a method of this very module is another one.

    What was an attribute of its own is so again afterwards: offloading, for one, gives it a ``forward`` of its own.
    """
    before = {key: value for key, value in vars(module).items() if key == name}
    vars(module)[name] = function
    try:
        yield
    finally:
        del vars(module)[name]
        vars(module).update(before)


def _become(generator: torch.Generator) -> None:
    """Bring torch's own generator of a device into this one's state."""
    state, device = generator.get_state(), generator.device
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)


def _ids(ends: Any) -> list[int]:
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
