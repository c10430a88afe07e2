"""Gates over the time of a recording as a page: a player, and the figure in which a cursor runs along."""

from pathlib import Path
from typing import Any

from esn_interp.files import package_version
from esn_interp.models.gate_activations import GateActivations
from esn_interp.report.page import drawn, fill_with_figures, write_page
from esn_interp.report.sounds import wav_of, wav_uri


def gates_page(acts: GateActivations, path: str | Path, *, neurons: Any = None) -> Path:
    """Write a page that plays a clip and shows its gates beside it, with nothing from a network.

    Parameters
    ----------
    neurons
        As for `GateActivations.plot`.
    """
    return write_page(path, gates_html(acts, neurons=neurons))


def gates_html(acts: GateActivations, *, neurons: Any = None) -> str:
    """The page as text."""
    return fill_with_figures(
        "analysis/inside/in_time.html.j2",
        transcript=acts.transcript,
        figure=drawn(acts.plot(neurons)),
        sound=wav_uri(wav_of(acts.waveform)),
        version=package_version(),
    )
