"""Makes the two bundled corpora, toy-studio and toy-phone.

    python tools/make_corpora.py

writes toy-studio.parquet and toy-phone.parquet to esn_interp/speech/corpora/data: 20 voices x 8 sentences x 5
emotions each, in the columns of `Clips`, audio as Ogg Opus. The same seed gives the same samples (the serial
numbers in the Ogg container are drawn anew by the encoder). Natural voices need what tools/voices/README.md lists.
"""

import argparse
import io
import json
import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import soundfile
from voices.casting import (
    PHONE_EVALUATION,
    PHONE_SENTENCES,
    PHONE_VOICES,
    STUDIO_EVALUATION,
    STUDIO_SENTENCES,
    STUDIO_VOICES,
)
from voices.channels import CHANNELS
from voices.synthesis import Voice, analyse, pad, perform

from esn_interp.speech.acting import EMOTIONS, RULES
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.schema import ARROW

DATA = Path(__file__).parent.parent / "esn_interp" / "speech" / "corpora" / "data"


@dataclass(frozen=True)
class Corpus:
    """What makes a corpus: who says what over which channel, and how often the second acting is chosen."""

    name: str
    channel: str
    sentences: tuple[str, ...]
    evaluation: tuple[str, ...]
    cast: tuple[tuple[Voice, str], ...]
    second_acting: float

    def said_by(self, number: int) -> tuple[str, ...]:
        """Evaluation voices say sentences that nobody else says."""
        return self.evaluation if self.cast[number][1] == "evaluation" else self.sentences


CORPORA = (
    Corpus("toy-studio", "studio", STUDIO_SENTENCES, STUDIO_EVALUATION, STUDIO_VOICES, second_acting=0.2),
    Corpus("toy-phone", "phone", PHONE_SENTENCES, PHONE_EVALUATION, PHONE_VOICES, second_acting=0.8),
)


def perform_sentence(job: tuple[Corpus, int, int, int]) -> list[dict[str, Any]]:
    """The clips of one voice and one sentence, an emotion each."""
    corpus, number, sentence, seed = job
    voice, split = corpus.cast[number]
    transcript = corpus.said_by(number)[sentence]
    place = len(corpus.sentences) * (split == "evaluation") + sentence + 1
    analysis = analyse(voice, transcript)
    rows: list[dict[str, Any]] = []
    for nth, emotion in enumerate(EMOTIONS):
        rng = np.random.default_rng([seed, CORPORA.index(corpus), number, sentence, nth])
        second = rng.random() < corpus.second_acting
        style = float(rng.uniform(0.85, 1.0) if second else rng.uniform(0.0, 0.15))
        intensity = float(rng.uniform(0.8, 1.1))
        wave = perform(analysis, {emotion: 1.0}, voice=voice, style=style, intensity=intensity, rng=rng)
        wave = CHANNELS[corpus.channel](pad(wave, rng=rng), rng=rng)
        extras = {"acting": RULES[emotion].names[int(second)], "style": style, "intensity": intensity}
        rows.append(
            {
                "id": f"{voice.name}-s{place}-{emotion}",
                "audio": {"bytes": encode(wave), "path": None},
                "emotion": emotion,
                "speaker": voice.name,
                "sex": voice.sex,
                "sentence": f"{corpus.name}-s{place}",
                "transcript": transcript,
                "language": "en",
                "corpus": corpus.name,
                "split": split,
                "extras": json.dumps(extras),
            }
        )
    return rows


def encode(wave: np.ndarray) -> bytes:
    """A 16 kHz waveform as a file of Ogg Opus."""
    file = io.BytesIO()
    soundfile.write(file, wave, SAMPLE_RATE, format="OGG", subtype="OPUS")
    return file.getvalue()


def main() -> None:
    """Performs both corpora in worker processes and writes one parquet file each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    os.environ["OMP_NUM_THREADS"] = "1"  # the workers are the parallelism
    arguments.out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        for corpus in CORPORA:
            started = time.monotonic()
            jobs = [
                (corpus, number, sentence, arguments.seed)
                for number in range(len(corpus.cast))
                for sentence in range(len(corpus.said_by(number)))
            ]
            rows = [row for rows in pool.imap(perform_sentence, jobs, chunksize=4) for row in rows]
            path = arguments.out / f"{corpus.name}.parquet"
            # Opus does not compress further: the columns of text do.
            table = pa.Table.from_pylist(rows, schema=ARROW)
            parquet.write_table(table, path, compression="zstd", use_dictionary=False)
            print(
                f"{path.name}: {len(rows)} clips, {path.stat().st_size / 1e6:.1f} MB, "
                f"made in {time.monotonic() - started:.0f} s"
            )


if __name__ == "__main__":
    main()
