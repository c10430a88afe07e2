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


def probes_figure() -> go.Figure:
    """Recall of a linear probe at every stage, one line a corpus."""
    figure, found = go.Figure(), result("probes")
    corpora = [name for name in found if isinstance(found[name], dict) and "recall" in found[name]]
    for at, name in enumerate(corpora):
        recall = found[name]["recall"]
        stages = [stage.replace("gates ", "layer ") for stage in recall]
        figure.add_trace(
            go.Scatter(
                x=stages,
                y=list(recall.values()),
                name=f"{name}, {found[name]['clips']} clips",
                mode="lines+markers",
                line={"color": SERIES[at], "dash": DASHES[at]},
                marker={"symbol": SYMBOLS[at], "size": 7},
                hovertemplate="%{x}: %{y:.2f}<extra></extra>",
            )
        )
        figure.add_hline(y=found[name]["chance"], line={"color": SERIES[at], "width": 1, "dash": "dot"})
    figure.update_yaxes(range=[0, 1], title_text="mean recall of a linear probe")
    return dress(
        figure,
        "Where the emotion can be read off",
        "smol-audio; the probe's speakers left out in turn<br>dotted: chance",
        height=320,
        below=120,
    )


def beside() -> dict[str, dict[str, Any]]:
    """The grown model and the planted one, on the same corpus as it was cast before; of the latter, means alone."""
    whole = json.loads((RESULTS.parent / "demo-0.1.json").read_text(encoding="utf-8"))
    told, settings = whole["summary"], whole["settings"]
    kinds = {"own": "self_ablation", "others": "cross_ablation", "random": "random_ablation"}
    planted = {
        "silenced": {f"{settings['top']:g}": {kind: [told[name]] for kind, name in kinds.items()}},
        "turned_up": {
            f"{settings['alpha']:g}": {
                "found": [told["steer_best_flip_rate"]],
                "random": [told["steer_random_flip_rate"]],
            }
        },
    }
    return {"smol-audio": result("first-look")["smol-audio"], "toy-omni 0.1": planted}


def planted_figure() -> go.Figure:
    """Silencing and turning up, and where the neurons lie: a model made for it beside one that was not."""
    found = beside()
    titles = ["change of recall, silenced (a mark an emotion)", "answers flipped to the emotion, turned up"]
    titles.append("share of the neurons over depth")
    figure = make_subplots(rows=3, row_heights=[320, 180, 180], vertical_spacing=0.12, subplot_titles=titles)
    for at, (kind, words) in enumerate(_KINDS.items()):
        rows = [
            (f"{name}, {100 * float(top):g} %", one[kind])
            for name in found
            for top, one in found[name]["silenced"].items()
        ]
        figure.add_trace(
            go.Scatter(
                x=[value for _, values in rows for value in values],
                y=[name for name, values in rows for _ in values],
                text=[
                    emotion
                    for _, values in rows
                    for emotion in (found["smol-audio"]["emotions"] if len(values) > 1 else ["all emotions"])
                ],
                mode="markers",
                name=words,
                marker={
                    **{"size": 8, "symbol": SYMBOLS[at], "opacity": 0.8},
                    "color": CONTROL if kind == "random" else SERIES[at],
                },
                hovertemplate="<b>%{y}</b>, %{text}: %{x:+.2f}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    figure.add_vline(x=0, line={"color": INK, "width": 1, "dash": "dot"}, row=1, col=1)
    for at, (name, one) in enumerate(found.items()):
        for kind, dash in (("found", "solid"), ("random", "dot")):
            doses = [dose for dose in sorted(one["turned_up"], key=float) if kind in one["turned_up"][dose]]
            figure.add_trace(
                go.Scatter(
                    x=[float(dose) for dose in doses],
                    y=[float(np.mean(one["turned_up"][dose][kind])) for dose in doses],
                    mode="lines+markers",
                    name=f"{name}, {kind} gates",
                    line={"color": SERIES[at + 3], "dash": dash},
                    marker={"symbol": SYMBOLS[at + 3]},
                    hovertemplate="alpha %{x}: %{y:.2f}<extra></extra>",
                ),
                row=2,
                col=1,
            )
        if "share" not in one:
            continue
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
    return dress(figure, "Planted beside grown", "mad, toy-studio, evaluation voices", height=880, below=150)
