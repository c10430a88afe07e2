"""Gates over the time of a recording as a page: a player, and the figure in which a cursor runs along."""

from pathlib import Path
from typing import Any

from esn_interp.files import package_version
from esn_interp.models.gate_activations import GateActivations
from esn_interp.report.page import drawn, fill_with_figures, write_page
from esn_interp.report.sounds import wav_of, wav_uri


def gates_page(acts: GateActivations, path: str | Path, *, neurons: Any = None, sound: str = "waveform") -> Path:
    """Write a page that plays a clip and shows its gates beside it, with nothing from a network.

    Parameters
    ----------
    neurons, sound
        As for `GateActivations.plot`.
    """
    return write_page(path, gates_html(acts, neurons=neurons, sound=sound))


def gates_html(acts: GateActivations, *, neurons: Any = None, sound: str = "waveform") -> str:
    """The page as text."""
    return fill_with_figures(
        "analysis/inside/in_time.html.j2",
        transcript=acts.transcript,
        below="outline" if sound == "waveform" else "spectrogram",
        figure=drawn(acts.plot(neurons, sound=sound)),
        sound=wav_uri(wav_of(acts.waveform)),
        version=package_version(),
    )
