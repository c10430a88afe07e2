"""What was measured of smol-audio, read off ``docs/results/smol-audio`` when the docs are built: figures and tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from from_code import _table
from plotly.subplots import make_subplots

from esn_interp.drawing.theme import CONTROL, DASHES, INK, SERIES, SYMBOLS, dress

RESULTS = Path(__file__).parents[1] / "results" / "smol-audio"
SIZES = ("0.005", "0.01", "0.02")
"""Shares of all gates, an emotion, at which neurons were silenced and turned up beside those of permuted labels."""

_SILENCED = ("own", "others", "random", "contrast")
_KINDS = {"own": "own emotion", "others": "other emotions", "random": "own, random gates"}


def result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def reading_figure() -> go.Figure:
    from esn_interp.analysis.reading.result import Reading

    return Reading.load(RESULTS / "reading.json").plot()


def null_figure() -> go.Figure:
    """Silencing, with what neurons do that were selected by permuted labels."""
    from esn_interp.analysis.ablation.result import Ablation

    return Ablation.load(RESULTS / f"silenced-{SIZES[0]}.json").plot()


def sizes() -> str:
    """Neurons silenced and turned up, beside those that permuted labels select, size by size."""
    from esn_interp.analysis.ablation.result import Ablation
    from esn_interp.analysis.dose.result import DoseResponse

    rows: list[list[str]] = []
    for size in SIZES:
        silenced = Ablation.load(RESULTS / f"silenced-{size}.json")
        up = DoseResponse.load(RESULTS / f"turned-up-{size}.json")
        lost, flips = silenced.specificity_null, up.flip_null
        assert lost is not None
        assert flips is not None
        rows.append(
            [
                f"{100 * float(size):g} %",
                _points(silenced.specificity),
                _permuted(lost),
                f"{lost.omnibus_p:.2f}",
                f"{100 * flips.omnibus:.1f}",
                f"{100 * up.random_flip.mean[-1]:.1f}",
                _permuted(flips),
                f"{flips.omnibus_p:.2f}",
            ]
        )
    head = ["size", "silenced: own minus others", "by permuted labels", "p"]
    return _table([*head, "turned up by 4: flips, %", "random gates", "by permuted labels", "p"], rows)


def _permuted(null: Any) -> str:
    """The mean and the range of what permuted labels give, in points."""
    drawn = 100 * null.omnibus_drawn
    return f"{drawn.mean():+.1f} ({drawn.min():+.1f} to {drawn.max():+.1f})"


def _points(interval: Any) -> str:
    return f"{100 * interval.value:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def overlap_with_read() -> str:
    """Heard neurons beside read ones, where the projector learnt from labels and where it never did."""
    rows: list[list[str]] = []
    for suffix, words in (("", ""), ("-unemotional", "no emotion asked in training: ")):
        found = result(f"reading{suffix}")
        for at, kind in enumerate(("in what expresses it", "by its name")):
            pair = found["pairs"][at]
            folds = (pair["same_emotion"], pair["other_emotion"])
            told = [f"{one['fold']:.2f} [{one['low']:.2f}, {one['high']:.2f}]" for one in folds]
            rows.append([f"{words}{kind}", *told, f"{found['difference'][at]:.3f}", f"{found['p_values'][at]:.3f}"])
    kinds = ["same emotion / layers alone", "different emotions"]
    return _table(["heard neurons and those read", *kinds, "D", "p"], rows)


def crossed_silencing() -> str:
    """Changes of the log-odds of the right answer, in nats."""
    rows: list[list[str]] = []
    for one in result("reading")["effects"]:
        told = [f"{part['value']:+.2f} [{part['low']:+.2f}, {part['high']:+.2f}]" for part in map(one.get, _SILENCED)]
        rows.append([one["neurons"], one["doing"], *told])
    return _table(["neurons", "while", "own emotion", "other emotions", "random gates", "own minus others"], rows)


def probes_figure() -> go.Figure:
    """Recall of a linear probe at every stage: of the shipped projector, and of one that heard of no emotion."""
    figure, kinds = go.Figure(), {"": "", "-unemotional": ", no emotion asked in training"}
    for at, (suffix, words) in enumerate(kinds.items()):
        if not (RESULTS / f"probes{suffix}.json").is_file():
            continue
        found = result(f"probes{suffix}")
        for number, name in enumerate(("toy-studio", "emodb-sample")):
            one, colour = found[name], SERIES[number]
            stages = [stage.replace("gates ", "layer ") for stage in one["recall"]]
            figure.add_trace(
                go.Scatter(
                    x=stages,
                    y=list(one["recall"].values()),
                    name=f"{name}{words}",
                    mode="lines+markers",
                    line={"color": colour, "dash": DASHES[2 * at]},
                    marker={"symbol": SYMBOLS[number + 2 * at], "size": 6},
                    hovertemplate="%{x}: %{y:.2f}<extra></extra>",
                )
            )
            if at == 0:
                figure.add_hline(y=one["chance"], line={"color": colour, "width": 1, "dash": "dot"})
    figure.update_yaxes(range=[0, 1], title_text="mean recall of a linear probe")
    return dress(
        figure,
        "Where the emotion can be read off",
        "smol-audio; the probe's speakers left out in turn<br>dotted: chance",
        height=340,
        below=150,
    )


def beside() -> dict[str, dict[str, Any]]:
    """The grown model and the planted one, on the same clips."""
    found = {**result("planted"), **result("planted-toy")}
    return {name: found[name] for name in ("smol-audio", "toy-omni")}


def planted_figure() -> go.Figure:
    """Silencing and turning up, and where the neurons lie: a model made for it beside one that was not."""
    found = beside()
    titles = ["change of recall, silenced (small marks: an emotion each)", "answers flipped to the emotion, turned up"]
    titles.append("share of the neurons over depth")
    figure = make_subplots(rows=3, row_heights=[360, 180, 180], vertical_spacing=0.11, subplot_titles=titles)
    for at, (kind, words) in enumerate(_KINDS.items()):
        silenced = {name: one["silenced"].items() for name, one in found.items()}
        rows = [(f"{name}, {100 * float(top):g} %", one) for name, some in silenced.items() for top, one in some]
        colour = CONTROL if kind == "random" else SERIES[at]
        figure.add_trace(
            go.Scatter(
                x=[value for _, one in rows for value in one[kind]],
                y=[name for name, one in rows for _ in one[kind]],
                text=[emotion for _, one in rows for emotion in found["smol-audio"]["emotions"][: len(one[kind])]],
                mode="markers",
                showlegend=False,
                marker={"size": 5, "symbol": SYMBOLS[at], "opacity": 0.45, "color": colour},
                hovertemplate="<b>%{y}</b>, %{text}: %{x:+.2f}<extra></extra>",
            ),
            row=1,
            col=1,
        )
        means = [one[f"mean_{kind}"] for _, one in rows]
        figure.add_trace(
            go.Scatter(
                x=[mean["value"] for mean in means],
                y=[name for name, _ in rows],
                error_x=_bars(means),
                mode="markers",
                name=words,
                marker={"size": 10, "symbol": SYMBOLS[at], "color": colour},
                hovertemplate="<b>%{y}</b>, mean: %{x:+.2f}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    figure.add_vline(x=0, line={"color": INK, "width": 1, "dash": "dot"}, row=1, col=1)
    for at, (name, one) in enumerate(found.items()):
        for kind, dash in (("found", "solid"), ("random", "dot")):
            doses = [dose for dose in sorted(one["turned_up"], key=float) if kind in one["turned_up"][dose]]
            means = [one["turned_up"][dose][f"mean_{kind}"] for dose in doses]
            figure.add_trace(
                go.Scatter(
                    x=[float(dose) for dose in doses],
                    y=[mean["value"] for mean in means],
                    error_y=_bars(means),
                    mode="lines+markers",
                    name=f"{name}, {kind} gates",
                    line={"color": SERIES[at + 3], "dash": dash},
                    marker={"symbol": SYMBOLS[at + 3]},
                    hovertemplate="alpha %{x}: %{y:.2f}<extra></extra>",
                ),
                row=2,
                col=1,
            )
        share = np.array(one["share"])
        figure.add_trace(
            go.Scatter(
                x=(np.arange(len(share)) + 0.5) / len(share),
                y=share * len(share),
                mode="lines+markers",
                name=f"{name}, {len(share)} layers",
                line={"color": SERIES[at + 3], "dash": DASHES[at + 2]},
                hovertemplate="depth %{x:.2f}: %{y:.2f} times an even spread<extra></extra>",
            ),
            row=3,
            col=1,
        )
    figure.update_xaxes(title_text="change of recall", row=1, col=1)
    figure.update_yaxes(autorange="reversed", row=1, col=1)
    figure.update_xaxes(title_text="alpha", row=2, col=1)
    figure.update_xaxes(title_text="depth, 0 first layer to 1 last", row=3, col=1)
    figure.update_yaxes(title_text="times even", row=3, col=1)
    about = "mad, toy-studio, evaluation voices; bars: 95 % intervals over speakers"
    return dress(figure, "Planted beside grown", about, height=920, below=150)


def _bars(means: list[dict[str, float]]) -> dict[str, Any]:
    """Intervals as plotly draws them."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [one["high"] - one["value"] for one in means],
        "arrayminus": [one["value"] - one["low"] for one in means],
        "width": 3,
        "thickness": 1,
    }


TABLES: dict[str, Callable[[], str]] = {
    "grown-sizes": sizes,
    "grown-reading": overlap_with_read,
    "grown-crossed": crossed_silencing,
}
"""By the name that a page gives to the ``measured`` directive."""
