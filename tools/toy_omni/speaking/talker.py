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
from voices.casting import SENTENCES

from esn_interp.speech.acting import EMOTIONS
from toy_omni.decoder import Pass, decode, packed_mask
from toy_omni.speaking.codec import (
    BOS,
    EOS,
    LEVELS_UNVOICED,
    LEVELS_VOICED,
    MASK,
    PAD,
    SPECIAL,
    tokens_of,
)
from toy_omni.speaking.frames import HIGHEST, LOWEST
from toy_omni.speaking.output_voices import VOICES, Said
from toy_omni.speaking.thoughts import Thought


@dataclass(frozen=True)
class TalkerRecipe:
    """Everything that was chosen."""

    seed: int = 0
    batch: int = 10  # prompts
    answers: int = 4  # to each
    steps: int = 4500
    rate: float = 3e-3
    hidden: int = 128
    layers: int = 5
    gates: int = 256
    obeys: float = 0.6  # share of the requests that are followed at all...
    obeys_first: float = 0.95  # ...in the end; at first it is this, so that requests are noticed
    blurred: float = 0.5  # share of the answers whose pitch and level the talker can't read off its own past
    weakest: float = 0.35  # the request is followed with an intensity drawn from here...
    strongest: float = 1.1  # ...to here
    noticing: float = (
        0.5  # weight of naming the request at every code, by a head that is thrown away; ends at 0
    )
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
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": [size // 2 - 2 * part, part, part],
        },
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


def look_closely(talker: Any, thoughts: Sequence[Thought]) -> None:
    """Begin with a projection that shows small differences of the thinker's states as well as large ones.

    A word of the request changes a state by less than a tenth of its length.
    """
    states = torch.cat([part for thought in thoughts for part in (thought.prompt, thought.reply)]).float()
    mean = states.mean(dim=0)
    _, size, axes = torch.linalg.svd(states - mean, full_matrices=False)
    scale = 1 / (size / len(states) ** 0.5 + 0.15)
    project = talker.thinker_to_talker_proj
    turned = torch.linalg.qr(torch.randn(project.out_features, project.in_features))[0]
    with torch.no_grad():
        project.weight.copy_(turned @ (scale[:, None] * axes))
        project.bias.copy_(-project.weight @ mean)


