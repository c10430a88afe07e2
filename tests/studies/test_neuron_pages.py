"""A study writes pages of its strongest neurons, and the map of its report leads to them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from headless_browser import CHROMIUM

import esn_interp as esn
from esn_interp.analysis.neuron.result import NeuronPages
from esn_interp.studies.whole import load_study

CONFIG = """
name: a short one
models: [toy-omni]
corpora: [{corpus: toy-studio, limit: 60}]
selectors: [mad]
tops: [0.01]
validation_draws: 0
draws: 0
stages: [collect, select, neuron, report]
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("study")
    (folder / "short.yaml").write_text(CONFIG, encoding="utf-8")
    return esn.study(folder / "short.yaml", folder / "out", progress=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:few clips")
def test_the_map_leads_to_the_pages(done: Any):
    html = (done.folder / "report.html").read_text(encoding="utf-8")
    pages = re.findall(r'data-pages="([^"]+)"', html)
    assert len(pages) == 1
    links: dict[str, str] = json.loads(pages[0].replace("&#34;", '"'))
    found = next(iter(load_study(done.folder).found.values()))
    assert isinstance(found["pages"], NeuronPages)
    best = {emotion: found["neurons"][emotion] for emotion in found["neurons"].emotions}
    strongest = {f"{one.layer[one.score.argmax()]}/{one.in_layer[one.score.argmax()]}" for one in best.values()}
    assert set(links) == strongest
    for place, address in links.items():
        layer, neuron = place.split("/")
        page = (done.folder / address).read_text(encoding="utf-8")
        assert f"Layer {layer}, neuron {neuron}" in page
        assert f'href="{address}"' in html


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_click_on_a_mark_opens_its_page(done: Any):
    from headless_browser import browser

    with browser() as page:
        page.open(done.folder / "report.html", width=1400)
        page.until("document.querySelector('[data-pages] .plot-container')")
        page.evaluate(
            "(() => { const holder = document.querySelector('[data-pages]');"
            " const [layer, neuron] = Object.keys(JSON.parse(holder.dataset.pages))[0].split('/');"
            " holder.emit('plotly_click', {points: [{customdata: [layer, neuron, 0]}]}); })()"
        )
        page.until("location.pathname.includes('/neurons/') && document.readyState === 'complete'")
        page.until("document.querySelectorAll('.js-plotly-plot').length > 3")
        players = "[...document.querySelectorAll('audio')]"
        page.until(f"{players}.every((one) => one.duration > 0.3)")
        page.evaluate(f"{players}[0].currentTime = 0.3")
        page.until("[...document.querySelectorAll('.cursor')].some((one) => !one.hidden)")
        assert page.errors == []
        assert [one for one in page.requests if not one.startswith(("file:", "data:"))] == []


def test_a_study_that_is_not_asked_to_writes_none(tmp_path: Path):
    from esn_interp.studies.recognition.config import STAGES

    assert "neuron" not in STAGES
