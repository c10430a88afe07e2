"""What was measured of smol-audio, read off ``docs/results/smol-audio`` when the docs are built: figures and tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.drawing.theme import CONTROL, DASHES, INK, SERIES, SYMBOLS, dress

RESULTS = Path(__file__).parents[1] / "results" / "smol-audio"
_KINDS = {"own": "own emotion", "others": "other emotions", "random": "own, random gates"}


def result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def reading_figure() -> go.Figure:
    from esn_interp.analysis.reading.result import Reading

    return Reading.load(RESULTS / "reading.json").plot()


def null_figure() -> go.Figure:
    """Silencing, with what neurons do that were selected by permuted labels."""
    from esn_interp.analysis.ablation.result import Ablation

    return Ablation.load(RESULTS / "ablation.json").plot()


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
