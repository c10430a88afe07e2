"""Speech that a model made says so in its file."""

import io
from pathlib import Path

import numpy as np
import soundfile
from command_line import esn
from tiny_omni import noise

from esn_interp.models.loading import bundled_path
from esn_interp.speech.corpora import corpus
from esn_interp.speech.playable import MARK, Speech, wav_of_speech

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_a_file_of_speech_says_that_it_is_synthetic_unless_told_otherwise(tmp_path: Path):
    speech = Speech(0.5 * noise(0.2)[0], 24_000, "hello")
    speech.save(tmp_path / "marked.wav")
    speech.save(tmp_path / "plain.wav", mark=False)
    with soundfile.SoundFile(tmp_path / "marked.wav") as marked, soundfile.SoundFile(tmp_path / "plain.wav") as plain:
        assert marked.comment == MARK
        assert plain.comment == ""
        assert np.array_equal(marked.read(), plain.read())
    assert MARK in (DOCS / "responsible_use.md").read_text(encoding="utf-8")


def test_what_a_study_keeps_is_marked_too():
    sound = wav_of_speech(noise(0.2)[0], 24_000, subtype="FLOAT")
    with soundfile.SoundFile(io.BytesIO(sound)) as kept:
        assert (kept.comment, kept.subtype) == (MARK, "FLOAT")


def test_the_command_marks_what_it_writes(tmp_path: Path):
    clip = corpus("toy-studio")[0]
    soundfile.write(tmp_path / "in.wav", clip.waveform(), 16_000)
    words = ("convert", "--model", bundled_path("toy-omni"), "--in", tmp_path / "in.wav", "--to", "sad", "--greedy")
    short = ("--max-seconds", "0.1", "--json")
    for out, more, comment in (("a.wav", (), MARK), ("b.wav", ("--no-mark",), "")):
        assert esn(*words, "--out", tmp_path / out, *more, *short).content["marked"] == bool(comment)
        with soundfile.SoundFile(tmp_path / out) as written:
            assert written.comment == comment
