"""A listening test with made-up listeners, scored when the docs are built: real answers are not ours to publish."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy import special

LISTENERS, PAIRS, CHECKS = 8, 60, 8
LIKED = {"happy": 0.55, "angry": 0.75, "sad": 0.65, "fearful": 0.6}
"""How often the steered recording is preferred, by emotion."""
SPREAD = 0.4
"""Standard deviation between listeners, in log-odds: about 0.1 of a share."""


def preference_figure() -> go.Figure:
    """Steered against unsteered, by seven listeners and one who does not listen."""
    import esn_interp as esn

    rng, rows = np.random.default_rng(2), list[dict[str, object]]()
    for listener in range(LISTENERS):
        own, listens = SPREAD * rng.standard_normal(), listener > 0
        for at in range(PAIRS + CHECKS):
            emotion, check = [*LIKED][at % len(LIKED)], at >= PAIRS
            left, right = rng.permutation(["neutral", emotion] if check else ["steered", "unsteered"])
            wanted = 1.0 if check else special.expit(special.logit(LIKED[emotion]) + own)
            first = rng.random() < (wanted if listens else 0.5)
            better = left if left in ("steered", emotion) else right
            choice = "left" if (better == left) == first else "right"
            sure = "left" if better == left else "right"
            rows.append(
                {
                    **{"listener": f"L{listener}", "pair": at, "emotion": emotion, "left": left, "right": right},
                    **{"choice": choice, "catch": sure if check else ""},
                    "question": "Which recording sounds more {emotion}?",
                }
            )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answers.csv")
        pd.DataFrame(rows).to_csv(path, index=False)
        return esn.preference(path).plot()
