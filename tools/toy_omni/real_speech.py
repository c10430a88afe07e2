"""From toy-omni to toy-emodb: the same model learns seven emotions from a few speakers of EmoDB.

AUDIO="training training-further"
python tools/train_toy_emodb.py --emodb emodb --audio $AUDIO --out esn_interp/models/bundled/toy-emodb
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from voices.casting import NATURAL_VOICES

from toy_omni import questions
from toy_omni.augmentation import SPEEDS, Augmentation, at_speeds, augment
from toy_omni.clips import Clip, hear, hear_all
from toy_omni.questions import Asked
from toy_omni.rows import EMOTIONAL, Packer, run
from toy_omni.teacher import Teacher
from toy_omni.train import emotion_loss, fit, spread

TRAINING = ("03", "08", "09", "11", "16")
VALIDATION = ("12", "13")
EVALUATION = ("10", "14", "15")
FOLDS = (("14", "15"), ("12", "13"), ("03", "08"), ("09", "10"), ("11", "16"))
"""For cross-fitting: a woman and a man each."""


@dataclass(frozen=True)
class Recipe:
    """Everything that was chosen, on the validation speakers. The model card explains it."""

    seed: int = 0
    hearing_steps: int = 500  # in which the ears alone learn
    hearing_batch: int = 24
    hearing_rate: float = 2e-3
    steps: int = 600
    rate: float = 1.5e-3
    real: int = 16  # clips of EmoDB in a batch, evenly over the emotions
    synthetic: int = 4  # clips of toy-omni's training in a batch, so that synthetic speech is not forgotten
    remembered: int = 240  # such clips in all, half of them by natural voices
    disagreement: float = 0.1  # of the votes, spread evenly over the emotions
    teaching: float = 0.8  # share of the votes that is the teacher's
    versions: int = 8  # of each clip, that the teacher learns from
    forgetting: float = 0.1  # dropout between ears and decoder
    direct_path: float = 0.5
    writing: float = 0.001
    one_way: float = 0.5


@dataclass(frozen=True)
class Voiced:
    """A clip at several speeds; the middle one is its own."""

    clip: Clip
    mels: list[Tensor]


def voiced(clips: Any, emotions: Sequence[str], *, speeds: Sequence[float] = SPEEDS) -> list[Voiced]:
    """The package's clips with their mels; an actor's emotion has all votes of `emotions`."""
    made: list[Voiced] = []
    for clip in clips:
        mels = at_speeds(clip.waveform(), speeds)
        votes = {emotion: float(emotion == clip.emotion) for emotion in emotions}
        own = Clip(mels[len(mels) // 2].float(), clip.transcript, clip.sex, votes, clip.speaker, clip.emotion)
        made.append(Voiced(own, mels))
    return made


@dataclass(frozen=True)
class Remembered:
    """A clip of toy-omni's training audio that carries one clear emotion."""

    samples: np.ndarray
    transcript: str
    sex: str
    speaker: str
    emotion: str

    def waveform(self) -> np.ndarray:
        return self.samples


