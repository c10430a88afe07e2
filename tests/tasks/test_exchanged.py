"""Recordings that are exchanged under their names: nothing of the old is taken for the new, or mixed with it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from made_up_listener import EMOTIONS, MadeUpModel, noise

from esn_interp.errors import StatisticsError
from esn_interp.neurons.statistics import GateStatistics, merge
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import collect

pytestmark = pytest.mark.filterwarnings("ignore:few clips")
COUNT = 9
QUIET = {"batch_size": 2, "checkpoint_every": 1, "progress": False}


def corpus(folder: Path) -> Clips:
    rows = []
    for seed in range(COUNT):
        soundfile.write(folder / f"{seed}.wav", noise(seed), 16_000)
        rows.append({"id": f"clip-{seed}", "audio": str(folder / f"{seed}.wav"), "emotion": EMOTIONS[seed % 3]})
    return Clips.from_frame(pd.DataFrame(rows), name="noise")


def exchange(folder: Path, seed: int) -> None:
    """Other noise of the same length, so that only its content tells."""
    other = np.random.default_rng(99).normal(size=len(noise(seed))) * 0.1
    soundfile.write(folder / f"{seed}.wav", other.astype(np.float32), 16_000)


def test_a_collection_that_was_cut_off_is_not_gone_on_with_other_sound(tmp_path: Path):
    clips, checkpoint = corpus(tmp_path), tmp_path / "half.safetensors"
    with pytest.raises(KeyboardInterrupt):
        collect(MadeUpModel(COUNT, fails_after=5), clips, checkpoint=checkpoint, **QUIET)
    before = checkpoint.read_bytes()
    exchange(tmp_path, 8)
    again = MadeUpModel(COUNT)
    with pytest.raises(StatisticsError, match="the checkpoint has other clips"):
        collect(again, clips, checkpoint=checkpoint, resume=True, **QUIET)
    assert again.heard == []
    assert checkpoint.read_bytes() == before


def test_nor_are_sums_kept_of_recordings_that_change_while_they_are_heard(tmp_path: Path):
    clips = corpus(tmp_path)

    class Meddler(MadeUpModel):
        def encode(self, waveforms, prompt):
            exchange(tmp_path, 0)
            return super().encode(waveforms, prompt)

    with pytest.raises(StatisticsError, match="recordings changed while they were listened to"):
        collect(Meddler(COUNT), clips, **QUIET)


def test_the_same_names_with_other_sound_are_other_clips(tmp_path: Path):
    clips = corpus(tmp_path)
    first = collect(MadeUpModel(COUNT), clips, **QUIET)
    with pytest.raises(StatisticsError, match="hold the same clips"):
        merge([first, collect(MadeUpModel(COUNT), clips, **QUIET)])
    exchange(tmp_path, 3)
    second = collect(MadeUpModel(COUNT), clips, **QUIET)
    assert second.origin.corpus_fingerprint != first.origin.corpus_fingerprint
    assert merge([first, second]).seen == {emotion: 2 * count for emotion, count in first.seen.items()}


def test_statistics_say_that_the_sound_is_known_and_carry_a_checksum(tmp_path: Path):
    path = tmp_path / "s.safetensors"
    stats = collect(MadeUpModel(COUNT), corpus(tmp_path), **QUIET)
    assert stats.header()["corpus_identity"] == "sound"
    stats.save(path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match=r"damaged|cut short"):
        GateStatistics.load(path)
