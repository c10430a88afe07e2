"""A recording over time: its spectrogram is loud where the sound is, and takes the outline's place."""

import numpy as np
import plotly.graph_objects as go
import pytest
from figure_rules import fits_a_phone

from esn_interp.drawing.over_time import spectrogram
from esn_interp.errors import ModelError
from esn_interp.models.gate_activations import GateActivations

RATE = 16_000


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    """Silence, and then a tone, as long each."""
    sound = np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)
    return np.concatenate([np.zeros_like(sound), sound]).astype(np.float32)


@pytest.mark.parametrize("hertz", [300, 2_000, 6_100])
def test_a_tone_is_loud_in_its_band_while_it_sounds(hertz: float):
    seen = spectrogram(tone(hertz), RATE)
    assert seen.loudness.max() == 0
    band, frame = np.unravel_index(seen.loudness.argmax(), seen.loudness.shape)
    assert abs(seen.kilohertz[band] - hertz / 1000) <= RATE / 2000 / len(seen.kilohertz)
    assert seen.seconds[frame] >= 0.48
    assert (seen.loudness[:, seen.seconds < 0.45] == -60).all()


def test_however_long_a_recording_is_it_has_few_frames():
    assert spectrogram(np.random.default_rng(0).normal(size=60 * RATE), RATE).loudness.shape == (64, 240)
    assert spectrogram(np.zeros(1, np.float32), RATE).loudness.tolist() == [[-60]] * 64  # silence


def test_the_spectrogram_takes_the_place_of_the_outline():
    rng = np.random.default_rng(1)
    acts = GateActivations(
        layers=(rng.normal(size=(5, 3)).astype(np.float32),),
        tokens=("a", "<audio>", "<audio>", "b", "c"),
        scopes=np.array([1, 0, 0, 1, 2]),
        seconds=np.array([np.nan, 0, 0.5, np.nan, np.nan], dtype=np.float32),
        waveform=tone(1_000),
    )
    plain, drawn = acts.plot([(0, 1)]), acts.plot([(0, 1)], sound="spectrogram")
    assert not [trace for trace in plain.data if isinstance(trace, go.Heatmap)]
    (surface,) = [trace for trace in drawn.data if isinstance(trace, go.Heatmap)]
    assert (surface.zmin, surface.zmax) == (-60, 0)
    assert len(drawn.data) == len(plain.data)
    fits_a_phone(drawn)
    with pytest.raises(ModelError, match="waveform or spectrogram"):
        acts.plot([(0, 1)], sound="song")
