"""The page in a headless Chromium: the slider changes the answer, a click opens a neuron, nothing else is asked."""

import os
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from accessibility import faults
from headless_browser import CHROMIUM, PATIENCE, Page, browser

import esn_interp as esn
from esn_interp.playground.bench import Bench
from esn_interp.playground.server import nothing_kept, serve
from esn_interp.playground.voice import Voice

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("gradio") is None or CHROMIUM is None, reason="needs gradio and a Chromium"),
    pytest.mark.filterwarnings("ignore"),  # gradio's own
]
SAID = "(document.querySelector('#esn-answer')?.textContent ?? '')"


@pytest.fixture(scope="module")
def address(bench: Bench) -> str:
    """A server on a free port; it ends with the process."""
    told: list[str] = []
    _, identification, _ = esn.corpus("toy-studio").split()
    voice = Voice("toy-omni", identification)
    options = {"port": 0, "ready": told.append}
    threading.Thread(target=serve, args=(bench, voice, bench.neuron_page), kwargs=options, daemon=True).start()
    deadline = time.monotonic() + PATIENCE
    while not told:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.05)
    return told[0]


def visit(page: Page, address: str, *, width: int = 1400) -> None:
    page.visit(address, width=width)
    page.until(f"{SAID} !== '' && document.querySelector('iframe.esn-map') !== null")


def test_the_page_at_both_widths(address: str):
    with browser() as page:
        for width in (1400, 390):
            visit(page, address, width=width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.until("[...document.querySelectorAll('figure audio')].every((one) => one.duration > 0.3)")
        assert faults(page) == []
        assert page.errors == []
        asked = [url for url in page.requests if not url.startswith((address, "data:", "blob:", "about:"))]
        assert asked == []  # nobody but this machine


def test_the_slider_changes_the_answer_by_keyboard(address: str):
    with browser() as page:
        visit(page, address)
        before = page.evaluate("document.querySelector('.esn-answer').textContent")
        page.evaluate("document.querySelector('#esn-alpha input[type=range]').focus()")
        page.press(*["ArrowRight"] * 12)
        page.until(f"document.querySelector('.esn-answer').textContent !== {before!r}")


def test_the_lesson_turns_a_clip_and_the_map_opens_a_neuron(address: str):
    with browser() as page:
        visit(page, address)
        tab = "[...document.querySelectorAll('button[role=tab]')].find((one) => one.textContent.includes('Lesson'))"
        page.evaluate(f"{tab}.click()")
        page.until("document.querySelector('#esn-step-4') !== null")
        page.evaluate("document.querySelector('#esn-step-4').click()")
        page.until(f"{SAID}.includes('turns')")
        map_of = page.evaluate("document.querySelector('iframe.esn-map').getAttribute('src')")
        page.visit(address.rstrip("/") + map_of, width=1000)
        page.until("document.querySelector('.plotly-graph-div')?._fullData !== undefined")
        page.evaluate(
            "window.open = (url) => (window.opened = url),"
            "document.querySelector('.plotly-graph-div').emit('plotly_click',"
            " {points: [{x: 7, y: 2.31, data: {type: 'scatter'}}]})"
        )
        assert page.evaluate("window.opened") == "/neuron/2/7"
        page.visit(f"{address}neuron/2/7", width=1000)
        assert "neuron 7" in page.evaluate("document.body.textContent").lower()


def test_other_hosts_are_not_answered(address: str):
    with pytest.raises(OSError, match="400"):
        urlopen(Request(address, headers={"Host": "example.org"}))


def test_what_is_written_is_gone_afterwards():
    with nothing_kept() as folder:
        assert os.environ["GRADIO_TEMP_DIR"] == folder
        (Path(folder) / "recording.wav").write_bytes(b"sound")
    assert not Path(folder).exists()
    assert os.environ.get("GRADIO_TEMP_DIR") != folder
