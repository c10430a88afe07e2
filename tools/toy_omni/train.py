"""Train toy-omni: first to hear (transcript and sex), then to hear emotion, then to answer by letters.

python tools/training_audio.py --out training
python tools/training_audio.py --further --out training-further
python tools/train_toy_omni.py --audio training --further training-further --out esn_interp/models/bundled/toy-omni
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from voices.casting import NATURAL_VOICES

from toy_omni import architecture, questions
from toy_omni.clips import Clip, hear, hear_all, load_clips
from toy_omni.decoder import Pass
from toy_omni.questions import Asked
from toy_omni.rows import EMOTIONAL, Packer, Rows, run
from toy_omni.watching import accuracy

LOOK = {2: 0, 6: 3}  # layer and head: words look for their letters, later the answer looks for its word


@dataclass(frozen=True)
class Recipe:
    """Everything that was chosen. The penalties make it a teaching model; the model card explains them."""

    seed: int = 0
    batch: int = 24
    hearing_steps: int = 400
    hearing_rate: float = 2e-3
    steps: int = 1800
    rate: float = 2e-3
    direct_path: float = 1.0  # answers must not be readable without the MLPs
    last_steps: int = 600
    last_rate: float = 1e-3
    last_writing: float = 0.001  # less sparse at the end: a gate that is open a little can be turned up
    format_steps: int = 1600
    format_rate: float = 2e-3
    guided: float = 0.5  # weight at first of showing two heads where to look for a letter; then none
    writing: float = 0.008  # the sum of what single neurons write: few should do the work
    one_way: float = (
        0.5  # share of it that is written with a negative sign: a neuron should write in one direction
    )
    disagreement: float = 0.15  # further votes spread evenly over the emotions
    layers: int = 8
    gates: int = 128
    hidden: int = 96


def answer_loss(model: Any, result: Pass, rows: Rows) -> Tensor:
    log_probs = model.lm_head(result.hidden[rows.target_row, rows.target_token]).log_softmax(-1)
    chosen = log_probs.gather(1, rows.target_word[:, None])[:, 0]
    return -(chosen * rows.target_weight).sum() / rows.target_weight.sum()


def direct_path(model: Any, result: Pass, rows: Rows) -> Tensor:
    """How well the emotional answers can be read without any MLP output.

    The residual stream without the MLPs, normalised by its own size (which word is likeliest doesn't depend on
    scale), through the head: the variance of these logits over the words that the question admits.
    """
    direct = result.direct[rows.first[:, 0], rows.first[:, 1]]
    direct = direct * torch.rsqrt(direct.pow(2).mean(-1, keepdim=True) + 1e-6)
    logits = model.lm_head(direct * model.model.language_model.norm.weight)
    asked = rows.target_row * rows.ids.shape[1] + rows.target_token
    first = rows.first[:, 0] * rows.ids.shape[1] + rows.first[:, 1]
    admitted = torch.zeros(rows.ids.numel(), logits.shape[1])
    admitted[asked, rows.target_word] = 1.0
    admitted = admitted[first]
    count = admitted.sum(1, keepdim=True)
    centred = logits - (logits * admitted).sum(1, keepdim=True) / count
    return ((centred.pow(2) * admitted).sum(1) / count[:, 0]).mean()


def fit(
    parameters: Sequence[nn.Parameter],
    steps: int,
    rate: float,
    step: Callable[[int], tuple[Tensor, dict[str, float]]],
    watch: Callable[[], dict[str, float]],
) -> None:
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    started = time.monotonic()
    for number in range(1, steps + 1):
        loss, seen = step(number)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if number % 200 == 0 or number in (50, 100) or number == steps:
            figures = {**seen, **watch()}
            text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            print(f"step {number}/{steps}  {time.monotonic() - started:.0f} s  {text}", flush=True)


def spread(votes: dict[str, float], disagreement: float) -> dict[str, float]:
    return {e: (1 - disagreement) * share + disagreement / len(votes) for e, share in votes.items()}


class Training:
    """The four stages, each from the weights of the one before and with random numbers of its own."""

    def __init__(self, audio: Path, further: Path, recipe: Recipe) -> None:
        self.recipe = recipe
        clips = load_clips(audio)
        more = load_clips(further)
        natural = {voice.name for voice, _ in NATURAL_VOICES}
        self.further = {
            (kind, part): [c for c in more if c.part == part and (c.voice in natural) == (kind == "natural")]
            for kind in ("spliced", "natural")
            for part in ("train", "dev")
        }
        self.training = [clip for clip in clips if clip.part == "train"]
        self.dev = [clip for clip in clips if clip.part == "dev"]
        texts = [*questions.all_texts() * 50, *sorted({clip.transcript for clip in clips}) * 5]
        self.tokenizer = architecture.make_tokenizer(texts)
        self.packer = Packer(self.tokenizer)
        sizes = dict(hidden=recipe.hidden, layers=recipe.layers, gates=recipe.gates)
        self.model: Any = architecture.build(self.tokenizer, seed=recipe.seed, **sizes)
        self.rng = random.Random(recipe.seed)
        print(
            f"{len(self.training)} training and {len(self.dev)} dev clips, {len(self.tokenizer)} tokens",
            flush=True,
        )

    def watch(self) -> dict[str, float]:
        return accuracy(self.model, self.dev, hear_all(self.model, self.dev), self.packer)

    def learn_to_hear(self) -> None:
        """Stage 1: encoder and decoder learn transcripts and the speaker's sex."""

        def step(_: int) -> tuple[Tensor, dict[str, float]]:
            batch = self.rng.sample(self.training, self.recipe.batch)
            heard = hear(self.model, batch)
            asked = [[questions.transcript(clip.transcript), questions.sex(clip.sex)] for clip in batch]
            rows = self._pack(heard, asked)
            loss = answer_loss(self.model, run(self.model, rows, heard, self.packer), rows)
            return loss, {"loss": loss.item()}

        fit(
            list(self.model.parameters()),
            self.recipe.hearing_steps,
            self.recipe.hearing_rate,
            step,
            self.watch,
        )

    def learn_emotion(self) -> None:
        """Stage 2: all of it learns emotion; the penalties keep the decision in a few neurons of the MLPs."""
        self._emotion(self.recipe.steps, self.recipe.rate, self.recipe.writing, self.recipe.seed + 1)

    def loosen(self) -> None:
        """Stage 3: the same with little demand for sparsity, so that neurons answer by degrees."""
        self._emotion(
            self.recipe.last_steps, self.recipe.last_rate, self.recipe.last_writing, self.recipe.seed + 2
        )

    def learn_formats(self) -> None:
        """Stage 4: answers by letters in any order, words in any order, natural voices; the penalties as before."""
        self.rng = random.Random(self.recipe.seed + 3)
        third = self.recipe.batch // 3
        sources = (self.training, self.further["spliced", "train"], self.further["natural", "train"])

        def step(number: int) -> tuple[Tensor, dict[str, float]]:
            batch = [clip for source in sources for clip in self.rng.sample(source, third)]
            asked = [self._formats(clip) for clip in batch]
            guided = self.recipe.guided * max(0.0, 1 - number / (0.6 * self.recipe.format_steps))
            return self._loss(asked, hear(self.model, batch), self.recipe.last_writing, guided=guided)

        def watch() -> dict[str, float]:
            groups = {kind: self.further[kind, "dev"] for kind in ("spliced", "natural")}
            found = {}
            for name, clips in {"": self.dev[::4], **groups}.items():
                figures = accuracy(self.model, clips, hear_all(self.model, clips), self.packer)
                found |= {f"{name} {figure}".strip(): value for figure, value in figures.items()}
            return found

        fit(list(self.model.parameters()), self.recipe.format_steps, self.recipe.format_rate, step, watch)

    def _formats(self, clip: Clip) -> list[Asked]:
        votes, rng = spread(clip.votes, self.recipe.disagreement), self.rng
        words = [ask(votes, rng) for ask in rng.sample(questions.EMOTIONAL, 2)]
        letters = [questions.lettered(votes, rng) for _ in range(2)]
        other = questions.transcript(clip.transcript) if rng.random() < 0.7 else questions.sex(clip.sex)
        return [*words, *letters, other]

    def _emotion(self, steps: int, rate: float, writing: float, seed: int) -> None:
        self.rng = random.Random(seed)

        def step(_: int) -> tuple[Tensor, dict[str, float]]:
            batch = self.rng.sample(self.training, self.recipe.batch)
            return self._emotion_loss(batch, hear(self.model, batch), writing)

        fit(list(self.model.parameters()), steps, rate, step, self.watch)

    def _pack(self, heard: Sequence[Tensor], asked: Sequence[Sequence[Asked]]) -> Rows:
        return self.packer.pack([len(ear) for ear in heard], asked, self.rng, emotional=EMOTIONAL)

    def _emotion_loss(
        self, clips: Sequence[Clip], heard: Sequence[Tensor], weight: float
    ) -> tuple[Tensor, dict[str, float]]:
        asked: list[list[Asked]] = []
        for clip in clips:
            votes = spread(clip.votes, self.recipe.disagreement)
            emotional = [ask(votes, self.rng) for ask in self.rng.sample(questions.EMOTIONAL, 3)]
            other = (
                questions.transcript(clip.transcript) if self.rng.random() < 0.5 else questions.sex(clip.sex)
            )
            asked.append([*emotional, other])
        return self._loss(asked, heard, weight)

    def _loss(
        self,
        asked: Sequence[Sequence[Asked]],
        heard: Sequence[Tensor],
        weight: float,
        *,
        guided: float = 0.0,
    ) -> tuple[Tensor, dict[str, float]]:
        rows = self._pack(heard, asked)
        result = run(self.model, rows, heard, self.packer, look=LOOK if guided else None)
        recipe = self.recipe
        loss, figures = emotion_loss(
            self.model,
            result,
            rows,
            direct_path_weight=recipe.direct_path,
            writing_weight=weight,
            one_way_weight=recipe.one_way,
        )
        if not guided:
            return loss, figures
        bind, fetch = looking_loss(result, rows)
        return loss + guided * (bind + fetch), {**figures, "bind": bind.item(), "fetch": fetch.item()}


