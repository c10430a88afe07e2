"""Figures for a page or a paper: size, size of all text, without a title, in greys; and as files."""

import re
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import plotly.graph_objects as go
import pytest
from headless_browser import CHROMIUM
from planted_listener import EMOTIONS, PlantedListener, planted_clips, planted_set

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.drawing import shown
from esn_interp.drawing.look import looking
from esn_interp.drawing.shown import Figure, still, write_still
from esn_interp.drawing.theme import TEMPLATE, dress
from esn_interp.errors import EsnError

STILLS = pytest.mark.skipif(
    find_spec("kaleido") is None or CHROMIUM is None, reason="still pictures need kaleido and a Chromium"
)


@pytest.fixture(scope="module")
def ablated() -> Ablation:
    return ablation(PlantedListener(), planted_clips(speakers=6), planted_set(), draws=2, progress=False)


def sizes(value, found=()) -> list[float]:
    """Every size of a font in a figure, wherever it stands."""
    if isinstance(value, dict):
        own = [value["size"]] if set(value) <= {"size", "color", "family"} and "size" in value else []
        return own + [size for item in value.values() for size in sizes(item)]
    if isinstance(value, list | tuple):
        return [size for item in value for size in sizes(item)]
    return []


def test_without_a_wish_a_figure_is_as_it_is_drawn(ablated):
    figure = ablated.plot()
    assert isinstance(figure, Figure)
    assert figure.layout.template == TEMPLATE
    assert "sendChartToCloud" in figure.layout.template.layout.modebar.remove


def test_all_text_is_scaled_alike(ablated):
    before, after = ablated.plot(), ablated.plot(font_size=26)
    large, small = (sizes(figure.to_plotly_json()) for figure in (after, before))
    assert len(small) >= 8
    assert large == [2 * size for size in small]
    assert after.layout.template.layout.font.size == 26
    assert "font-size:26px" in after.layout.title.text
    assert after.layout.height > before.layout.height
    plotting = [f.layout.height - f.layout.margin.t - f.layout.margin.b for f in (before, after)]
    assert plotting[0] == pytest.approx(plotting[1])


def test_size_and_title(ablated):
    figure = ablated.plot(width=336, height=400, title=False)
    assert (figure.layout.width, figure.layout.height) == (336, 400)
    assert figure.layout.title.text is None
    assert figure.layout.margin.t < ablated.plot().layout.margin.t
    panels, before = ([note.text for note in one.layout.annotations] for one in (figure, ablated.plot()))
    assert panels == before


def test_a_set_is_drawn_in_any_look_too():
    figure = planted_set().plot(width=500, greyscale=True)
    assert figure.layout.width == 500
    levels = [trace.marker.color for trace in figure.data if isinstance(trace, go.Scatter)]
    assert len(set(levels)) == len(EMOTIONS)
    assert all(color[1:3] == color[3:5] == color[5:7] for color in levels)


def test_no_colour_is_left_in_greys(ablated):
    figure = ablated.plot(greyscale=True)
    scale = figure.data[0].colorscale
    assert [color for _, color in scale] == ["#f5f5f5", "#262626"]
    colors = re.findall(r"#[0-9a-f]{6}", figure.to_json())
    assert len(colors) > 10
    assert all(color[1:3] == color[3:5] == color[5:7] for color in colors)
    assert [figure.data[0].zmin, figure.data[0].zmax] == [ablated.plot().data[0].zmin, ablated.plot().data[0].zmax]


def test_greys_of_lines_stand_apart():
    figure = go.Figure([go.Scatter(y=[1, 2], line={"color": color}) for color in ("#c18402", "#b85100", "#0594ff")])
    greys = [trace.line.color for trace in looking(dress(figure, "a", "b", height=100), greyscale=True).data]
    levels = sorted(int(color[1:3], 16) for color in greys)
    assert levels == [0, 71, 142]


@pytest.mark.parametrize("wish", [{"width": 0}, {"height": -3}, {"font_size": 0}])
def test_a_size_that_is_none_is_refused(ablated, wish):
    with pytest.raises(EsnError, match=next(iter(wish))):
        ablated.plot(**wish)


def test_other_formats_are_refused():
    with pytest.raises(EsnError, match=r"\.doc; choose \.html, \.pdf"):
        still(go.Figure(), "doc")


def test_without_kaleido_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setattr(shown, "find_spec", lambda name: None)
    with pytest.raises(EsnError, match=r"esn-interp\[figures\]"):
        still(go.Figure(), "pdf")


@STILLS
@pytest.mark.slow
def test_stills_are_files_of_their_kind(ablated, tmp_path):
    figure = ablated.plot(width=336, height=300, font_size=9, title=False)
    for form, start in {"pdf": b"%PDF", "svg": b"<svg", "png": b"\x89PNG"}.items():
        write_still(figure, tmp_path / f"figure.{form}")
        assert (tmp_path / f"figure.{form}").read_bytes().startswith(start)
    assert b'width="336" height="300"' in (tmp_path / "figure.svg").read_bytes()


def test_a_notebook_without_nbformat_shows_figures():
    script = (
        "import sys; sys.modules['nbformat'] = None\n"
        "import plotly.io as pio; pio.renderers.default = 'plotly_mimetype'\n"
        "import esn_interp.drawing.shown as shown; shown.find_spec = lambda name: None\n"
        "import IPython.display; IPython.display.display = lambda bundle, raw: print(sorted(bundle))\n"
        "shown.Figure(data=[{'y': [1, 2]}])._ipython_display_()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['application/vnd.plotly.v1+json', 'text/plain']"


@pytest.mark.parametrize("can_draw", [True, False])
def test_a_notebook_shows_a_figure_with_a_picture_where_one_can_be_made(monkeypatch, can_draw):
    def still(figure: go.Figure, form: str, *, scale: float) -> bytes:
        if not can_draw:
            raise EsnError("no Chromium")
        return b"picture"

    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(shown, "find_spec", lambda name: True)
    monkeypatch.setattr(shown, "still", still)
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: seen.append(bundle))
    figure = Figure(data=[{"y": [1, 2]}], layout={"title": {"text": "Recall<br>by dose"}})
    monkeypatch.setattr(Figure, "_repr_mimebundle_", lambda self: {"live": {}})
    figure._ipython_display_()
    picture = {"image/png": b"picture"} if can_draw else {}
    assert seen == [{"live": {}, "text/plain": "Figure('Recall', 1 traces)"} | picture]


def test_what_a_browser_says_is_told_in_a_line(monkeypatch):
    class Broken:
        @staticmethod
        def calc_fig_sync(*given: Any, **options: Any) -> bytes:
            raise RuntimeError("no Chrome\nin many lines")

    monkeypatch.setattr(shown, "find_spec", lambda name: True)
    monkeypatch.setattr(shown, "_started", Broken)
    with pytest.raises(EsnError, match=r"the figure was not drawn as \.png: no Chrome; kaleido needs Chrome"):
        still(go.Figure(), "png")
