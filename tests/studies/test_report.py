"""The report: one page that needs nothing else, says what the numbers say, and works in a browser."""

import json
import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from accessibility import faults
from headless_browser import CHROMIUM, Page, browser
from planted_demo import study
from planted_listener import EMOTIONS

from esn_interp.drawing.numbers import percent, points
from esn_interp.errors import EsnError
from esn_interp.files import write_json
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.report.page import prose
from esn_interp.studies.recognition.article import wording
from esn_interp.studies.recognition.article.captions import captions
from esn_interp.studies.recognition.article.tables import describe, tables
from esn_interp.studies.whole import report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("study")).folder


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def content(folder: Path) -> dict[str, Any]:
    return deepcopy(json.loads((folder / "results.json").read_text(encoding="utf-8")))


class Reader(HTMLParser):
    """What a page links to, and its text without scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.labels: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [str(found[name]) for name in ("src", "href") if name in found]
        if tag in ("audio", "table") or found.get("role") == "img":
            self.labels.append(found.get("aria-label") or found.get("aria-labelledby"))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data


def test_the_page_links_to_nothing_outside_itself(html: str):
    links = Reader(html).links
    assert len([link for link in links if link.startswith("data:audio/wav;base64,")]) == len(EMOTIONS)
    assert all(link.startswith("data:") for link in links)


def test_plotly_is_there_exactly_once(html: str):
    assert len(re.findall(r"plotly\.js v\d", html)) == 1
    assert html.count("<script>") == 2  # plotly, and what draws the figures
    assert len(re.findall(r'<script type="application/json" id="data-\w+">', html)) == 3


def test_whatever_shows_or_sounds_has_a_label(html: str):
    labels = Reader(html).labels
    assert len(labels) > 20
    assert all(labels)


def test_the_page_says_what_the_results_say(html: str, content: dict[str, Any]):
    text = " ".join(Reader(html).text.split())
    assert "Which neurons make planted hear emotion?" in text
    assert "50 of 50 identification clips passed this filter" in text
    assert content["settings"]["prompt"] in text
    assert content["model"]["fingerprint"] in text
    assert content["corpus"]["fingerprint"] in text
    assert "100.0 points" in text
    assert "esn collect --model Qwen/Qwen2.5-Omni-7B" in text
    for emotion in EMOTIONS:
        assert f"{emotion} neurons silenced" in text


def test_figures_are_those_of_the_saved_results(html: str, folder: Path):
    found = re.findall(
        r'<script type="application/json" id="data-(\w+)">(.*?)</script>', html, flags=re.DOTALL
    )
    figures = {name: json.loads(data) for name, data in found}
    expected = json.loads(NeuronSet.load(folder / "esns.safetensors").plot().to_json())
    assert figures["map"]["data"] == expected["data"]
    assert set(figures) == {"map", "ablation", "dose"}


def test_it_is_rebuilt_from_its_files(html: str, folder: Path, tmp_path: Path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "report.html").unlink()
    assert report(copy).read_text(encoding="utf-8") == html


@pytest.mark.parametrize(
    "missing", ["results.json", "esns.safetensors", "ablation.json", "dose.json", "clips/sad.wav"]
)
def test_a_missing_file_is_named(missing: str, folder: Path, tmp_path: Path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / missing).unlink()
    with pytest.raises(EsnError, match=re.escape(Path(missing).name)):
        report(copy)


def test_results_of_another_version_are_refused(folder: Path, tmp_path: Path, content: dict[str, Any]):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    write_json(copy / "results.json", content | {"version": 99})
    with pytest.raises(EsnError, match="version 99"):
        report(copy)


def test_names_cannot_break_the_page(folder: Path, tmp_path: Path, content: dict[str, Any]):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    content["model"]["name"] = "<script>alert('model')</script>"
    content["examples"]["clips"][0]["transcript"] = 'a "quoted" </p> & more'
    write_json(copy / "results.json", content)
    html = report(copy).read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "a &#34;quoted&#34; &lt;/p&gt; &amp; more" in html
    assert str(prose("`a<b` 5 % at α = 4")) == "<code>a&lt;b</code> 5\xa0% at α\xa0=\xa04"


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0 %"), (0.004, "0.4 %"), (0.0996, "10 %"), (0.505, "50 %"), (1.0, "100 %"), (None, "–")],
)
def test_percentages(share: float | None, shown: str):
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("change", "shown"),
    [(-0.2345, "−23.4 points"), (0.05, "+5.0 points"), (-0.0001, "0.0 points"), (None, "–")],
)
def test_changes(change: float | None, shown: str):
    assert points(change) == shown


class TestClaims:
    """A sentence must turn round when its number does."""

    @pytest.mark.parametrize(
        ("interval", "verdict"),
        [
            ([-0.3, -0.1], "lies below 0"),
            ([-0.3, 0.1], "The interval does not exclude 0"),
            ([0.1, 0.3], "The interval lies above 0"),
            ([None, None], "The interval does not exclude 0"),
        ],
    )
    def test_specificity(self, content: dict[str, Any], interval: list[float | None], verdict: str):
        content["summary"]["specificity_ci"] = interval
        assert verdict in wording.silence_sentence(content)

    @pytest.mark.parametrize(
        ("drops", "verdict"),
        [
            ((0.01, 0.02), "Neither suffers by more than 5 points"),
            ((0.2, 0.02), "transcripts suffer by more than 5 points"),
            ((0.2, 0.3), "transcripts and the speaker’s sex suffer"),
        ],
    )
    def test_cost(self, content: dict[str, Any], drops: tuple[float, float], verdict: str):
        content["summary"]["transcription_drop"], content["summary"]["sex_drop"] = drops
        assert verdict in wording.cost_sentence(content)

    @pytest.mark.parametrize(
        ("flips", "rho", "verdict"),
        [
            ([0.0, 0.2, 0.6], 1.0, "never falls as α grows (Spearman 1.00)"),
            ([0.0, 0.6, 0.2], 0.5, "does not grow steadily with α (Spearman 0.50)"),
            ([0.1, 0.2, 0.199], 0.95, "grows with α nearly throughout"),
            ([0.1, 0.1, 0.1], None, "is the same at every α"),
        ],
    )
    def test_trend(self, content: dict[str, Any], flips: list[float], rho: float | None, verdict: str):
        content["steering"]["mean_flip"], content["summary"]["steer_spearman"] = flips, rho
        assert verdict in wording.steer_sentence(content)

    def test_no_gain_that_helps(self, content: dict[str, Any]):
        content["settings"]["alpha"] = 0.0
        assert "moved no further clips" in wording.lede(content)

    @pytest.mark.parametrize(
        ("highs", "verdict"),
        [
            ([-0.1] * 5, "Every emotion loses recall"),
            ([-0.1, -0.1, 0.1, 0.1, None], "Neutral and happy lose recall"),
            ([0.1] * 5, "No emotion loses recall"),
        ],
    )
    def test_ablation_caption(self, folder: Path, content: dict[str, Any], highs: list[float], verdict: str):
        for row, high in zip(content["ablation"]["emotions"], highs, strict=True):
            row["self_high"] = high
        neurons = NeuronSet.load(folder / "esns.safetensors")
        assert verdict in captions(content, neurons)["ablation"]["shows"]

    def test_map_caption(self, folder: Path, content: dict[str, Any]):
        neurons = NeuronSet.load(folder / "esns.safetensors")
        assert "spread almost evenly" in captions(content, neurons)["map"]["shows"]
        assert "No neuron serves two emotions." in captions(content, neurons)["map"]["shows"]
        low, high = (neurons.indices(emotion) for emotion in ("happy", "sad"))
        first = neurons.origin.widths[0]
        crowded = NeuronSet.from_indices(neurons.origin, {"happy": low[low < first], "sad": low[low < first]})
        assert len(high) > 0
        text = captions(content, crowded)["map"]["shows"]
        assert "Layer 0 holds 100 % of them, where an even spread would give 44 %." in text
        assert "2 neurons of 2 serve more than one emotion." in text

    def test_tables_mark_the_chosen_setting_and_keep_unknown_numbers_open(self, content: dict[str, Any]):
        content["ablation"]["emotions"][0] |= {"self_low": None, "self_high": None, "p": None}
        rows = tables(content)
        assert [row["chosen"] for row in rows["tried"]].count(True) == 1
        chosen = next(row for row in rows["tried"] if row["chosen"])
        assert chosen["top"] == percent(content["settings"]["top"])
        assert (rows["silenced"][0]["interval"], rows["silenced"][0]["p"]) == ("–", "–")

    def test_the_terminal_gets_the_same_numbers(self, content: dict[str, Any]):
        text = describe(content)
        assert "own emotion −100.0 points" in text
        assert "UAR 100 %" in text


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium at hand (chromium, chromium-browser or google-chrome on the path)")
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_it_works_in_a_browser(width: int, scheme: str, page: Page, folder: Path):
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open(folder / "report.html", width=width)
    page.until("document.querySelectorAll('[data-figure] svg.main-svg').length >= 3")
    drawn = (
        "[...document.querySelectorAll('[data-figure]')].map(f => f.querySelectorAll('.trace, .hm').length)"
    )
    assert min(page.evaluate(drawn)) > 0
    page.until("[...document.querySelectorAll('audio')].every(clip => clip.readyState >= 1)")
    durations = page.evaluate("[...document.querySelectorAll('audio')].map(clip => clip.duration)")
    assert len(durations) == len(EMOTIONS)
    assert min(durations) > 0.1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults(page) == []
    assert page.errors == []
    assert {url for url in page.requests if not url.startswith(("data:", "blob:"))} == {
        (folder / "report.html").resolve().as_uri()
    }


def test_one_player_stops_the_others(page: Page, folder: Path):
    page.open(folder / "report.html", width=1400)
    page.evaluate("window.clips = [...document.querySelectorAll('audio')]")
    page.evaluate("clips.forEach(clip => { clip.loop = true })")
    page.evaluate("clips[0].play()")
    page.evaluate("clips[1].play()")
    page.until("clips[0].paused && !clips[1].paused")
