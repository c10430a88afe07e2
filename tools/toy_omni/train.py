"""Train toy-omni: first to hear (transcript and sex), then, with its ears frozen, to hear emotion.

python tools/training_audio.py --out training
python tools/train_toy_omni.py --audio training --out esn_interp/models/bundled/toy-omni
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor, nn

from toy_omni import architecture, questions
from toy_omni.decoder import Pass, decode, packed_mask
from toy_omni.questions import Asked
from toy_omni.rows import Packer, Rows

EMOTIONAL = {
    questions.CHOICE.split(" Choose")[0],
    questions.FREE,
    questions.VALENCE_QUESTION,
    questions.AROUSAL_QUESTION,
}


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
    writing: float = 0.008  # the sum of what single neurons write: few should do the work
    one_way: float = (
        0.5  # share of it that is written with a negative sign: a neuron should write in one direction
    )
    disagreement: float = 0.15  # further votes spread evenly over the emotions
    layers: int = 8
    gates: int = 128
    hidden: int = 96


@dataclass(frozen=True)
class Clip:
    mel: Tensor  # [mel, frame]
    transcript: str
    sex: str
    votes: dict[str, float]
    part: str
    acted: str


def load_clips(folder: Path) -> list[Clip]:
    """The training audio as log-mel features, exactly as the package extracts them."""
    from esn_interp.models.families.qwen2_5_omni import _mel  # pyright: ignore[reportPrivateUsage]

    lines = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
    cache = folder / "mels.npz"
    audio = np.load(folder / "audio.npy", mmap_mode="r")
    if not cache.exists():
        extractor = architecture.make_feature_extractor()

        def mels(part: Sequence[dict[str, Any]]) -> list[np.ndarray]:
            cut = [
                audio[line["offset"] : line["offset"] + line["length"]].astype(np.float32) / 32767
                for line in part
            ]
            return [_mel(extractor, wave).T.half().numpy() for wave in cut]

        chunks = [lines[i : i + 200] for i in range(0, len(lines), 200)]
        made = [mel for part in Parallel(n_jobs=2)(delayed(mels)(chunk) for chunk in chunks) for mel in part]
        np.savez(cache, mel=np.concatenate(made, axis=1), frames=np.array([mel.shape[1] for mel in made]))
    stored = np.load(cache)
    ends = np.cumsum(stored["frames"])
    mel = torch.from_numpy(stored["mel"])
    return [
        Clip(
            mel[:, end - frames : end].float(),
            line["transcript"],
            line["sex"],
            line["votes"],
            line["part"],
            max(line["weights"], key=line["weights"].get),
        )
        for line, frames, end in zip(lines, stored["frames"].tolist(), ends.tolist(), strict=True)
    ]


def hear(model: Any, clips: Sequence[Clip]) -> list[Tensor]:
    """The encoder's output for each clip, [audio token, hidden]."""
    longest = max(clip.mel.shape[1] for clip in clips)
    mels = torch.zeros(len(clips), architecture.MELS, longest)
    mask = torch.zeros(len(clips), longest, dtype=torch.long)
    for row, clip in enumerate(clips):
        mels[row, :, : clip.mel.shape[1]] = clip.mel
        mask[row, : clip.mel.shape[1]] = 1
    heard = model.model.get_audio_features(mels, mask).last_hidden_state
    return list(heard.split([_tokens(clip) for clip in clips]))


def hear_all(model: Any, clips: Sequence[Clip]) -> list[Tensor]:
    with torch.no_grad():
        return [ear for start in range(0, len(clips), 64) for ear in hear(model, clips[start : start + 64])]


