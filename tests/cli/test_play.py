"""`esn play`: where the page is, and who opens it."""

import webbrowser
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import esn

from esn_interp.errors import AudioError, EsnError
from esn_interp.playground import opening, server
from esn_interp.playground.bench import Bench, Heard
from esn_interp.playground.lesson import lesson
from esn_interp.playground.server import _told, application

ADDRESS = "http://127.0.0.1:7860/"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was sent to; nothing is served."""
    seen: list[str] = []
    bench = SimpleNamespace(lm=SimpleNamespace(n_gates=5), found_on=None, neuron_page=None)
    monkeypatch.setattr(opening, "open_bench", lambda *given, **options: bench)

    def serve(*given: Any, port: int, ready: Callable[[str], None]) -> None:
        ready(ADDRESS)

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(server, "application", lambda *given: seen.append("made ready"))
    monkeypatch.setattr(webbrowser, "open", seen.append)
    return seen


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("words", "seen", "told"),
    [
        ((), [ADDRESS], f"The playground is at {ADDRESS} (Ctrl-C ends it)"),
        (("--no-browser",), [], f"The playground is at {ADDRESS} (Ctrl-C ends it)"),
        (("--dry-run",), ["made ready"], "Everything is ready."),
    ],
)
def test_the_address_is_told_and_opened(opened: list[str], words: tuple[str, ...], seen: list[str], told: str):
    done = esn("play", "--quiet", *words)
    assert (done.code, done.out.strip()) == (0, told)
    assert opened == seen


@pytest.mark.usefixtures("unchecked")
def test_without_gradio_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    with pytest.raises(EsnError, match=r"the playground needs gradio: pip install 'esn-interp\[play\]'"):
        application(None, None, None)  # pyright: ignore[reportArgumentType]


def test_a_page_that_can_not_be_made_says_why():
    def fails() -> str:
        raise EsnError("no neuron <9>")

    def answer(html: str, code: int = 200) -> tuple[str, int]:
        return html, code

    assert _told(answer, lambda: "<p>here</p>") == ("<p>here</p>", 200)
    html, code = _told(answer, fails)
    assert (code, "no neuron &lt;9&gt;" in html) == (404, True)


@pytest.mark.usefixtures("unchecked")
def test_own_recordings_and_clips_of_others_in_the_python_that_is_told():
    held = SimpleNamespace(column=lambda name: ["a", "b"])
    bench: Any = SimpleNamespace(clips=held, lesson=SimpleNamespace(column=lambda name: ["c"]))
    clip: Any = object()
    assert Bench._source(bench, Heard("mine", None, None, None, None)) == '"your_recording.wav"'
    assert Bench._source(bench, Heard("b", None, None, None, clip)) == "evaluation[1]"
    assert Bench._source(bench, Heard("c", None, None, None, clip)) == "validation[0]"
    with pytest.raises(EsnError, match="z is none of the clips"):
        Bench._source(bench, Heard("z", None, None, None, clip))
    with pytest.raises(AudioError, match="mine: there is no sound"):
        Bench._hear(bench, "mine", [], None)


@pytest.mark.usefixtures("unchecked")
def test_few_recordings_are_remembered_the_last_ones(monkeypatch: pytest.MonkeyPatch):
    from collections import OrderedDict

    from esn_interp.playground import bench as module

    monkeypatch.setattr(module, "_REMEMBERED", 2)
    bench: Any = SimpleNamespace(_known=OrderedDict())
    heard: list[str] = []
    for name in ("a", "b", "a", "c", "b", "a"):
        assert Bench._remembered(bench, name, lambda name=name: (heard.append(name), name)[1]) == name
    assert heard == ["a", "b", "c", "b", "a"]  # a is there when it comes again, and gives way to b and c


@pytest.mark.usefixtures("unchecked")
def test_where_no_clip_can_be_turned_there_is_no_lesson():
    class Stubborn:
        emotions = ("neutral", "happy")
        turning_clip = staticmethod(lambda target: None)

    with pytest.raises(EsnError, match="no clip was turned by the neurons of another emotion"):
        lesson(Stubborn())  # pyright: ignore[reportArgumentType]
