"""A recording over time: its spectrogram is loud where the sound is, and takes the outline's place."""

from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest
from figure_rules import fits_a_phone

from esn_interp.drawing.over_time import spectrogram
from esn_interp.errors import ModelError
from esn_interp.models.gate_activations import GateActivations
from esn_interp.models.gate_figure import chosen

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


def some(layers: int = 2, width: int = 4, *, heard: bool = True) -> GateActivations:
    rng = np.random.default_rng(1)
    gates = tuple(0.1 * rng.normal(size=(5, width)).astype(np.float32) for _ in range(layers))
    gates[1][:, 3] = [9, 0, 9, 0, 9]  # moves most, both in the recording and outside of it
    scopes = np.array([1, 0, 0, 1, 2]) if heard else np.array([1, 1, 1, 1, 2])
    return GateActivations(gates, tuple("abcde"), scopes, np.arange(5, dtype=np.float32), tone(500))


@pytest.mark.parametrize("heard", [True, False])
def test_where_none_is_named_the_gates_that_move_most_are_drawn(heard: bool):
    found = chosen(some(heard=heard), None)
    assert found[0][0] == 1
    assert len(found) == 2  # the strongest of each layer


def test_of_a_set_the_strongest_are_drawn_and_no_gate_that_is_not_there():
    acts = some()
    esns = SimpleNamespace(
        layer=np.array([0, 1, 1]), in_layer=np.array([2, 0, 3]), score=np.array([0.1, 0.9, 0.5], dtype=np.float32)
    )
    assert chosen(acts, esns) == [(1, 0), (1, 3), (0, 2)]
    assert chosen(acts, [(0, 1), (0, 1)]) == [(0, 1)]
    for pair in ((2, 0), (0, 4), (-1, 0)):
        with pytest.raises(ModelError, match=f"no neuron {pair[1]} at layer {pair[0]}; there are 2 layers"):
            chosen(acts, [pair])
    assert repr(acts) == "GateActivations(2 layers, 5 tokens, 4 neurons a layer)"