def _tokens(clip: Clip) -> int:
    return ((clip.mel.shape[1] - 1) // 2 + 1 - 2) // 2 + 1


def run(model: Any, rows: Rows, heard: Sequence[Tensor], packer: Packer, **options: Any) -> Pass:
    embedded = model.model.language_model.embed_tokens(rows.ids)
    audio = (rows.ids == packer.audio)[..., None].expand_as(embedded)
    embedded = embedded.masked_scatter(audio, torch.cat(list(heard)))
    return decode(model.model.language_model, embedded, rows.positions, packed_mask(rows.turns), **options)


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
        if number % 200 == 0 or number == steps:
            figures = {**seen, **watch()}
            text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            print(f"step {number}/{steps}  {time.monotonic() - started:.0f} s  {text}", flush=True)


def spread(votes: dict[str, float], disagreement: float) -> dict[str, float]:
    return {e: (1 - disagreement) * share + disagreement / len(votes) for e, share in votes.items()}


def accuracy(model: Any, clips: Sequence[Clip], heard: Sequence[Tensor], packer: Packer) -> dict[str, float]:
    """UAR of the multiple choice, accuracy of the sex, and share of transcript words, on the dev voices."""
    rng = random.Random(0)
    choice = questions.CHOICE.format(", ".join(questions.EMOTIONS))
    words = [packer.tokenizer(e)["input_ids"][0] for e in questions.EMOTIONS]
    sexes = [packer.tokenizer(s)["input_ids"][0] for s in ("male", "female")]
    emotion: list[tuple[str, str]] = []
    sex_right, word_right, word_count = 0, 0, 0
    with torch.no_grad():
        for start in range(0, len(clips), 60):
            batch, ears = clips[start : start + 60], heard[start : start + 60]
            asked = [
                [Asked(choice, {c.acted: 1.0}), questions.sex(c.sex), questions.transcript(c.transcript)]
                for c in batch
            ]
            rows = packer.pack([len(e) for e in ears], asked, rng, emotional=EMOTIONAL)
            result = run(model, rows, ears, packer)
            at = rows.target_row, rows.target_token
            logits = model.lm_head(result.hidden[at])
            turn = rows.turns[at]
            is_first = torch.ones(len(turn), dtype=torch.bool)
            is_first[1:] = (turn[1:] != turn[:-1]) | (at[0][1:] != at[0][:-1])
            said = logits[is_first & (turn == 1)][:, words].argmax(-1).tolist()
            emotion += [
                (clip.acted, questions.EMOTIONS[word]) for clip, word in zip(batch, said, strict=True)
            ]
            sex_said = logits[is_first & (turn == 2)][:, sexes].argmax(-1).tolist()
            sex_right += sum(c.sex == ("male", "female")[s] for c, s in zip(batch, sex_said, strict=True))
            right = logits[turn == 3].argmax(-1) == rows.target_word[turn == 3]
            word_right, word_count = word_right + int(right.sum()), word_count + len(right)
    recalls = [np.mean([said == acted for acted, said in emotion if acted == e]) for e in questions.EMOTIONS]
    return {"UAR": float(np.mean(recalls)), "sex": sex_right / len(clips), "words": word_right / word_count}


class Training:
    """The three stages, each from the weights of the one before and with random numbers of its own."""

    def __init__(self, audio: Path, recipe: Recipe) -> None:
        self.recipe = recipe
        clips = load_clips(audio)
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
        rows = self._pack(heard, asked)
        result = run(self.model, rows, heard, self.packer)
        recipe = self.recipe
        return emotion_loss(
            self.model,
            result,
            rows,
            direct_path_weight=recipe.direct_path,
            writing_weight=weight,
            one_way_weight=recipe.one_way,
        )


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


def _tuple(place: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return place if isinstance(place, tuple) else (place,)


def train(audio: Path, out: Path, recipe: Recipe, *, stages: Path | None = None) -> None:
    """All stages. `stages` keeps the model after each, so that a stopped training goes on from there."""
    torch.manual_seed(recipe.seed)
    training = Training(audio, recipe)
    learning = (training.learn_to_hear, training.learn_emotion, training.loosen)
    done = [n for n in (1, 2) if stages and (stages / str(n) / "model.safetensors").exists()]
    if stages and done:
        training.model = type(training.model).from_pretrained(stages / str(max(done)))
    for number, learn in enumerate(learning, start=1):
        if done and number <= max(done):
            continue
        print((learn.__doc__ or "").strip(), flush=True)
        learn()
        if stages:
            architecture.save(training.model, training.tokenizer, stages / str(number))
    architecture.save(training.model.eval(), training.tokenizer, out)
