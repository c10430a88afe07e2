"""Writes the speech that toy-omni is trained on: graded, blended, voted-on performances by voices of its own.

    python tools/training_audio.py --out training
    python tools/training_audio.py --further --out training-further   # for its last stage: see `plan_further`

The folder then holds audio.npy (all clips of 16 kHz int16 one after the other) and clips.jsonl (one line a clip,
with its offset and length in samples, speaker, sex, sentence, channel, what was acted and how listeners
would vote). `part` is "train" or "dev"; the dev clips are spoken by voices of their own and carry one clear
emotion each. The same seed gives the same files, whatever the number of workers.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from voices.acting import votes
from voices.casting import DEVELOPMENT_VOICES, NATURAL_VOICES, SENTENCES, TRAINING_VOICES, spliced
from voices.channels import CHANNELS
from voices.synthesis import Voice, analyse, pad, perform

from esn_interp.speech.acting import EMOTIONS
from esn_interp.speech.audio import SAMPLE_RATE

SENTENCES_PER_VOICE = 14
DEVELOPMENT_TAKES = 2
SPLICED = 480  # further sentences, of which the last 48 are for the development voices
SPLICED_PER_VOICE, SPLICED_TAKES = 6, 5
NATURAL_SENTENCES, NATURAL_TAKES = 8, 12


@dataclass(frozen=True)
class Plan:
    """One clip to make, decided before any sound is."""

    part: str
    voice: str
    sex: str
    sentence: int
    transcript: str
    weights: dict[str, float]
    style: float
    intensity: float
    channel: str
    votes: dict[str, float]
    seed: int


def draw_style(rng: np.random.Generator) -> float:
    """Mostly one acting or the other, sometimes between the two."""
    if rng.random() < 0.15:
        return float(rng.uniform())
    return float(rng.uniform(0.0, 0.15) if rng.random() < 0.5 else rng.uniform(0.85, 1.0))


def draw_performance(rng: np.random.Generator) -> tuple[dict[str, float], float]:
    """What is acted: one clear emotion half the time, else a fainter one or a mixture of two."""
    emotions = rng.permutation(EMOTIONS).tolist()
    kind = rng.random()
    if kind < 0.50:
        return {emotions[0]: 1.0}, float(rng.uniform(0.7, 1.1))
    if kind < 0.75:
        return {emotions[0]: 1.0}, float(rng.uniform(0.15, 0.7))
    share = float(rng.uniform(0.5, 0.85))
    return {emotions[0]: share, emotions[1]: 1.0 - share}, float(rng.uniform(0.5, 1.1))


def plan_clip(
    part: str, voice: Voice, sentences: tuple[str, ...], number: int, channel: str, rng: np.random.Generator
) -> Plan:
    """A graded, perhaps mixed performance of a sentence for training, a clear one for development."""
    if part == "train":
        weights, intensity = draw_performance(rng)
        style, chosen = draw_style(rng), "studio" if rng.random() < 0.6 else "phone"
        heard = votes(weights, intensity=intensity, disagreement=float(rng.uniform(0.10, 0.20)))
    else:
        weights, intensity = {EMOTIONS[int(rng.integers(len(EMOTIONS)))]: 1.0}, float(rng.uniform(0.8, 1.1))
        style, chosen = draw_style(rng), channel
        heard = votes(weights, intensity=intensity)
    return Plan(
        part=part,
        voice=voice.name,
        sex=voice.sex,
        sentence=number,
        transcript=sentences[number],
        weights=weights,
        style=style,
        intensity=intensity,
        channel=chosen,
        votes=heard,
        seed=int(rng.integers(2**31)),
    )


def plan_training(count: int, *, seed: int) -> Iterator[Plan]:
    """`count` clips, spread evenly over the training voices."""
    for number, voice in enumerate(TRAINING_VOICES):
        rng = np.random.default_rng([seed, 1, number])
        mine = rng.permutation(len(SENTENCES))[:SENTENCES_PER_VOICE]
        for take in range(number, count, len(TRAINING_VOICES)):
            weights, intensity = draw_performance(rng)
            sentence = int(mine[(take // len(TRAINING_VOICES)) % len(mine)])
            yield Plan(
                part="train",
                voice=voice.name,
                sex=voice.sex,
                sentence=sentence,
                transcript=SENTENCES[sentence],
                weights=weights,
                style=draw_style(rng),
                intensity=intensity,
                channel="studio" if rng.random() < 0.6 else "phone",
                votes=votes(weights, intensity=intensity, disagreement=float(rng.uniform(0.10, 0.20))),
                seed=int(rng.integers(2**31)),
            )


def plan_development(*, seed: int) -> Iterator[Plan]:
    """Clear single emotions by voices of their own, to choose hyper-parameters on."""
    for number, voice in enumerate(DEVELOPMENT_VOICES):
        rng = np.random.default_rng([seed, 2, number])
        for sentence in rng.permutation(len(SENTENCES))[:8].tolist():
            for emotion in EMOTIONS:
                for take in range(DEVELOPMENT_TAKES):
                    intensity = float(rng.uniform(0.8, 1.1))
                    weights = {emotion: 1.0}
                    yield Plan(
                        part="dev",
                        voice=voice.name,
                        sex=voice.sex,
                        sentence=sentence,
                        transcript=SENTENCES[sentence],
                        weights=weights,
                        style=draw_style(rng),
                        intensity=intensity,
                        channel=("studio", "phone")[take % 2],
                        votes=votes(weights, intensity=intensity),
                        seed=int(rng.integers(2**31)),
                    )


def plan_further(*, seed: int) -> Iterator[Plan]:
    """What the last stage learns from beside the rest: words in other orders by the same voices, and natural voices.

    Of the natural voices two are for development, and so are 48 of the rows of words, said by the development voices.
    """
    rows = spliced(SPLICED, seed=seed)
    held = SPLICED - 48
    for number, voice in enumerate(TRAINING_VOICES):
        rng = np.random.default_rng([seed, 4, number])
        for sentence in rng.permutation(held)[:SPLICED_PER_VOICE].tolist():
            for _ in range(SPLICED_TAKES):
                yield plan_clip("train", voice, rows, sentence, "", rng)
    for number, voice in enumerate(DEVELOPMENT_VOICES):
        rng = np.random.default_rng([seed, 5, number])
        for sentence in range(held + 6 * number, held + 6 * (number + 1)):
            for channel in ("studio", "phone"):
                yield plan_clip("dev", voice, rows, sentence, channel, rng)
    for number, (voice, split) in enumerate(NATURAL_VOICES):
        rng = np.random.default_rng([seed, 3, number])
        part = {"training": "train", "development": "dev"}[split]
        for sentence in rng.permutation(len(SENTENCES))[:NATURAL_SENTENCES].tolist():
            for take in range(NATURAL_TAKES):
                yield plan_clip(part, voice, SENTENCES, sentence, ("studio", "phone")[take % 2], rng)


def perform_sentence(job: tuple[Voice, list[Plan]]) -> list[np.ndarray]:
    """All clips of one voice and one sentence: analysed once, resynthesised for each."""
    voice, plans = job
    analysis = analyse(voice, plans[0].transcript)
    clips: list[np.ndarray] = []
    for plan in plans:
        rng = np.random.default_rng(plan.seed)
        wave = perform(
            analysis, plan.weights, voice=voice, style=plan.style, intensity=plan.intensity, rng=rng
        )
        clip = CHANNELS[plan.channel](pad(wave, rng=rng), rng=rng)
        clips.append(np.round(clip * 32767.0).astype(np.int16))
    return clips


def main() -> None:
    """Plans every clip, performs them in worker processes, writes the store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clips", type=int, default=7200)
    parser.add_argument("--further", action="store_true", help="the speech of toy-omni's last stage instead")
    arguments = parser.parse_args()

    os.environ["OMP_NUM_THREADS"] = "1"  # the workers are the parallelism
    started = time.monotonic()
    jobs: dict[tuple[str, int], list[Plan]] = {}
    usual = (*plan_training(arguments.clips, seed=arguments.seed), *plan_development(seed=arguments.seed))
    for plan in plan_further(seed=arguments.seed) if arguments.further else usual:
        jobs.setdefault((plan.voice, plan.sentence), []).append(plan)
    natural = (voice for voice, _ in NATURAL_VOICES)
    voices = {voice.name: voice for voice in (*TRAINING_VOICES, *DEVELOPMENT_VOICES, *natural)}
    work = [(voices[name], plans) for (name, _), plans in jobs.items()]

    waves: list[np.ndarray] = []
    lines: list[dict[str, Any]] = []
    offset = 0
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        for (_, plans), clips in zip(work, pool.imap(perform_sentence, work, chunksize=4), strict=True):
            for plan, clip in zip(plans, clips, strict=True):
                lines.append({"offset": offset, "length": len(clip), **asdict(plan)})
                waves.append(clip)
                offset += len(clip)

    arguments.out.mkdir(parents=True, exist_ok=True)
    np.save(arguments.out / "audio.npy", np.concatenate(waves))
    with (arguments.out / "clips.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    parts = [line["part"] for line in lines]
    counts = {part: len({line["voice"] for line in lines if line["part"] == part}) for part in ("train", "dev")}
    print(
        f"{parts.count('train')} training clips by {counts['train']} voices, "
        f"{parts.count('dev')} dev clips by {counts['dev']}, "
        f"{offset / SAMPLE_RATE / 60:.0f} minutes, made in {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
