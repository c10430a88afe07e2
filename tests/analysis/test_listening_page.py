"""The listening test: a page for the keyboard alone that tells nobody what is what, and saves what was chosen."""

import base64
import csv
import io
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import esn, write_clips, write_wave
from headless_browser import CHROMIUM, Page, browser

from esn_interp.analysis.listening.answers import COLUMNS
from esn_interp.analysis.listening.measure import preference
from esn_interp.analysis.listening.page import listening_page
from esn_interp.analysis.listening.pairs import ListeningPair, Side, catch_pairs, read_pairs, write_pairs
from esn_interp.errors import AudioError, EsnError
from esn_interp.speech.clips import Clips

EMOTIONS = ("happy", "sad")
LENGTHS = {"steered": 0.10, "unsteered": 0.15, "right": 0.20, "wrong": 0.25}
"""Seconds of a recording by its condition, so that a test can tell which one was played."""


def tone(seconds: float, *, level: float = 0.3) -> np.ndarray:
    return level * np.sin(2 * np.pi * 220 * np.arange(round(16_000 * seconds)) / 16_000)


def write_study(folder: Path, *, each: int = 2, checks: int = 1) -> Path:
    """What a study writes: DIR/listening with a list of pairs and their recordings."""
    for condition, seconds in LENGTHS.items():
        write_wave(folder / "listening" / f"{condition}.wav", tone(seconds))
    pairs = [
        ListeningPair(
            id=f"{emotion}, {at}",  # a comma, which the file of answers must quote
            emotion=emotion,
            first=Side(condition="steered", file="steered.wav"),
            second=Side(condition="unsteered", file="unsteered.wav"),
            source="right.wav",
        )
        for emotion in EMOTIONS
        for at in range(each)
    ]
    right, wrong = (Side(condition=name, file=f"{name}.wav") for name in ("right", "wrong"))
    pairs += [
        ListeningPair(id=f"check {at}", emotion="sad", first=right, second=wrong, catch=True)
        for at in range(checks)
    ]
    write_pairs(folder / "listening", pairs)
    return folder


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


def revealed(html: str) -> dict[str, Any]:
    """The plan of a page, as its script reads it."""
    key, hidden = (re.search(pattern, html) for pattern in (r'data-key="(\w+)"', r'id="plan">(.*?)</script>'))
    assert key is not None
    assert hidden is not None
    data = base64.b64decode(hidden[1])
    return json.loads(bytes(byte ^ ord(key[1][at % len(key[1])]) for at, byte in enumerate(data)))


# --- in a browser ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium at hand (chromium, chromium-browser or google-chrome on the path)")
    with browser() as opened:
        yield opened


SHOWN = "[...document.querySelectorAll('main > section')].filter(s => !s.hidden).map(s => s.id).join()"
STATUS = "document.getElementById('status').textContent"
HEARD = "document.querySelectorAll('#trial .heard').length"


class Listener:
    """Somebody who takes the test with nothing but a keyboard, and notes how long each recording was."""

    def __init__(self, page: Page, path: Path, *, query: str = "", width: int = 1000) -> None:
        self.page, self.path, self.query, self.width = page, path, query, width
        self.lengths: list[tuple[float, float]] = []
        self.choices: list[str] = []
        self.open()

    def open(self) -> None:
        self.page.open(self.path, width=self.width, query=self.query)
        self.page.evaluate(
            "const play = HTMLMediaElement.prototype.play; window.played = [];"
            "HTMLMediaElement.prototype.play = function () { window.played.push(this); return play.call(this); }; 0"
        )

    @property
    def shown(self) -> str:
        return self.page.evaluate(SHOWN)

    @property
    def status(self) -> str:
        return self.page.evaluate(STATUS)

    def begin(self, code: str) -> None:
        self.page.press("Tab", *code, "Tab", " ", "Tab", "Enter")
        assert self.shown == "level"
        self.page.press(" ")
        self.page.until("!!document.querySelector('#level .heard')")
        self.page.press("Enter")

    def answer(self, side: str) -> None:
        assert self.shown == "trial"
        for count, key in enumerate("12", start=1):
            self.page.press(key)
            self.page.until(f"{HEARD} === {count}")
        self.lengths.append(tuple(self.page.evaluate("played.slice(-2).map(sound => sound.duration)")))
        self.choices.append(side)
        self.page.press({"left": "ArrowLeft", "right": "ArrowRight"}[side], "Enter")


