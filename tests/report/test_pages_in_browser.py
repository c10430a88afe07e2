"""Pages of single figures in a headless Chromium: everybody can use them, on a phone and in the dark as well."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from accessibility import faults
from headless_browser import CHROMIUM, Page, browser
from planted_listener import planted_set

from esn_interp.analysis.inside.in_time import gates_page
from esn_interp.models.gate_activations import GateActivations
from esn_interp.report.page import figure_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")
LOOKS = [(1400, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as opened:
        yield opened


def looked_at(page: Page, path: Path, width: int, scheme: str) -> None:
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open(path, width=width)
    page.until("document.querySelectorAll('.plot-container').length > 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults(page) == []
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_page_of_a_figure(page: Page, tmp_path: Path, width: int, scheme: str):
    (tmp_path / "map.html").write_text(figure_page(planted_set().plot()), encoding="utf-8")
    looked_at(page, tmp_path / "map.html", width, scheme)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_page_of_gates_in_time(page: Page, tmp_path: Path, width: int, scheme: str):
    rng = np.random.default_rng(0)
    acts = GateActivations(
        layers=(rng.normal(size=(12, 4)).astype(np.float32),),
        tokens=("a", *["<audio>"] * 9, "b", "c"),
        scopes=np.array([1, *[0] * 9, 1, 2]),
        seconds=np.array([np.nan, *np.arange(9) / 9, np.nan, np.nan], dtype=np.float32),
        waveform=rng.normal(scale=0.1, size=16_000).astype(np.float32),
        transcript="nobody told me",
    )
    looked_at(page, gates_page(acts, tmp_path / "gates.html", neurons=[(0, 1)], sound="spectrogram"), width, scheme)
    player, cursor = "document.querySelector('audio')", "document.querySelector('.cursor')"
    page.until(f"{player}.duration > 0.9")
    assert page.evaluate(f"{cursor}.hidden")
    page.evaluate(f"{player}.currentTime = 0.5")
    page.until(f"!{cursor}.hidden")
    left = page.evaluate(f"parseFloat({cursor}.style.left)")
    page.evaluate(f"{player}.currentTime = 0.8")
    page.until(f"parseFloat({cursor}.style.left) > {left}")
