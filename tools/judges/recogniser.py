"""toy-ctc: a small conformer of transformers that spells what it hears, trained on recordings only.

The training audio has 32 sentences, and a recogniser that knows them by heart would hear them whatever is said. So
most of what it learns from are other sentences: as soon as it spells a clip rightly, the clip is cut between its words,
and spans of words from several clips are put together.
"""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2BertProcessor,
    Wav2Vec2CTCTokenizer,
)

from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.tasks.judges.recognisers import LEXICON
from esn_interp.tasks.judges.word_errors import plain_words
from judges.recordings import DEVELOPMENT, TRAINING, Recordings, read

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
BLANK, SPACE = 0, 2
STACK = 2  # frames of 10 ms that the network sees as one


@dataclass(frozen=True)
class Recipe:
    """Sizes and lengths of training."""

    steps: int = 1200
    alone: int = 450  # steps on whole clips, before words are put together anew
    batch: int = 24
    rate: float = 2e-3
    hidden: int = 96
    layers: int = 3
    put_together: float = 0.7
    tempo: tuple[float, float] = (0.85, 1.2)
    tract: tuple[float, float] = (0.94, 1.06)  # of the mel axis: about 10 % of every formant
    masked_mels: int = 12
    noise: float = 0.15
    dropout: float = 0.1


FIRST = Recipe()
SECOND = Recipe(
    steps=1500, alone=0, rate=1.2e-3, put_together=0.5, tempo=(0.9, 1.12), tract=(0.97, 1.03), masked_mels=6,
    noise=0.05, dropout=0.0,
)  # fmt: skip
"""Goes on from the first, and changes clips less: so small a network does not learn them by heart."""


@dataclass(frozen=True, eq=False)
class Heard:
    """Features of every clip, and where its words end once that is known."""

    mels: list[Tensor]  # [frame, 2 mel]
    texts: list[str]
    cuts: list[np.ndarray | None]  # frames between words, ends included


def make_processor(folder: Path) -> Wav2Vec2BertProcessor:
    """The feature extractor and a tokenizer of letters, whose files go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: place for place, token in enumerate(["<pad>", "<unk>", "|", *LETTERS])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    tokenizer = Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"), pad_token="<pad>", unk_token="<unk>", bos_token=None, eos_token=None
    )
    return Wav2Vec2BertProcessor(SeamlessM4TFeatureExtractor(), tokenizer)


def make_model(recipe: Recipe) -> Wav2Vec2BertForCTC:
    config = Wav2Vec2BertConfig(
        vocab_size=len(LETTERS) + 3,
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=4,
        intermediate_size=2 * recipe.hidden,
        conv_depthwise_kernel_size=15,
        position_embeddings_type=None,  # convolutions tell what follows what; no place in a sentence is known
        hidden_dropout=recipe.dropout,
        layerdrop=0.0,
        apply_spec_augment=False,
        pad_token_id=BLANK,
        ctc_loss_reduction="mean",
        ctc_zero_infinity=True,
    )
    return Wav2Vec2BertForCTC(config)


def features(waveform: np.ndarray, processor: Wav2Vec2BertProcessor) -> Tensor:
    """What the network is given, two frames side by side. [frame, 2 mel]"""
    made = processor.feature_extractor(waveform, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    return made["input_features"][0].half()


def hear(recordings: Recordings, processor: Wav2Vec2BertProcessor) -> Heard:
    mels = [features(recordings.waveform(clip), processor) for clip in range(len(recordings))]
    return Heard(mels, recordings.transcripts, [None] * len(mels))


def batch_of(items: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Features filled up to one length, and where they are real. [clip, frame, 2 mel], [clip, frame]"""
    longest = max(map(len, items))
    padded = torch.zeros(len(items), longest, items[0].shape[1])
    mask = torch.zeros(len(items), longest, dtype=torch.long)
    for row, item in enumerate(items):
        padded[row, : len(item)] = item
        mask[row, : len(item)] = 1
    return padded, mask


def draw(heard: Heard, rng: np.random.Generator, recipe: Recipe, *, together: bool) -> tuple[Tensor, str]:
    """A clip, or words of up to three clips."""
    clip = int(rng.integers(len(heard.mels)))
    if not together or rng.random() > recipe.put_together:
        return changed(heard.mels[clip].float(), rng, recipe), heard.texts[clip]
    pieces: list[Tensor] = []
    said: list[str] = []
    for clip in rng.integers(len(heard.mels), size=int(rng.integers(1, 4))).tolist():
        cuts = heard.cuts[clip]
        if cuts is None:
            continue
        words = heard.texts[clip].split()
        first = int(rng.integers(len(words)))
        last = min(len(words), first + int(rng.integers(1, 4)))
        pieces.append(changed(heard.mels[clip][cuts[first] : cuts[last]].float(), rng, recipe))
        said += words[first:last]
    if not pieces or sum(map(len, pieces)) < 10:
        return draw(heard, rng, recipe, together=False)
    return torch.cat(pieces), " ".join(said)