def emotion_loss(
    model: Any,
    result: Pass,
    rows: Rows,
    *,
    direct_path_weight: float,
    writing_weight: float,
    one_way_weight: float,
) -> tuple[Tensor, dict[str, float]]:
    """The answers' loss with the three penalties, and the size of each for the log."""
    answers, direct = answer_loss(model, result, rows), direct_path(model, result, rows)
    places = (rows.turns >= 0, (rows.first[:, 0], rows.first[:, 1]))
    written, reversed_ = torch.stack(result.written), torch.stack(result.reversed)
    writing = sum((written[:, *_tuple(place)].mean() for place in places), torch.zeros(()))
    shares = [reversed_[:, *_tuple(place)].sum() / written[:, *_tuple(place)].sum() for place in places]
    one_way = torch.stack(shares).mean()
    loss = answers + direct_path_weight * direct + writing_weight * writing + one_way_weight * one_way
    figures = {"loss": answers, "direct": direct, "writing": writing, "reversed": one_way}
    return loss, {name: value.item() for name, value in figures.items()}


def looking_loss(result: Pass, rows: Rows) -> tuple[Tensor, Tensor]:
    """How far one head is from looking from each option's word at its letter, and another from the answer at the words.

    At each word it is to look as much as the word has votes.

    Without being shown, so small a model does not find out in thousands of steps how an answer by letters is made.
    """
    bind, fetch = (result.looked[layer] for layer in LOOK)
    row, word, letter = rows.bound.T
    asking_row, asking, option = rows.fetched.T
    chosen = fetch[asking_row, asking, option] * rows.fetched_share
    return -bind[row, word, letter].mean(), -chosen.sum() / rows.fetched_share.sum()


def _tuple(place: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return place if isinstance(place, tuple) else (place,)


def train(
    audio: Path,
    further: Path,
    out: Path,
    recipe: Recipe,
    *,
    stages: Path | None = None,
    begin: Path | None = None,
    until: int = 4,
) -> None:
    """All stages, or those `until` one.

    `stages` keeps the model after each, so that a stopped training goes on from there.
    `begin` holds a model that has been through three stages: the last one is added.
    """
    torch.manual_seed(recipe.seed)
    training = Training(audio, further, recipe)
    learning = (training.learn_to_hear, training.learn_emotion, training.loosen, training.learn_formats)
    kept = [(n, stages / str(n)) for n in (1, 2, 3) if stages and (stages / str(n) / "model.safetensors").exists()]
    done, folder = (3, begin) if begin else max(kept, default=(0, None))
    if folder:
        training.model = type(training.model).from_pretrained(folder)
    for number, learn in enumerate(learning, start=1):
        if not done < number <= until:
            continue
        print((learn.__doc__ or "").strip(), flush=True)
        learn()
        if stages:
            architecture.save(training.model, training.tokenizer, stages / str(number))
    architecture.save(training.model.eval(), training.tokenizer, out)
