"""The listening test: a page for the keyboard alone that tells nobody what is what, and saves what was chosen."""

import base64
import io
import json
import re
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import esn, write_clips, write_wave
from listening_study import LENGTHS, revealed, tone, write_study

from esn_interp.analysis.listening.page import listening_page
from esn_interp.analysis.listening.pairs import catch_pairs, read_pairs, write_pairs
from esn_interp.errors import AudioError, EsnError
from esn_interp.speech.clips import Clips


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


class TestPairs:
    def test_the_list_reads_back_and_may_lie_in_a_folder_of_its_own(self, study: Path):
        place, pairs = read_pairs(study)
        assert place == study / "listening"
        assert read_pairs(place) == (place, pairs)
        assert [pair.catch for pair in pairs] == [False] * 4 + [True]

    def test_what_else_a_line_holds_is_of_no_concern(self, tmp_path: Path):
        side = {"file": "a.wav", "seconds": 2}
        line = {"id": "1", "emotion": "sad", "seen": True, "catch": False, "source": None}
        line |= {"first": {"condition": "x", **side}, "second": {"condition": "y", **side}}
        (tmp_path / "pairs.jsonl").write_text(json.dumps(line) + "\n\n")
        assert read_pairs(tmp_path)[1][0].second.condition == "y"

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"emotion": None}, "line 1: emotion: Input should be a valid string"),
            ({"first": {"condition": "x"}}, "line 1: first.file: Field required"),
            ({"second": {"condition": "x", "file": "b"}}, "line 1: both recordings are 'x'; a preference needs two"),
            ({"source": "../private.wav"}, "line 1: source: '../private.wav' is not a file in the folder"),
            ({"first": {"condition": "x", "file": "/etc/passwd"}}, "line 1: first.file: '/etc/passwd' is not a file"),
            ({"catch": True}, "no pairs to compare"),
        ],
    )
    def test_a_line_that_is_no_pair_is_named(self, change: dict[str, Any], told: str, tmp_path: Path):
        line = {"id": "1", "emotion": "sad", "first": {"condition": "x", "file": "a"}}
        line |= {"second": {"condition": "y", "file": "b"}, **change}
        (tmp_path / "pairs.jsonl").write_text(json.dumps(line))
        with pytest.raises(EsnError, match=re.escape(told)):
            read_pairs(tmp_path)

    def test_a_list_that_is_missing_broken_or_says_something_twice(self, study: Path, tmp_path: Path):
        with pytest.raises(EsnError, match=r"no pairs\.jsonl in it"):
            read_pairs(tmp_path)
        (tmp_path / "pairs.jsonl").write_text("{")
        with pytest.raises(EsnError, match="line 1: Invalid JSON"):
            read_pairs(tmp_path)
        write_pairs(tmp_path, [read_pairs(study)[1][0]] * 2)
        with pytest.raises(EsnError, match="line 2: there is another pair 'happy, 0'"):
            read_pairs(tmp_path)


def test_catch_trials_are_the_emotion_against_neutral_of_one_speaker(tmp_path: Path):
    rows = [
        {"id": f"{speaker}-{emotion}-{words}", "emotion": emotion, "speaker": speaker, "sentence": words,
         "audio": str(write_wave(tmp_path / f"{speaker}-{emotion}-{words}.wav", tone(0.2 + 0.01 * len(words) + extra)))}
        for speaker in ("a", "b")
        for emotion, extra in (("neutral", 0.1), ("sad", 0.3), ("happy", 0.5))
        for words in ("x", "yy", "zzz")
        if (speaker, emotion) not in {("b", "neutral"), ("a", "happy")}
    ]  # fmt: skip
    clips = Clips.from_frame(pd.DataFrame(rows), name="made")
    found = catch_pairs(clips, tmp_path / "out", ["sad", "happy", "neutral", "sad"], each=5)
    # Of happy speech there is no neutral counterpart by the same speaker; of sad speech there are three.
    assert [(pair.emotion, pair.catch, pair.first.condition, pair.second.condition) for pair in found] == [
        ("sad", True, "sad", "neutral")
    ] * 3
    for pair in found:
        sad, neutral = (soundfile.info(tmp_path / "out" / side.file).duration for side in (pair.first, pair.second))
        assert sad - neutral == pytest.approx(0.2)  # and the same sentence
    assert len(catch_pairs(clips, tmp_path / "out", ["sad"], each=2)) == 2


def test_recordings_for_catch_trials_are_written_over_nothing(tmp_path: Path):
    tones = {"neutral": 0.3, "sad": 0.5}
    rows = [
        {"id": name, "emotion": name, "speaker": "a", "audio": str(write_wave(tmp_path / f"{name}.wav", tone(seconds)))}
        for name, seconds in tones.items()
    ]
    others = {"catch-1-a.wav": b"mine", "catch/notes.txt": b"mine too"}
    for name, content in others.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(content)
    clips = Clips.from_frame(pd.DataFrame(rows), name="made")
    first, again = (catch_pairs(clips, tmp_path / "out", ["sad"]) for _ in range(2))
    assert first == again
    assert {name: (tmp_path / "out" / name).read_bytes() for name in others} == others
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 1 + len(tones)


