"""Words and a request to codes: the talker, trained so that its neurons matter.

As with the thinker, three terms of the loss see to it that the decision is taken by few gates, each of which writes in
one direction; and what is asked for is done only some of the time, and by degrees, as in the models that this stands
for: there must be something that steering can gain.
"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import Qwen2_5OmniTalkerConfig, Qwen2_5OmniTalkerForConditionalGeneration

from esn_interp.speech.acting import EMOTIONS
from esn_interp.speech.casting import SENTENCES
from toy_omni.decoder import Pass, decode, packed_mask
from toy_omni.speaking.codec import BOS, EOS, MASK, PAD, SPECIAL
from toy_omni.speaking.output_voices import VOICES, Said
from toy_omni.speaking.thoughts import Thought


@dataclass(frozen=True)
class TalkerRecipe:
    """Everything that was chosen."""

    seed: int = 0
    batch: int = 10  # prompts
    answers: int = 4  # to each
    steps: int = 3000
    rate: float = 3e-3
    hidden: int = 128
    layers: int = 5
    gates: int = 256
    obeys: float = 0.6  # share of the requests that are followed at all
    weakest: float = 0.2  # the request is followed with an intensity drawn from here...
    strongest: float = 1.1  # ...to here
    direct_path: float = 0.05
    writing: float = 0.002
    one_way: float = 0.2


@dataclass(frozen=True)
class Words:
    """Ids of the thinker's vocabulary that the talker's input is framed with."""

    start: Mapping[str, int]  # by voice
    end: int
    pad: int

    @classmethod
    def of(cls, tokenizer: Any) -> "Words":
        def one(text: str) -> int:
            return int(tokenizer(text)["input_ids"][0])

        return cls({voice.name: one(voice.sex) for voice in VOICES}, one("<|im_end|>"), one("<|endoftext|>"))


def config(thinker: Any, vocabulary: int, words: Words, recipe: TalkerRecipe) -> Qwen2_5OmniTalkerConfig:
    size = recipe.hidden // 4
    part = size // 6
    return Qwen2_5OmniTalkerConfig(
        vocab_size=vocabulary,
        embedding_size=thinker.text_config.hidden_size,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.gates,
        hidden_act="relu",
        num_hidden_layers=recipe.layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=size,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [size // 2 - 2 * part, part, part]},
        tts_codec_pad_token_id=PAD,
        tts_codec_start_token_id=BOS,
        tts_codec_end_token_id=EOS,
        tts_codec_mask_token_id=MASK,
        tts_text_start_token_id=words.start[VOICES[0].name],
        tts_text_end_token_id=words.end,
        tts_text_pad_token_id=words.pad,
        **{
            name: getattr(thinker, name)
            for name in (
                "audio_token_index", "image_token_index", "video_token_index", "audio_start_token_id",
                "audio_end_token_id", "vision_start_token_id", "vision_end_token_id",
            )
        },
    )  # fmt: skip


def build(thinker: Any, triples: Int[np.ndarray, "token triple"], words: Words, recipe: TalkerRecipe) -> Any:
    """A talker whose codes begin as sums of a vector for the shape, one for the pitch and one for the level."""
    torch.manual_seed(recipe.seed)
    vocabulary = SPECIAL + len(triples)
    talker = Qwen2_5OmniTalkerForConditionalGeneration(config(thinker, vocabulary, words, recipe))
    rows = torch.from_numpy(triples)
    with torch.no_grad():
        for weight, scale in ((talker.model.embed_tokens.weight, 0.15), (talker.codec_head.weight, 0.05)):
            parts = [torch.randn(int(column.max()) + 1, weight.shape[1]) * scale for column in rows.T]
            weight[SPECIAL:] = sum(part[rows[:, i]] for i, part in enumerate(parts))
            weight[:SPECIAL] = torch.randn(SPECIAL, weight.shape[1]) * scale
    return talker


@dataclass(frozen=True)
class Example:
    """One request with several ways in which it may be answered aloud, each of them (voice, codes)."""

    thought: Thought
    answers: tuple[tuple[int, Int[np.ndarray, " code"]], ...]


class Speaker:
    """Lays examples out exactly as the whole model does when it generates."""

    def __init__(self, talker: Any, embedding: Tensor, words: Words) -> None:
        self.talker, self.embedding, self.words = talker, embedding, words

    def answer(self, thought: Thought, voice: int, codes: Int[np.ndarray, " code"]) -> Tensor:
        """[token, embedding] behind the prompt: the voice's own word with a codec pad, the first word with the codec's
        start, then the codes, with the other words added one by one, the end of the text, and padding."""
        embed = self.talker.model.embed_tokens.weight
        start = self.embedding[self.words.start[VOICES[voice].name]] + embed[PAD]
        first = thought.reply[0].float() + embed[BOS]
        ends = self.embedding[[self.words.end, self.words.pad]]
        stream = torch.cat([thought.reply[1:].float(), ends])
        stream = stream[torch.arange(len(codes)).clamp(max=len(stream) - 1)]
        return torch.cat([start[None], first[None], embed[torch.from_numpy(codes)] + stream])

    def run(self, examples: Sequence[Example]) -> tuple[Pass, Tensor, Tensor, Tensor]:
        """The pass, and (row, position, code) of everything that is to be predicted.

        The answers of an example stand behind one prompt; each sees the prompt and itself only.
        """
        rows, turns, positions, row, at, wanted = [], [], [], [], [], []
        for number, example in enumerate(examples):
            parts = [example.thought.prompt.float()]
            prompt = len(parts[0])
            turn, position = [0] * prompt, list(range(prompt))
            for nth, (voice, codes) in enumerate(example.answers, start=1):
                parts.append(self.answer(example.thought, voice, codes))
                begin = len(turn) + 1
                row += [number] * (len(codes) + 1)
                at += range(begin, begin + len(codes) + 1)
                wanted += [*codes.tolist(), EOS]
                turn += [nth] * len(parts[-1])
                position += range(prompt, prompt + len(parts[-1]))
            rows.append(torch.cat(parts))
            turns.append(torch.tensor(turn))
            positions.append(torch.tensor(position))
        padded = nn.utils.rnn.pad_sequence
        states = self.talker.thinker_to_talker_proj(padded(rows, batch_first=True))
        mask = packed_mask(padded(turns, batch_first=True, padding_value=-1))
        result = decode(self.talker.model, states, padded(positions, batch_first=True), mask)
        return result, torch.tensor(row), torch.tensor(at), torch.tensor(wanted)


def direct_path(talker: Any, result: Pass, row: Tensor, at: Tensor) -> Tensor:
    """How much can be read of the codes without any MLP: the variance of these logits over the vocabulary."""
    direct = result.direct[row, at]
    direct = direct * torch.rsqrt(direct.pow(2).mean(-1, keepdim=True) + 1e-6)
    logits = talker.codec_head(direct * talker.model.norm.weight)
    return logits.var(dim=-1).mean()


class Lessons:
    """Draws examples: a clip of somebody, a request, and how one of the output voices answers it."""

    def __init__(
        self,
        thoughts: Sequence[tuple[Thought, str, str, str]],
        said: Sequence[Said],
        codes: Sequence[Int[np.ndarray, " code"]],
        recipe: TalkerRecipe,
    ) -> None:
        self.thoughts, self.recipe = thoughts, recipe
        self.rng = random.Random(recipe.seed)
        self.takes: dict[tuple[int, int, str], list[tuple[float, Int[np.ndarray, " code"]]]] = {}
        for one, code in zip(said, codes, strict=True):
            self.takes.setdefault((one.voice, one.sentence, one.emotion), []).append((one.intensity, code))

    def performed(self, request: str, own: str) -> tuple[str, float]:
        """Emotion and intensity of the answer."""
        recipe, rng = self.recipe, self.rng
        strength = rng.uniform(recipe.weakest, recipe.strongest)
        if not request:  # say it again as it was
            return (own, strength) if rng.random() < 0.7 else ("neutral", 0.0)
        if rng.random() < recipe.obeys:
            return request, strength
        return (own, strength) if rng.random() < 0.4 else ("neutral", 0.0)

    def draw(self) -> Example:
        thought, transcript, request, own = self.rng.choice(self.thoughts)
        answers = []
        for _ in range(self.recipe.answers):
            voice = self.rng.randrange(len(VOICES))
            emotion, strength = self.performed(request, own)
            takes = self.takes[voice, SENTENCES.index(transcript), emotion]
            near = sorted(takes, key=lambda take: abs(take[0] - strength))[:2]
            answers.append((voice, self.rng.choice(near)[1]))
        return Example(thought, tuple(answers))


def load_thoughts(path: Path) -> list[tuple[Thought, str, str, str]]:
    """(states, transcript, request, the source's own emotion)."""
    with np.load(path) as file:
        states, about = torch.from_numpy(file["states"]), json.loads(str(file["about"]))
    found, start = [], 0
    for line in about:
        middle, end = start + line["prompt"], start + line["prompt"] + line["reply"]
        thought = Thought(states[start:middle], states[middle:end])
        found.append((thought, line["transcript"], line["request"], line["own"]))
        start = end
    return found


def train(talker: Any, speaker: Speaker, lessons: Lessons, recipe: TalkerRecipe, *, watch: Any = None) -> None:
    optimiser = torch.optim.AdamW(talker.parameters(), recipe.rate, betas=(0.9, 0.98), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.steps, pct_start=0.08)
    started, seen = time.monotonic(), []
    for step in range(1, recipe.steps + 1):
        result, row, at, wanted = speaker.run([lessons.draw() for _ in range(recipe.batch)])
        logits = talker.codec_head(result.hidden[row, at])
        answers = nn.functional.cross_entropy(logits, wanted)
        direct = direct_path(talker, result, row, at)
        written, reversed_ = torch.stack(result.written)[:, row, at], torch.stack(result.reversed)[:, row, at]
        writing, one_way = written.mean(), reversed_.sum() / written.sum()
        loss = (
            answers + recipe.direct_path * direct + recipe.writing * writing + recipe.one_way * one_way
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(talker.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        right = (logits.argmax(-1) == wanted).float().mean()
        seen.append([answers.item(), right.item(), direct.item(), writing.item(), one_way.item()])
        if step % 100 == 0 or step == recipe.steps:
            names = ("loss", "right", "direct", "writing", "reversed")
            text = "  ".join(f"{n} {v:.3f}" for n, v in zip(names, np.mean(seen[-100:], axis=0), strict=True))
            print(f"talker {step}/{recipe.steps}  {time.monotonic() - started:.0f} s  {text}", flush=True)
        if watch is not None and step % 500 == 0:
            watch(step)
