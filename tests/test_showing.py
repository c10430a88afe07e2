"""Everything shows itself: in a line of text, and in a notebook as a player or a small table."""

import re
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
from planted_listener import PlantedListener, planted_clips, planted_set

import esn_interp as esn
from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.result import Result
from esn_interp.drawing.notebook import MOST
from esn_interp.neurons.layout import SCOPES
from esn_interp.speech.playable import Speech
from esn_interp.speech.showing import opus
from esn_interp.tasks.conversion_record import Conversion, ConversionRun


class Parts(HTMLParser):
    """The tags of a piece of HTML with their attributes, and its text; every tag must be closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def conversion(**changes) -> Conversion:
    told = {"clip": "a/1", "speaker": "a", "source_emotion": "sad", "target": "angry"}
    told |= {"transcript": "go", "text": "go <on>"}
    return Conversion(**told | {"waveform": np.ones(8000, np.float32) / 9, "rate": 16_000, "seed": 3} | changes)


@pytest.fixture(scope="module")
def shown() -> dict[str, object]:
    clips = esn.corpus("toy-studio")
    planted = planted_set()
    silent = conversion(target="sad", waveform=np.zeros(0, np.float32))
    run = ConversionRun((conversion(), silent), ("angry", "sad"), {})
    heard = planted_clips(speakers=6)
    return {
        "clip": clips[0],
        "clips": clips,
        "neurons": planted,
        "statistics": statistics(),
        "result": ablation(PlantedListener(), heard, planted, draws=1, progress=False),
        "speech": Speech(np.ones(8000, np.float32) / 9, 16_000, "go"),
        "conversion": conversion(),
        "run": run,
    }


def statistics() -> esn.GateStatistics:
    from esn_interp.neurons.layout import sum_types

    origin, emotions = planted_set().origin, ("angry", "sad")
    return esn.GateStatistics(
        origin=origin,
        emotions=emotions,
        prompt="How?",
        clips=np.array([3, 2, 1, 0]),
        tokens={scope: np.array([30, 20, 10, 0]) for scope in SCOPES},
        sums={
            name: np.zeros((4, origin.n_gates), dtype) for name, dtype in sum_types(SCOPES, mixture=False).items()
        },
    )


NAMES = ("clip", "clips", "neurons", "statistics", "result", "speech", "conversion", "run")


@pytest.mark.parametrize("name", NAMES)
def test_text_is_one_line(shown, name):
    text = repr(shown[name])
    assert "\n" not in text
    assert type(shown[name]).__name__ in text
    assert 20 < len(text) < 260


def test_every_result_keeps_the_line_of_text():
    for module in (Path(esn.__file__).parent / "analysis").glob("*/*result.py"):
        import_module(f"esn_interp.analysis.{module.parent.name}.{module.stem}")

    def below(kind: type[Result]):
        return [kind, *(further for one in kind.__subclasses__() for further in below(one))]

    assert len(below(Result)) > 20
    assert all(kind.__repr__ is Result.__repr__ for kind in below(Result))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_it_in_its_own_colours(shown, name):
    html = shown[name]._repr_html_()
    parts = Parts(html)
    assert parts.of("audio") or parts.of("table")
    # light or dark, the notebook chooses: nothing sets a colour of its own but lines, which are half transparent
    assert set(re.findall(r"(?:background|color): ([^;'\"]+)", html)) <= {"none", "inherit"}
    assert "rgba(128, 128, 128, 0.4)" in html or not parts.of("table")


def test_players_say_what_is_played(shown):
    (player,) = Parts(shown["clip"]._repr_html_()).of("audio")
    clip = shown["clip"]
    assert player["aria-label"] == f"{clip.emotion}, {clip.speaker}: “{clip.transcript}”"
    assert player["src"].startswith("data:audio/ogg;base64,")
    assert "go <on>" in Parts(shown["conversion"]._repr_html_()).text


def test_opus_is_the_sound(tmp_path):
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
    (tmp_path / "tone.ogg").write_bytes(opus(tone))
    assert (tmp_path / "tone.ogg").stat().st_size < 16_000
    sound, rate = soundfile.read(tmp_path / "tone.ogg")
    assert abs(len(sound) / rate - 1) < 0.02
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) * rate / len(sound) == pytest.approx(440, abs=2)


def test_tables_tell_their_numbers_and_their_sentence(shown):
    result = shown["result"]
    parts = Parts(result._repr_html_())
    assert result.summary() in parts.text
    assert len(parts.of("tr")) == 1 + min(MOST, len(result.to_frame()))
    assert f"{len(result.to_frame()) - MOST} rows more: to_frame()" in parts.text
    kept = Parts(shown["statistics"]._repr_html_()).text
    assert "angry3475 %" in kept
    assert "6 clips, of which 5 are labelled correctly" in kept


def test_nothing_of_an_array_is_printed(shown):
    assert "array(" not in "".join(map(repr, shown.values()))