def remembered(folders: Sequence[Path], recipe: Recipe) -> list[Remembered]:
    """As many clips of each folder, of its natural voices where it has such."""
    natural = {voice.name for voice, split in NATURAL_VOICES if split == "training"}
    rng, found = random.Random(recipe.seed), []
    for folder in folders:
        lines = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
        clear = [
            line
            for line in lines
            if line["part"] == "train" and len(line["weights"]) == 1 and line["intensity"] > 0.7
        ]
        chosen = [line for line in clear if line["voice"] in natural] or clear
        audio = np.load(folder / "audio.npy", mmap_mode="r")
        for line in rng.sample(chosen, min(len(chosen), recipe.remembered // len(folders))):
            samples = audio[line["offset"] : line["offset"] + line["length"]].astype(np.float32) / 32767
            (emotion,) = line["weights"]
            found.append(Remembered(samples, line["transcript"], line["sex"], line["voice"], emotion))
    return found


def open_two_words(lm: Any) -> None:
    """Make "bored" and "disgusted" words of one token, as the other emotions are: labels are then scored alike.

    They take two unused rows of the vocabulary and start as the mean of the other emotions.
    """
    tokenizer, model = lm.processor.tokenizer, lm.model
    known = [tokenizer(emotion)["input_ids"][0] for emotion in questions.EMOTIONS]
    new = [emotion for emotion in questions.ALL_EMOTIONS if len(tokenizer(emotion)["input_ids"]) > 1]
    tokenizer.add_tokens(new)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=16, mean_resizing=False)
    for table in (model.get_input_embeddings().weight, model.lm_head.weight):
        with torch.no_grad():
            table[tokenizer.convert_tokens_to_ids(new)] = table[known].mean(0)


def asked_of(clip: Clip, recipe: Recipe, rng: random.Random) -> list[Asked]:
    """A multiple choice by words, one by letters, and a question of another kind."""
    votes = spread(clip.votes, recipe.disagreement)
    others = [questions.free, questions.yes_no]
    if set(votes) <= set(questions.AROUSAL):
        others += [questions.valence, questions.arousal]
    other = questions.sex(clip.sex) if rng.random() < 0.3 else rng.choice(others)(votes, rng)
    return [questions.choice(votes, rng), questions.lettered(votes, rng), other]


def learn(
    lm: Any,
    real: Sequence[Voiced],
    synthetic: Sequence[Voiced],
    watched: Sequence[Voiced],
    recipe: Recipe,
    how: Augmentation,
) -> None:
    """Train `lm` in place on `real` and `synthetic`; `watched` is only listened to, for the log."""
    open_two_words(lm)
    model: Any = lm.model.requires_grad_(True)
    packer = Packer(lm.processor.tokenizer)
    torch.manual_seed(recipe.seed)
    rng, noise = random.Random(recipe.seed), np.random.default_rng(recipe.seed)
    weights = _evenly(real)
    teacher = teach(real, recipe, how, noise)

    def versions(count: int) -> list[Clip]:
        return [
            changed(one, noise, how, teacher, recipe.teaching) for one in rng.choices(real, weights, k=count)
        ]

    learn_to_hear(model, lambda: versions(recipe.hearing_batch), recipe, watched)

    def step(_: int) -> tuple[Tensor, dict[str, float]]:
        clips = versions(recipe.real)
        clips += [
            changed(one, noise, how) for one in rng.sample(synthetic, min(recipe.synthetic, len(synthetic)))
        ]
        heard = [dropout(ear, recipe.forgetting) for ear in hear(model, clips)]
        asked = [asked_of(clip, recipe, rng) for clip in clips]
        rows = packer.pack([len(ear) for ear in heard], asked, rng, emotional=EMOTIONAL)
        return emotion_loss(
            model,
            run(model, rows, heard, packer),
            rows,
            direct_path_weight=recipe.direct_path,
            writing_weight=recipe.writing,
            one_way_weight=recipe.one_way,
        )

    fit(list(model.parameters()), recipe.steps, recipe.rate, step, lambda: recalls(model, packer, watched))
    model.requires_grad_(False)


def learn_to_hear(
    model: Any, versions: Callable[[], list[Clip]], recipe: Recipe, watched: Sequence[Voiced]
) -> None:
    """The ears alone: what they make of a clip, its mean and spread over time, is to tell the emotion to a linear head.

    A step takes a quarter of the time that one of the whole model does. The head is thrown away.
    """
    emotions = questions.ALL_EMOTIONS
    head = nn.Linear(2 * model.lm_head.in_features, len(emotions))

    def heard(clips: Sequence[Clip]) -> Tensor:
        return head(torch.stack([torch.cat([ear.mean(0), ear.std(0)]) for ear in hear(model, clips)]))

    def step(_: int) -> tuple[Tensor, dict[str, float]]:
        clips = versions()
        votes = [spread(clip.votes, recipe.disagreement) for clip in clips]
        wanted = torch.tensor([[vote[emotion] for emotion in emotions] for vote in votes])
        loss = -(heard(clips).log_softmax(-1) * wanted).sum(-1).mean()
        return loss, {"loss": loss.item()}

    def watch() -> dict[str, float]:
        if not watched:
            return {}
        clips = [one.clip for one in watched]
        with torch.no_grad():
            said = torch.cat([heard(clips[at : at + 32]).argmax(-1) for at in range(0, len(clips), 32)])
        return _recalls([emotions[answer] for answer in said.tolist()], clips)

    parameters = [*model.model.audio_tower.parameters(), *head.parameters()]
    fit(parameters, recipe.hearing_steps, recipe.hearing_rate, step, watch)


def teach(
    real: Sequence[Voiced], recipe: Recipe, how: Augmentation, rng: np.random.Generator
) -> Teacher | None:
    """A teacher who has learnt from some versions of each clip."""
    if not recipe.teaching:
        return None
    pairs = [(changed(one, rng, how).mel, one.clip.acted) for one in real for _ in range(recipe.versions)]
    mels, acted = zip(*pairs, strict=True)
    return Teacher(mels, acted)


def changed(
    one: Voiced,
    rng: np.random.Generator,
    how: Augmentation,
    teacher: Teacher | None = None,
    teaching: float = 0.0,
) -> Clip:
    """A version of a clip, with the votes of its label and, for a share, of the teacher."""
    clip, mel = one.clip, augment(one.mels[rng.integers(len(one.mels))], rng, how)
    votes = clip.votes
    if teacher is not None:
        heard = teacher.votes(mel)
        votes = {e: (1 - teaching) * share + teaching * heard.get(e, 0.0) for e, share in votes.items()}
    return replace(clip, mel=mel, votes=votes)


def recalls(model: Any, packer: Packer, watched: Sequence[Voiced]) -> dict[str, float]:
    """Mean recall and recall of each emotion in the multiple choice of all."""
    if not watched:
        return {}
    emotions = [e for e in questions.ALL_EMOTIONS if e in watched[0].clip.votes]
    words = [packer.tokenizer(emotion)["input_ids"][0] for emotion in emotions]
    letters = [packer.tokenizer(letter)["input_ids"][0] for letter in questions.LETTERS[: len(emotions)]]
    question = questions.CHOICE.format(", ".join(emotions))
    clips, rng = [one.clip for one in watched], random.Random(0)
    said: list[int] = []
    by_letter: list[str] = []
    with torch.no_grad():
        for start in range(0, len(clips), 32):
            batch = clips[start : start + 32]
            heard = hear_all(model, batch)
            orders = [rng.sample(emotions, len(emotions)) for _ in batch]
            asked = [
                [Asked(question, {clip.acted: 1.0}), questions.lettered_as(order, {"A": 1.0})]
                for clip, order in zip(batch, orders, strict=True)
            ]
            rows = packer.pack([len(e) for e in heard], asked, random.Random(0), emotional=EMOTIONAL)
            result = run(model, rows, heard, packer)
            hidden = result.hidden[rows.first[:, 0], rows.first[:, 1]]
            said += model.lm_head(hidden)[:, words].argmax(-1).tolist()
            turn = rows.turns[rows.target_row, rows.target_token]
            asking = (turn == 2) & torch.isin(rows.target_word, torch.tensor(letters))
            lettered = model.lm_head(result.hidden[rows.target_row[asking], rows.target_token[asking]])
            chosen = lettered[:, letters].argmax(-1).tolist()
            by_letter += [order[letter] for order, letter in zip(orders, chosen, strict=True)]
    words_right = _recalls([emotions[answer] for answer in said], clips)
    return {"UAR": words_right["UAR"], "letters": _recalls(by_letter, clips)["UAR"], **words_right}


def _recalls(said: Sequence[str], clips: Sequence[Clip]) -> dict[str, float]:
    acted = np.array([clip.acted for clip in clips])
    right = np.array(said) == acted
    recall = {e: float(right[acted == e].mean()) for e in questions.ALL_EMOTIONS if e in acted}
    return {"UAR": float(np.mean(list(recall.values()))), **recall}


def _evenly(clips: Sequence[Voiced]) -> list[float]:
    acted = [one.clip.acted for one in clips]
    return [1 / acted.count(emotion) for emotion in acted]
