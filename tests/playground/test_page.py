"""The page in a headless Chromium: the slider changes the answer, a click opens a neuron, nothing else is asked."""

import os
import re
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
from esn_interp.playground.lesson import lesson
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


# Nothing while the frame is still loading.
DRAWN = "document.querySelector('iframe.esn-map')?.contentDocument?.querySelector('.plotly-graph-div')"
COPIED = "navigator.clipboard.writeText = (text) => (window.copied = text, Promise.resolve())"


def open_tab(page: Page, name: str) -> None:
    page.evaluate(
        f"[...document.querySelectorAll('button[role=tab]')].find((one) => one.textContent.includes({name!r})).click()"
    )


def visit(page: Page, address: str, *, width: int = 1400, scheme: str = "light") -> None:
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.visit(address, width=width)
    page.until(f"{SAID} !== '' && document.querySelector('iframe.esn-map') !== null")


def test_the_page_at_both_widths_light_and_dark(address: str):
    with browser() as page:
        for width, scheme in ((1400, "light"), (1400, "dark"), (390, "dark"), (390, "light")):
            visit(page, address, width=width, scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.until("[...document.querySelectorAll('figure audio')].every((one) => one.duration > 0.3)")
            assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
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


def test_the_lesson_turns_a_clip_and_leaves_its_python_to_be_copied(address: str, bench: Bench):
    taught = lesson(bench)
    heard = bench.hear_clip(taught.clip)
    with browser() as page:
        visit(page, address)
        open_tab(page, "Lesson")
        page.until("document.querySelector('#esn-step-1') !== null")
        for at, step in enumerate(taught.steps, start=1):
            page.evaluate(f"document.querySelector('#esn-step-{at}').click()")
            page.until(f"document.body.textContent.includes('{at} of 5: {step.title}')")
            page.until(f"{SAID} === {bench.answer(heard, step.settings).summary()!r}")
            alpha = page.evaluate("Number(document.querySelector('#esn-alpha input[type=number]').value)")
            assert alpha == step.settings.alpha
        page.evaluate("document.querySelector('#esn-step-4').click()")
        page.until(f"{SAID}.includes('turns')")
        # The map was drawn anew while its tab was closed, where it had no size.
        open_tab(page, "Map")
        page.until(f"{DRAWN}?.clientWidth > 500 && {DRAWN}?._fullLayout?.width === {DRAWN}?.clientWidth")
        # The editor is made when its tab is opened, and draws a line as an element of its own.
        open_tab(page, "Python")
        lines = "[...document.querySelectorAll('#esn-code .cm-line')].map((line) => line.textContent)"
        page.until(f"{lines}.some((line) => line.startsWith('with lm.steered'))")
        told = bench.code(heard, taught.steps[3].settings)
        assert page.evaluate(lines) == told.rstrip("\n").split("\n")
        assert faults(page) == []
        page.evaluate(COPIED)
        page.evaluate("document.querySelector('#esn-code :is(button[aria-label=Copy], button[title=Copy])').click()")
        page.until("window.copied !== undefined")
        assert page.evaluate("window.copied").strip() == told.strip()
        assert page.errors == []


def test_the_map_opens_a_neuron(address: str, bench: Bench):
    with browser() as page:
        visit(page, address)
        map_of = page.evaluate("document.querySelector('iframe.esn-map').getAttribute('src')")
        page.visit(address.rstrip("/") + map_of, width=1000)
        page.until("document.querySelector('.plotly-graph-div')?._fullData !== undefined")
        page.evaluate("window.open = (url) => (window.opened = url), 0")
        page.click(".scatterlayer .point")
        page.until("window.opened !== undefined")
        opened = page.evaluate("window.opened")
        layer, neuron = map(int, re.fullmatch(r"/neuron/(\d+)/(\d+)", opened).groups())
        assert neuron in bench.neurons("mad", 0.02).in_layer[bench.neurons("mad", 0.02).layer == layer]
        page.visit(address.rstrip("/") + opened, width=1000)
        assert f"layer {layer}, neuron {neuron}" in page.evaluate("document.body.textContent").lower()


def test_other_hosts_are_not_answered(address: str):
    with pytest.raises(OSError, match="400"):
        urlopen(Request(address, headers={"Host": "example.org"}))


def test_what_is_written_is_gone_afterwards():
    with nothing_kept() as folder:
        assert os.environ["GRADIO_TEMP_DIR"] == folder
        (Path(folder) / "recording.wav").write_bytes(b"sound")
    assert not Path(folder).exists()
    assert os.environ.get("GRADIO_TEMP_DIR") != folder
