"""The built docs in a headless Chromium; `make docs` builds them, and where nobody did there is nothing to look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from accessibility import faults
from headless_browser import CHROMIUM, Page, browser

HTML = Path(__file__).resolve().parents[1] / "docs" / "_build" / "html"
PAGES = ["index", "method", "gallery"]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or not all((HTML / f"{name}.html").is_file() for name in PAGES), reason="make docs builds them"
)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_a_page_can_be_used_by_everybody(page: Page, name: str, width: int, scheme: str):
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open(HTML / f"{name}.html", width=width)
    if name != "method":
        page.until("[...document.querySelectorAll('.figure')].every((one) => one.querySelector('.plot-container'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.until("[...document.querySelectorAll('audio')].every((one) => one.duration > 0.3)")
    assert faults(page) == []
    assert page.errors == []


def test_the_front_page_shows_a_figure_a_clip_and_three_doors(page: Page):
    page.open(HTML / "index.html", width=1400)
    counts = "['.figure .plot-container', 'audio', '.door'].map((one) => document.querySelectorAll(one).length)"
    page.until("document.querySelector('.figure .plot-container') !== null")
    assert page.evaluate(counts) == [1, 1, 3]