@dataclass(frozen=True)
class Example:
    """One request with several ways in which it may be answered aloud: (voice, codes, the codes as remembered)."""

    thought: Thought
    request: str
    answers: tuple[tuple[int, Int[np.ndarray, " code"], Int[np.ndarray, " code"]], ...]


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
            for nth, (voice, codes, remembered) in enumerate(example.answers, start=1):
                parts.append(self.answer(example.thought, voice, remembered))
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
        triples: Int[np.ndarray, "token triple"],
        recipe: TalkerRecipe,
    ) -> None:
        self.thoughts, self.recipe = thoughts, recipe
        self.rng, self.noise = random.Random(recipe.seed), np.random.default_rng(recipe.seed)
        self.triples, self.table = triples, tokens_of(triples)
        self.takes: dict[tuple[int, int, str], list[tuple[float, Int[np.ndarray, " code"]]]] = {}
        for one, code in zip(said, codes, strict=True):
            self.takes.setdefault((one.voice, one.sentence, one.emotion), []).append((one.intensity, code))

    def performed(self, request: str, own: str, obeys: float) -> tuple[str, float]:
        """Emotion and intensity of the answer."""
        recipe, rng = self.recipe, self.rng
        strength = rng.uniform(recipe.weakest, recipe.strongest)
        if not request:  # say it again as it was
            return (own, strength) if rng.random() < 0.7 else ("neutral", 0.0)
        if rng.random() < obeys:
            return request, strength
        return (own, strength) if rng.random() < 0.4 else ("neutral", 0.0)

    def varied(self, codes: Int[np.ndarray, " code"]) -> Int[np.ndarray, " code"]:
        """The take a little higher or lower, louder or softer, with some codes held longer or left out."""
        noise = self.noise
        times = np.ones(len(codes), dtype=np.int64)
        change = noise.random(len(codes))
        times[change < 0.04], times[change > 0.97] = 0, 2
        times[0] = 1
        return self._moved(codes, noise.integers(-1, 2), noise.integers(-1, 2)).repeat(times)

    def remembered(self, codes: Int[np.ndarray, " code"]) -> Int[np.ndarray, " code"]:
        """The codes as the talker is shown them: half of the time their pitch and level are blurred.

        Else it would read the emotion off what it has said already, and forget what it was asked.
        """
        noise, size = self.noise, len(codes)
        if noise.random() < self.recipe.blurred:
            pitch, level = noise.normal(scale=3.0, size=size), noise.normal(scale=2.0, size=size)
            return self._moved(codes, pitch.round().astype(int), level.round().astype(int))
        slip = noise.random(size) < 0.1
        return self._moved(codes, slip * noise.integers(-1, 2, size), slip * noise.integers(-1, 2, size))

    def _moved(self, codes: Int[np.ndarray, " code"], pitch: Any, level: Any) -> Int[np.ndarray, " code"]:
        """Every code's pitch and level moved by so many steps, as far as there are tokens for it."""
        shape, old_pitch, old_level = self.triples[codes - SPECIAL].T
        voiced = old_pitch > 0
        new_pitch = np.where(voiced, np.clip(old_pitch + pitch, LOWEST, HIGHEST), 0)
        new_level = np.clip(old_level + level, 0, np.where(voiced, LEVELS_VOICED, LEVELS_UNVOICED) - 1)
        return self.table[shape, new_pitch, new_level]

    def draw(self, *, obeys: float) -> Example:
        thought, transcript, request, own = self.rng.choice(self.thoughts)
        answers = []
        for _ in range(self.recipe.answers):
            voice = self.rng.randrange(len(VOICES))
            emotion, strength = self.performed(request, own, obeys)
            takes = self.takes[voice, SENTENCES.index(transcript), emotion]
            near = sorted(takes, key=lambda take: abs(take[0] - strength))[:3]
            codes = self.varied(self.rng.choice(near)[1])
            answers.append((voice, codes, self.remembered(codes)))
        return Example(thought, request, tuple(answers))


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


def train(
    talker: Any, speaker: Speaker, lessons: Lessons, recipe: TalkerRecipe, *, watch: Any = None
) -> None:
    notice = nn.Linear(
        recipe.hidden, 1 + len(EMOTIONS)
    )  # without it requests go unnoticed for thousands of steps
    parameters = [*talker.parameters(), *notice.parameters()]
    optimiser = torch.optim.AdamW(parameters, recipe.rate, betas=(0.9, 0.98), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=recipe.steps, pct_start=0.08
    )
    started, seen = time.monotonic(), []
    for step in range(1, recipe.steps + 1):
        share = min(1.0, 1.6 * step / recipe.steps)
        obeys = recipe.obeys_first + share * (recipe.obeys - recipe.obeys_first)
        examples = [lessons.draw(obeys=obeys) for _ in range(recipe.batch)]
        result, row, at, wanted = speaker.run(examples)
        requests = torch.tensor([["", *EMOTIONS].index(example.request) for example in examples])
        named = nn.functional.cross_entropy(notice(result.hidden[row, at]), requests[row])
        logits = talker.codec_head(result.hidden[row, at])
        answers = nn.functional.cross_entropy(logits, wanted)
        direct = direct_path(talker, result, row, at)
        written, reversed_ = torch.stack(result.written)[:, row, at], torch.stack(result.reversed)[:, row, at]
        writing, one_way = written.mean(), reversed_.sum() / written.sum()
        loss = (
            answers
            + recipe.noticing * (1 - share) * named
            + recipe.direct_path * direct
            + recipe.writing * writing
            + recipe.one_way * one_way
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        right = (logits.argmax(-1) == wanted).float().mean()
        seen.append(
            [answers.item(), right.item(), named.item(), direct.item(), writing.item(), one_way.item()]
        )
        if step % 50 == 0 or step == recipe.steps:
            names = ("loss", "right", "request", "direct", "writing", "reversed")
            text = "  ".join(f"{n} {v:.3f}" for n, v in zip(names, np.mean(seen[-50:], axis=0), strict=True))
            print(f"talker {step}/{recipe.steps}  {time.monotonic() - started:.0f} s  {text}", flush=True)
        if watch is not None and step % 500 == 0:
            watch(step)