class TestPage:
    def test_sounds_are_stored_without_loss_each_once(self, study: Path, tmp_path: Path):
        page = listening_page(study, tmp_path / "page.html")
        assert (page.pairs, page.checks, page.minutes, page.notes) == (4, 1, 1, ())
        assert page.bytes == page.path.stat().st_size
        stored = re.search(r'id="sounds">(.*?)</script>', page.path.read_text(encoding="utf-8"))
        assert stored is not None
        waves = [soundfile.read(io.BytesIO(base64.b64decode(one)))[0] for one in json.loads(stored[1])]
        assert sorted(len(wave) / 16_000 for wave in waves) == sorted(LENGTHS.values())
        for wave in waves:
            np.testing.assert_allclose(wave, tone(len(wave) / 16_000), atol=1 / 2**15)

    def test_conditions_cannot_be_read_off_the_page(self, study: Path, tmp_path: Path):
        text = unescape(listening_page(study, tmp_path / "page.html", source=True).path.read_text(encoding="utf-8"))
        for word in ("steered", "unsteered", "wrong", "steered.wav", "check 0", "happy, 0"):
            assert word not in text

    def test_a_few_pairs_are_drawn_evenly_and_by_the_seed(self, tmp_path: Path):
        study = write_study(tmp_path, each=10, checks=3)
        text = [
            listening_page(study, tmp_path / f"{at}.html", pairs=4, seed=seed).path.read_text(encoding="utf-8")
            for at, seed in enumerate((1, 1, 2))
        ]
        assert text[0] == text[1] != text[2]
        plan = revealed(text[0])
        assert Counter((pair["emotion"], pair["catch"]) for pair in plan["pairs"]) == {
            ("happy", False): 2,
            ("sad", False): 2,
            ("sad", True): 3,
        }
        more = listening_page(study, tmp_path / "more.html", pairs=30)
        assert (more.pairs, more.checks) == (20, 3)
        assert "has 20 pairs, not 30" in more.notes[0]

    def test_where_one_would_clip_all_are_turned_down_alike(self, tmp_path: Path):
        study = write_study(tmp_path, checks=0)
        write_wave(study / "listening" / "steered.wav", tone(0.1, level=1.2))
        page = listening_page(study)
        assert page.path == study / "listening" / "listening.html"
        assert "no catch trials" in page.notes[0]
        assert "turned down by 1.6 dB" in page.notes[1]

    def test_what_cannot_be_asked_is_refused(self, tmp_path: Path):
        study = write_study(tmp_path)
        with pytest.raises(EsnError, match="the question is empty"):
            listening_page(study, question=" ")
        with pytest.raises(EsnError, match="at least one pair, not 0"):
            listening_page(study, pairs=0)
        steered = study / "listening" / "steered.wav"
        write_wave(steered, np.zeros(0))
        with pytest.raises(AudioError, match=r"steered\.wav: no samples"):
            listening_page(study)
        steered.write_text("no sound")
        with pytest.raises(AudioError, match="not audio"):
            listening_page(study)
        steered.unlink()
        with pytest.raises(AudioError, match="not there"):
            listening_page(study)


class TestCommand:
    def test_a_page_with_catch_trials_of_a_corpus(self, study: Path, tmp_path: Path):
        out, corpus = tmp_path / "page.html", write_clips(tmp_path / "corpus", speakers=("a", "b"))
        answer = esn("evc", "listen", study, "--catch", corpus, "--pairs", "2", "--out", out, "--json")
        assert answer.code == 0, answer.err
        content = answer.content
        assert (content["pairs"], content["checks"], content["notes"]) == (2, 5, [])
        plan = revealed(out.read_text(encoding="utf-8"))
        caught = [pair for pair in plan["pairs"] if pair["id"].startswith("catch-")]
        assert Counter(pair["emotion"] for pair in caught) == {"happy": 2, "sad": 2}
        plain = esn("evc", "listen", study, "--out", out)
        assert plain.code == 0, plain.err
        assert plain.out.splitlines()[0].startswith("4 pairs and 1 catch trials, about 1 min")

    def test_refusals_are_one_line(self, study: Path, tmp_path: Path):
        write_wave(tmp_path / "clips" / "angry" / "a" / "1.wav", tone(0.3))
        for words, part in (
            ((tmp_path,), "no pairs.jsonl in it"),
            ((study, "--out", "page.htm"), "the file is a .html file"),
            ((study, "--question", ""), "the question is empty"),
            ((study, "--catch", tmp_path / "clips"), "no speaker in it speaks neutrally and in one of happy, sad"),
        ):
            assert part in esn("evc", "listen", *words).refusal