def changed(mel: Tensor, rng: np.random.Generator, recipe: Recipe) -> Tensor:
    """At another tempo, by a larger or smaller speaker, in noise, with some of the bands gone. [frame, 2 mel]"""
    fine = mel.reshape(1, 1, len(mel) * STACK, -1)
    frames = max(4, round(fine.shape[2] / rng.uniform(*recipe.tempo)) // STACK * STACK)
    mels = fine.shape[3]
    # Mels stretched about the lowest one move all formants; what is pushed out at the top is cut off.
    stretched = round(mels * rng.uniform(*recipe.tract))
    fine = interpolate(fine, size=(frames, stretched), mode="bilinear", align_corners=False)[0, 0, :, :mels]
    fine = torch.cat([fine, fine[:, -1:].expand(-1, mels - fine.shape[1])], dim=1).clone()
    fine += recipe.noise * rng.uniform() * torch.from_numpy(rng.standard_normal((frames, mels), np.float32))
    for _ in range(2):
        width = int(rng.integers(recipe.masked_mels + 1))
        low = int(rng.integers(mels - width))
        fine[:, low : low + width] = 0
    return fine.reshape(frames // STACK, -1)


def find_cuts(model: Wav2Vec2BertForCTC, heard: Heard, processor: Wav2Vec2BertProcessor) -> float:
    """Cuts every clip that is spelt rightly where its spaces are; the share of clips that are."""
    for clips, best in spellings(model, heard.mels):
        for clip, path in zip(clips, best, strict=True):
            if processor.tokenizer.decode(path) != heard.texts[clip]:
                continue
            spaces = np.flatnonzero(path == SPACE)
            # A space may last several frames: its middle is the cut.
            runs = np.split(spaces, np.flatnonzero(np.diff(spaces) > 1) + 1) if len(spaces) else []
            inner = [int(run.mean()) for run in runs]
            if len(inner) == len(heard.texts[clip].split()) - 1:
                heard.cuts[clip] = np.array([0, *inner, len(path)])
    return float(np.mean([cuts is not None for cuts in heard.cuts]))


def spellings(
    model: Wav2Vec2BertForCTC, mels: list[Tensor], size: int = 64
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """The likeliest letter of every frame, for batches of clips of like length."""
    model.eval()
    order = sorted(range(len(mels)), key=lambda clip: len(mels[clip]))
    for start in range(0, len(order), size):
        clips = order[start : start + size]
        inputs, mask = batch_of([mels[clip] for clip in clips])
        with torch.no_grad():
            best = model(input_features=inputs, attention_mask=mask).logits.argmax(-1).numpy()
        yield clips, [row[: len(mels[clip])] for row, clip in zip(best, clips, strict=True)]
    model.train()


def error_rates(
    model: Wav2Vec2BertForCTC, heard: Heard, processor: Wav2Vec2BertProcessor
) -> tuple[float, float]:
    """Word and character error rate over all clips."""
    said = [""] * len(heard.mels)
    for clips, best in spellings(model, heard.mels):
        for clip, path in zip(clips, best, strict=True):
            said[clip] = processor.tokenizer.decode(path)
    return jiwer.wer(heard.texts, said), jiwer.cer(heard.texts, said)


def train(audio: Path, out: Path, recipe: Recipe, *, seed: int = 0, start: Path | None = None) -> None:
    """Train, and every 150 steps say how well it spells the development voices, and save in half precision.

    ``start`` is a recogniser to go on from.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    processor = make_processor(out)
    processor.save_pretrained(out)
    recordings = read(audio, TRAINING)
    words = sorted({word for text in recordings.transcripts for word in plain_words(text).split()})
    (out / LEXICON).write_text("\n".join(words) + "\n", encoding="utf-8")
    model = make_model(recipe)
    if start is not None:
        model.load_state_dict(Wav2Vec2BertForCTC.from_pretrained(start, dtype=torch.float32).state_dict())
    heard = hear(recordings, processor)
    development = read(audio, DEVELOPMENT)
    unheard = hear(development, processor)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / 100, 0.5 * (1 + math.cos(math.pi * step / recipe.steps)) + 1e-3),
    )
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    for step in range(recipe.steps):
        if step >= recipe.alone and (step - recipe.alone) % 250 == 0:
            print(f"  {find_cuts(model, heard, processor):.0%} of the clips are cut between their words")
        drawn = [draw(heard, rng, recipe, together=step >= recipe.alone) for _ in range(recipe.batch)]
        inputs, mask = batch_of([mel for mel, _ in drawn])
        labels = processor.tokenizer([text for _, text in drawn], padding=True, return_tensors="pt")
        targets = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
        loss = model(input_features=inputs, attention_mask=mask, labels=targets).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 150 == 0:
            wer, cer = error_rates(model, unheard, processor)
            print(f"step {step + 1}: loss {loss.item():.3f}, development WER {wer:.3f}, CER {cer:.3f}")
            copy.deepcopy(model).half().save_pretrained(out)
