"""What happens along a recording: its outline, and lines above the same axis of seconds, with the text around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int, Int16
from plotly.subplots import make_subplots

from esn_interp.drawing.theme import INK, PANEL, SOFT, SYMBOLS, TEMPLATE, dress, translucent

_POINTS = 240
_BANDS, _WINDOW, _QUIETEST = 64, 512, -60
"""Bands of a spectrogram, samples of a window, and the decibels below the loudest that are drawn white."""
GREYS = ((0.0, "#ffffff"), (1.0, "#1f2933"))
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def outline(waveform: Float[np.ndarray, " sample"], points: int = _POINTS) -> Float[np.ndarray, " point"]:
    """The largest magnitude in each of so many equal parts of a recording."""
    parts = np.array_split(np.abs(waveform.astype(np.float64)), min(points, max(len(waveform), 1)))
    return np.array([part.max(initial=0.0) for part in parts])


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """How loud a recording is by band and time: decibels below its loudest spot, and the middles of bands (kHz) and
    frames (seconds)."""

    loudness: Int16[np.ndarray, "band frame"]
    kilohertz: Float[np.ndarray, " band"]
    seconds: Float[np.ndarray, " frame"]


def spectrogram(waveform: Float[np.ndarray, " sample"], rate: int) -> Spectrogram:
    """Power in bands of equal width up to half the sampling rate, of windows (Hann, half overlapping or more)."""
    sound = np.pad(waveform.astype(np.float64), _WINDOW // 2)
    step = max(_WINDOW // 4, -(-len(waveform) // _POINTS))
    starts = np.arange(0, max(len(waveform), 1), step)
    window = np.hanning(_WINDOW)
    frames = np.stack([sound[start : start + _WINDOW] for start in starts]) * window
    # The constant part is left out, so that bands have as many bins each.
    power = (np.abs(np.fft.rfft(frames)) ** 2)[:, 1:].reshape(len(starts), _BANDS, -1).mean(axis=2).T
    quiet = max(float(power.max()), 1e-30) * 10 ** (_QUIETEST / 10)
    loudness = np.round(10 * np.log10(np.maximum(power, quiet) / quiet) + _QUIETEST).astype(np.int16)
    return Spectrogram(loudness, (np.arange(_BANDS) + 0.5) * rate / 2000 / _BANDS, starts / rate)


def token_places(seconds: Float[np.ndarray, " token"], duration: float) -> Float[np.ndarray, " token"]:
    """Where each token stands on the axis: audio at its second, text before and behind it, at the same pace."""
    heard = np.flatnonzero(np.isfinite(seconds))
    step = duration / max(len(heard), 1)
    first = int(heard[0]) if len(heard) else 0
    last = int(heard[-1]) if len(heard) else -1
    places = np.where(np.isfinite(seconds), seconds, 0.0)
    places[:first] = (np.arange(first) - first) * step
    places[last + 1 :] = duration + np.arange(len(seconds) - last - 1) * step
    return places


def add_outline(figure: go.Figure, envelope: Float[np.ndarray, " point"], duration: float, *, row: int = 1) -> None:
    """A recording's outline, above and below the axis of one panel."""
    seconds = (np.arange(len(envelope)) + 0.5) * duration / max(len(envelope), 1)
    surface = go.Scatter(
        x=np.concatenate([seconds, seconds[::-1]]),
        y=np.concatenate([envelope, -envelope[::-1]]),
        fill="toself",
        fillcolor=translucent(SOFT, 0.5),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_trace(surface, row=row, col=1)
    figure.update_yaxes(showticklabels=False, showgrid=False, row=row, col=1)


def add_spectrogram(figure: go.Figure, spectrum: Spectrogram, *, row: int = 1) -> None:
    """A recording's loudness by band over time, the louder the darker, in one panel."""
    told = "%{x:.2f} s, %{y:.1f} kHz: %{z} dB<extra></extra>"
    surface = go.Heatmap(
        **{"x": spectrum.seconds, "y": spectrum.kilohertz, "z": spectrum.loudness, "hovertemplate": told},
        **{"colorscale": GREYS, "zmin": _QUIETEST, "zmax": 0, "showscale": False},
    )
    figure.add_trace(surface, row=row, col=1)
    figure.update_yaxes(title_text="kHz", showgrid=False, row=row, col=1)


def over_time(
    envelope: Float[np.ndarray, " point"],
    duration: float,
    lines: Mapping[str, Float[np.ndarray, " token"]],
    *,
    seconds: Float[np.ndarray, " token"],
    scopes: Int[np.ndarray, " token"],
    tokens: Sequence[str],
    title: str,
    subtitle: str,
    height: int = 300,
    text: bool = True,
    spectrum: Spectrogram | None = None,
) -> go.Figure:
    """A recording's outline below lines that have a value at every token; the text around it is shaded.

    ``seconds`` says where audio tokens begin (NaN for text), ``scopes`` where each stands (0 audio, 1 text, 2 last).
    ``text=False`` shows the recording alone; a ``spectrum`` stands in place of the outline.
    """
    heights = [0.75, 0.25] if spectrum is None else [0.6, 0.4]
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=heights, vertical_spacing=0.04)
    places = token_places(seconds, duration)
    told = [
        f"{second:.2f} s" if np.isfinite(second) else f"“{token}”" + (" (last)" if scope == 2 else "")
        for token, second, scope in zip(tokens, seconds, scopes, strict=True)
    ]
    shown = np.ones(len(places), dtype=bool) if text else np.isfinite(seconds)
    layout: Any = TEMPLATE.layout
    colors = (INK, *(layout.colorway or ())[-5:])  # none that means an emotion
    for at, (name, values) in enumerate(lines.items()):
        figure.add_trace(
            go.Scatter(
                x=places[shown],
                y=values[shown],
                name=name,
                mode="lines+markers",
                line={"shape": "hv", "width": 2, "color": colors[at % len(colors)], "dash": _DASHES[at % len(_DASHES)]},
                marker={"size": 3, "symbol": SYMBOLS[at % len(SYMBOLS)]},
                customdata=np.array(told)[shown],
                hovertemplate=f"<b>{name}</b><br>%{{customdata}}: %{{y:.4g}}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    if spectrum is None:
        add_outline(figure, envelope, duration, row=2)
    else:
        add_spectrogram(figure, spectrum, row=2)
    step = duration / max(int(np.isfinite(seconds).sum()), 1)
    start, end = (float(places.min()), float(places.max()) + step) if text else (0.0, duration)
    for low, high, name in ((start, 0.0, "prompt"), (duration, end, "question, answer")):
        if high > low:
            figure.add_shape(
                **{"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"},
                **{"fillcolor": PANEL, "line": {"width": 0}, "layer": "below"},
            )
            figure.add_annotation(
                x=(low + high) / 2, y=0, xref="x", yref="paper", yanchor="bottom", text=name, showarrow=False,
                font={"size": 11, "color": SOFT},
            )  # fmt: skip
    figure.update_xaxes(range=[start, end], showgrid=False)
    figure.update_xaxes(title_text="seconds", row=2, col=1)
    figure.update_yaxes(title_text="gate", zeroline=True, row=1, col=1)
    figure.update_layout(showlegend=len(lines) > 1)
    return dress(figure, title, subtitle, height=height, below=88 if len(lines) > 1 else 48)
