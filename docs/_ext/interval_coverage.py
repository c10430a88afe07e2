"""How often 95 % intervals hold the truth when speakers differ: simulated when the docs are built."""

import numpy as np
import plotly.graph_objects as go
from scipy import stats

from esn_interp.analysis.inference.significance import RATE, SpeakerMeans
from esn_interp.drawing.theme import CONTROL, SOFT, dress

SPEAKERS = (4, 5, 6, 8, 10, 15, 20, 30)
CLIPS = 100
SKILL, SPREAD = 0.7, 0.08
REPETITIONS = 2000


def coverage_figure() -> go.Figure:
    """Coverage over the number of speakers: clips as if independent, speakers resampled, and ours."""
    rng = np.random.default_rng(0)
    shares: dict[str, list[float]] = {
        "clips as independent": [],
        "speakers resampled": [],
        "ours": [],
    }
    for speakers in SPEAKERS:
        skill = np.clip(SKILL + SPREAD * rng.standard_normal((speakers, REPETITIONS)), 0, 1)
        hits = rng.binomial(CLIPS, skill)
        mean = hits.mean(axis=0) / CLIPS
        half = 1.96 * np.sqrt(mean * (1 - mean) / (speakers * CLIPS))
        shares["clips as independent"].append(np.mean(np.abs(mean - SKILL) <= half))
        # One set of resamples serves all repetitions: these are independent already.
        drawn = hits[rng.integers(speakers, size=(500, speakers))].mean(axis=1) / CLIPS
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        shares["speakers resampled"].append(np.mean((low <= SKILL) & (high >= SKILL)))
        low, high = SpeakerMeans(hits.astype(float), np.full(hits.shape, CLIPS)).bounds(within=RATE)
        shares["ours"].append(np.mean((low <= SKILL) & (high >= SKILL)))
    figure = go.Figure()
    colors = ("#d55e00", CONTROL, "#0072b2")
    for (name, values), color in zip(shares.items(), colors, strict=True):
        figure.add_trace(
            go.Scatter(
                x=SPEAKERS,
                y=[100 * value for value in values],
                mode="lines+markers",
                name=name,
                line={"color": color, "width": 2},
                error_y={
                    "array": [
                        100 * stats.norm.ppf(0.975) * np.sqrt(v * (1 - v) / REPETITIONS) for v in values
                    ],
                    "width": 0,
                },
                hovertemplate=f"<b>{name}</b><br>%{{x}} speakers: %{{y:.1f}} %<extra></extra>",
            )
        )
    figure.add_hline(y=95, line={"color": SOFT, "dash": "dot"})
    figure.update_xaxes(title_text="speakers", tickvals=SPEAKERS)
    figure.update_yaxes(title_text="intervals that hold the truth", ticksuffix=" %")
    return dress(
        figure,
        "How often 95 % intervals hold the truth",
        f"{CLIPS} clips a speaker; speakers differ by {SPREAD:g} (sd of their accuracy)",
        height=320,
        below=100,
    )