@pytest.fixture(scope="module")
def taken(page: Page, study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Listener, Path]:
    """A whole test with seed 7, paused in the middle; and the file that was saved at its end."""
    folder = tmp_path_factory.mktemp("saved")
    path = listening_page(study, folder / "page.html").path
    page.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    page.errors.clear()
    page.requests.clear()
    listener = Listener(page, path, query="?seed=7")
    listener.begin("ann-1")
    listener.answer("left")
    listener.answer("right")
    # A pause by keyboard, and the browser closed: what was answered is still there, and the test goes on.
    page.press(*(["Tab"] * 4))
    while page.evaluate("document.activeElement.dataset.do") != "pause":
        page.press("Tab")
    page.press("Enter")
    assert listener.shown == "paused"
    listener.open()
    assert listener.shown == "paused"
    assert "2 of 5 pairs are done" in page.evaluate("document.getElementById('kept').textContent")
    page.press("Enter")
    assert page.evaluate("document.getElementById('count').textContent") == "Pair 3 of 5"
    for side in ("right", "left", "right"):
        listener.answer(side)
    assert listener.shown == "done"
    page.press("Enter")
    saved, deadline = folder / "listening-ann-1.csv", time.monotonic() + 60
    while not saved.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return listener, saved


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestInABrowser:
    def test_the_saved_file_holds_what_was_heard_and_chosen(self, taken: tuple[Listener, Path], study: Path):
        listener, saved = taken
        rows = rows_of(saved)
        assert tuple(rows[0]) == COLUMNS
        assert [row["choice"] for row in rows] == listener.choices
        assert [row["trial"] for row in rows] == ["1", "2", "3", "4", "5"]
        assert {row["listener"] for row in rows} == {"ann-1"}
        assert {row["seed"] for row in rows} == {"7"}
        pairs = {pair.id: pair for pair in read_pairs(study)[1]}
        assert sorted(row["pair"] for row in rows) == sorted(pairs)
        for row, lengths in zip(rows, listener.lengths, strict=True):
            pair = pairs[row["pair"]]
            assert row["emotion"] == pair.emotion
            # Recording 1 was the one that the file calls left: they are told apart by how long they last.
            assert [LENGTHS[row["left"]], LENGTHS[row["right"]]] == pytest.approx(lengths, abs=1e-3)
            assert {row["left"], row["right"]} == {pair.first.condition, pair.second.condition}
            assert float(row["seconds"]) >= sum(lengths)
            assert (row["plays_left"], row["plays_right"]) == ("1", "1")
            right = "" if not pair.catch else "left" if row["left"] == "right" else "right"
            assert row["catch"] == right

    def test_it_can_be_scored(self, taken: tuple[Listener, Path]):
        rows = [row for row in rows_of(taken[1]) if not row["catch"]]
        (overall,) = preference(taken[1], least_checks=0).overall()
        assert (overall.first, overall.answers) == ("steered", 4)
        assert overall.chosen == sum(row[row["choice"]] == "steered" for row in rows)

    def test_sides_are_balanced_and_neither_network_nor_errors(self, taken: tuple[Listener, Path], page: Page):
        left = [row["left"] for row in rows_of(taken[1]) if not row["catch"]]
        assert sorted(left) == ["steered"] * 2 + ["unsteered"] * 2
        assert page.errors == []
        assert {url.split("?")[0] for url in page.requests if not url.startswith(("data:", "blob:"))} == {
            taken[0].path.resolve().as_uri()
        }

    def test_the_seed_makes_the_order(self, taken: tuple[Listener, Path], page: Page):
        """Two listeners hear other orders, unless they are given the same seed."""

        def first_two(query: str) -> list[tuple[float, float]]:
            listener = Listener(page, taken[0].path, query=query)
            listener.begin("x")
            listener.answer("left")
            listener.answer("left")
            return [tuple(np.round(pair, 3)) for pair in listener.lengths]

        same = first_two("?seed=7&again")
        assert same == [tuple(np.round(pair, 3)) for pair in taken[0].lengths[:2]]
        assert any(first_two(f"?seed={seed}") != same for seed in (1, 2, 3))

    def test_nothing_goes_on_before_both_were_heard_and_one_was_chosen(self, taken: tuple[Listener, Path], page: Page):
        listener = Listener(page, taken[0].path, query="?seed=8")
        page.press("Tab", "Tab", "Tab", "Enter")
        assert listener.shown == "welcome"  # without consent there is no test
        listener.open()
        listener.begin("")
        page.press("Enter")
        assert listener.status == "Listen to both recordings first, to the end."
        page.press("2")
        page.until(f"{HEARD} === 1")
        page.press("ArrowRight", "Enter")
        assert listener.status == "Listen to recording 1 first, to the end."
        listener.open()  # nothing was answered, so the volume comes first again
        page.press(" ")
        page.until("!!document.querySelector('#level .heard')")
        page.press("Enter", "1")
        page.until(f"{HEARD} === 1")
        page.press("2")
        page.until(f"{HEARD} === 2")
        page.press("Enter")
        assert listener.status == "Choose one of the two first."
        page.evaluate("played.length = 0")
        page.press(" ")
        assert page.evaluate("played.length") == 1  # the last one again
        page.press("ArrowRight", "ArrowLeft")
        assert page.evaluate("document.querySelector('input[name=choice]:checked').value") == "0"
        page.press("Enter")
        assert page.evaluate("document.getElementById('progress').value") == 1

    def test_it_can_be_read_aloud_seen_and_used_on_a_phone(self, tmp_path: Path, page: Page):
        study = write_study(tmp_path, checks=0)  # every pair has a source
        path = listening_page(study, tmp_path / "phone.html", source=True, question="How <b>{emotion}</b>?").path
        listener = Listener(page, path, query="?listener=P-9", width=390)
        assert page.evaluate("document.getElementById('name').value") == "P-9"
        page.press("Tab", "Tab", " ", "Tab", "Enter", " ")
        page.until("!!document.querySelector('#level .heard')")
        page.press("Enter")
        assert listener.shown == "trial"
        assert re.fullmatch(r"How <b>(happy|sad)</b>\?", page.evaluate("document.activeElement.textContent"))
        nodes = page.send("Accessibility.getFullAXTree")["nodes"]
        spoken = {(n["role"]["value"], n.get("name", {}).get("value", "").strip()) for n in nodes if not n["ignored"]}
        question = page.evaluate("document.getElementById('question').textContent")
        for named in (
            *(("button", f"Play recording {at}") for at in (1, 2)),
            *(("radio", f"Choose recording {at}") for at in (1, 2)),
            ("radiogroup", question),
            ("progressbar", "Pairs done"),
            ("button", "Next"),
            ("button", "Pause"),
        ):
            assert named in spoken
        reached: list[str] = []
        for _ in range(6):
            page.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.value"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", reached
        assert reached[0].startswith("Play recording 1")
        assert reached[-1].startswith("Next")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.errors == []


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
