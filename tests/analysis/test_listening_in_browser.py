"""A listening test taken in a browser, with nothing but a keyboard."""

import csv
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from headless_browser import CHROMIUM, Page, browser
from listening_study import LENGTHS, write_study

from esn_interp.analysis.listening.answers import COLUMNS
from esn_interp.analysis.listening.measure import preference
from esn_interp.analysis.listening.page import listening_page
from esn_interp.analysis.listening.pairs import read_pairs


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


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


