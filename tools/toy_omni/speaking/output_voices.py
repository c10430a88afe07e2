"""The two voices that toy-omni speaks with, acted and sung onto the lattice of pitches that its codec can hold."""

import argparse
import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from jaxtyping import Bool, Float, Int
from voices.acting import blend
from voices.casting import SENTENCES
from voices.synthesis import FRAME_MS, Analysis, Voice, act, analyse, synthesise

from esn_interp.speech.acting import EMOTIONS
from esn_interp.speech.audio import SAMPLE_RATE
from toy_omni.speaking.frames import (
    CODE,
    FRAMES_PER_CODE,
    HIGHEST,
    LATTICE,
    LOWEST,
    RATE,
    log_mel,
    source,
)

VOICES = (
    Voice(name="Ada", engine="espeak", reader="en-us+f1", sex="female", pitch=1.15),
    Voice(name="Ben", engine="espeak", reader="en-us+m3", sex="male", pitch=1.35),
)
"""Both are made from variants of training voices: no voice of a corpus speaks with them."""

PER_CODE = round(1000 * CODE / RATE / FRAME_MS)  # analysis frames in a code
STEP_MS = 1.0  # between two codes F0 may slide for so long only, else cycles would be lost on the way
BREATH = 0.5  # of the acted voice's breathiness is kept: noise is what a small vocoder does worst


@dataclass(frozen=True)
class Said:
    """One clip of an output voice: 24 kHz sound, its frames, and the pitch of each code in cycles (0 unvoiced)."""

    voice: int
    sentence: int
    emotion: str
    intensity: float
    wave: Int[np.ndarray, " sample"]  # int16
    frames: Float[np.ndarray, "frame channel"]
    pitch: Int[np.ndarray, " code"]
    voiced: Int[np.ndarray, " frame"]


def on_lattice(
    f0: Float[np.ndarray, " moment"],
) -> tuple[Int[np.ndarray, " code"], Bool[np.ndarray, " moment"]]:
    """Cycles of each code (0 where nothing in it is voiced), and which moments of the codes are voiced."""
    codes = -(-len(f0) // PER_CODE)
    padded = np.pad(f0, (0, codes * PER_CODE - len(f0))).reshape(codes, PER_CODE)
    voiced = padded > 0
    enough = voiced.sum(axis=1) >= 2
    pitch = np.zeros(codes, dtype=np.int64)
    for code in np.flatnonzero(enough):
        middle = np.median(padded[code][voiced[code]])
        pitch[code] = np.clip(round(middle / LATTICE), LOWEST, HIGHEST)
    return pitch, (voiced & enough[:, None]).reshape(-1)


def say(analysis: Analysis, voice: int, sentence: int, emotion: str, intensity: float, seed: int) -> Said:
    rng = np.random.default_rng(seed)
    style = float(rng.uniform(0.0, 0.15))
    acting = blend({emotion: 1.0}, style=style, intensity=intensity, rng=rng)
    performance = act(analysis, acting, voice=VOICES[voice], rng=rng)
    acted = performance.acted
    silent = PER_CODE  # a code of silence before and after
    f0 = np.pad(acted.f0, (silent, silent))
    pitch, voiced = on_lattice(f0)
    moments = len(pitch) * PER_CODE
    at = np.clip(np.arange(moments) - silent, 0, len(acted.f0) - 1)
    envelope, aperiodicity = acted.envelope[at], acted.aperiodicity[at] * BREATH
    outside = (np.arange(moments) < silent) | (np.arange(moments) >= silent + len(acted.f0))
    envelope[outside] = 1e-10
    aperiodicity[~voiced] = 1.0
    filled = pitch.copy()  # WORLD counts cycles through unvoiced stretches as well
    known = np.flatnonzero(pitch)
    nearest = np.abs(np.arange(len(pitch))[:, None] - known[None]).argmin(axis=1)
    filled = pitch[known[nearest]]
    filled[0] = 8
    fine = round(FRAME_MS / STEP_MS)
    held = np.repeat(filled * LATTICE, PER_CODE * fine).astype(np.float64)
    robot = Analysis(held, np.repeat(envelope, fine, axis=0), np.repeat(aperiodicity, fine, axis=0))
    wave = synthesise(robot, loudness=performance.loudness, frame_ms=STEP_MS)[
        : moments * round(SAMPLE_RATE * FRAME_MS / 1000)
    ]
    speech = slice(silent * 80, (moments - silent) * 80)
    wave = wave / np.sqrt(np.mean(wave[speech] ** 2)) * performance.loudness
    wave = np.clip(wave + rng.normal(scale=3e-4, size=len(wave)), -0.95, 0.95)
    high = soxr.resample(wave, SAMPLE_RATE, RATE, quality="HQ").astype(np.float32)
    high = np.pad(high, (0, max(0, len(pitch) * CODE - len(high))))[: len(pitch) * CODE]
    voiced_frames = voiced.reshape(-1, PER_CODE // FRAMES_PER_CODE).mean(axis=1) >= 0.5
    mel = log_mel(torch.from_numpy(high)[None])[0].T.numpy()
    frames = np.concatenate([mel, source(pitch, voiced_frames.astype(np.int64))], axis=1).astype(np.float32)
    return Said(
        voice, sentence, emotion, intensity, np.round(high * 32767).astype(np.int16), frames,
        pitch, voiced_frames.astype(np.int64),
    )  # fmt: skip


def say_sentence(job: tuple[int, int, int, int]) -> list[Said]:
    """Every take of one sentence by one voice."""
    voice, sentence, takes, seed = job
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, voice, sentence])
    analysis = analyse(VOICES[voice], SENTENCES[sentence])
    said = []
    for take in range(takes):
        emotion = EMOTIONS[take % len(EMOTIONS)]
        intensity = float(rng.uniform(0.0, 1.15))
        said.append(say(analysis, voice, sentence, emotion, intensity, int(rng.integers(2**31))))
    return said


def save(said: list[Said], path: Path) -> None:
    """Everything in one .npz, clips one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        about=np.array([(s.voice, s.sentence, EMOTIONS.index(s.emotion), len(s.pitch)) for s in said]),
        intensity=np.array([s.intensity for s in said]),
        wave=np.concatenate([s.wave for s in said]),
        frames=np.concatenate([s.frames for s in said]).astype(np.float16),
        pitch=np.concatenate([s.pitch for s in said]),
        voiced=np.concatenate([s.voiced for s in said]),
    )


def load(path: Path) -> list[Said]:
    with np.load(path) as file:
        held = {name: file[name] for name in file.files}
    said, start = [], 0
    for (voice, sentence, emotion, codes), intensity in zip(held["about"], held["intensity"], strict=True):
        end = start + codes
        frames = slice(start * FRAMES_PER_CODE, end * FRAMES_PER_CODE)
        said.append(
            Said(
                int(voice), int(sentence), EMOTIONS[emotion], float(intensity),
                held["wave"][start * CODE : end * CODE], held["frames"][frames].astype(np.float32),
                held["pitch"][start:end], held["voiced"][frames],
            )
        )  # fmt: skip
        start = end
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="an .npz file")
    parser.add_argument("--takes", type=int, default=60, help="of each sentence by each voice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.monotonic()
    jobs: list[Any] = [
        (voice, sentence, arguments.takes, arguments.seed)
        for voice in range(len(VOICES))
        for sentence in range(len(SENTENCES))
    ]
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        said = [one for some in pool.imap(say_sentence, jobs) for one in some]
    save(said, arguments.out)
    seconds = sum(len(one.wave) for one in said) / RATE
    print(f"{len(said)} clips, {seconds / 60:.0f} minutes, made in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
