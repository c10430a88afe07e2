"""The page of a neuron says what plain loops say of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from tiny_omni import EMOTIONS, noise

from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.analysis.neuron.measure import memberships_of, neuron
from esn_interp.analysis.neuron.result import NeuronPage
from esn_interp.analysis.written import load_result
from esn_interp.errors import StatisticsError
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load
from esn_interp.neurons.selectors import select
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import collect
from esn_interp.tasks.recognition import Recognition

LAYER, NEURON = 1, 5


@pytest.fixture(scope="module")
def made(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny model, clips of noise by two speakers, and statistics of them."""
    folder, rows = tmp_path_factory.mktemp("noise"), list[dict[str, str]]()
    for at, waveform in enumerate(noise(0.7, 1.1, 0.9, 1.3, 0.8, 1.2, 1.0, 0.6)):
        path = folder / f"{at}.wav"
        soundfile.write(path, waveform, 16_000)
        about = {"emotion": EMOTIONS[at % 2], "speaker": "ab"[at // 4], "id": f"clip{at}", "transcript": "la la"}
        rows.append({"audio": str(path), **about})
    lm, clips = load(tiny_folder), Clips.from_frame(pd.DataFrame(rows), name="noise")
    with pytest.warns(UserWarning, match="few clips"):
        stats = collect(lm, clips, per_clip=True, progress=False)
    return lm, clips, stats, neuron(lm, stats, LAYER, NEURON, clips=clips, examples=2, controls=2, gains=(3.0,))


def test_it_is_told_over_clips_and_emotions(made):
    lm, clips, stats, page = made
    expected = []
    for clip in clips:
        cache = lm.cache(clip, stats.prompt, names=f"blocks.{LAYER}.gate", progress=False)
        expected.append(cache[f"blocks.{LAYER}.gate"][cache.where("audio"), NEURON].mean())
    assert page.values == pytest.approx(expected, abs=1e-5)
    for row, emotion in enumerate(page.emotions):
        mine = [value for value, clip in zip(expected, clips, strict=True) if clip.emotion == emotion]
        assert page.by_emotion[row] == pytest.approx(np.mean(mine), abs=1e-5)
    order = np.argsort(-np.array(expected))
    assert [one.clip for one in page.top] == [page.clips[at] for at in order[:2]]
    assert [one.clip for one in page.bottom] == [page.clips[at] for at in order[::-1][:2]]
    for one in (*page.top, *page.bottom):
        assert one.gate.mean() == pytest.approx(one.value, abs=1e-5)
        assert len(one.gate) == len(one.seconds)
        assert one.sound


def test_its_own_effect_is_that_of_one_edit(made):
    lm, clips, stats, page = made
    recognition = Recognition(stats.emotions)
    encoded = lm.encode([clip.waveform() for clip in clips], recognition.prompt)

    def odds(*edits: Edit) -> np.ndarray:
        scores = recognition.by_emotion(lm.scores(encoded, recognition.labels, edits=edits, plan="traced"))
        return np.stack([log_odds(scores, np.full(len(clips), at)) for at in range(len(stats.emotions))])

    plain = odds()
    for at, gain in enumerate(page.effect.gains):
        change = (odds(Edit(LAYER, np.array([NEURON]), gain=float(gain))) - plain).mean(axis=1)
        assert page.effect.change[at] == pytest.approx(change, abs=1e-4)
    others = page.effect.control_neurons
    assert len(set(others.tolist()) - {NEURON}) == len(others) == 2
    change = (odds(Edit(LAYER, others[:1], gain=0.0)) - plain).mean(axis=1)
    assert page.effect.controls[0, 0] == pytest.approx(change, abs=1e-4)


def test_its_company_is_what_correlations_and_selectors_say(made):
    _, _, stats, page = made
    means = stats.per_clip.mean("audio")
    flat = int(stats.origin.offsets[LAYER]) + NEURON
    for one in page.neighbours:
        other = int(stats.origin.offsets[one.layer]) + one.neuron
        assert one.correlation == pytest.approx(np.corrcoef(means[:, flat], means[:, other])[0, 1], abs=1e-6)
    assert list(np.abs([one.correlation for one in page.neighbours])) == sorted(
        (abs(one.correlation) for one in page.neighbours), reverse=True
    )
    esns = select(stats, "mad", count=3, filter="none", scope="all")
    best = int(esns.indices(stats.emotions[0])[0])
    found = {(one.set, one.emotion): one for one in memberships_of(stats, best, {"three": esns})}
    assert found["three", stats.emotions[0]].member
    assert 0 < found["mad", stats.emotions[0]].rank <= stats.n_gates


def test_the_page_is_whole_and_the_file_is_read_again(made, tmp_path):
    _, _, _, page = made
    html = page.html()
    assert html.count("<audio") == 4
    assert html.count("data-player=") == 4
    assert "http-equiv" in html
    assert 'src="http' not in html
    page.save(tmp_path / "neuron.json")
    again = load_result(tmp_path / "neuron.json")
    assert isinstance(again, NeuronPage)
    assert again.summary() == page.summary()
    assert again.to_frame().equals(page.to_frame())
    assert page.plot().data


def test_without_recordings_it_says_what_is_missing(made):
    lm, _, stats, _ = made
    page = neuron(lm, stats, LAYER, NEURON)
    assert page.effect is None
    assert page.voice is None
    assert any("recordings were not at hand" in note for note in page.notes)
    assert "<audio" not in page.html()
    with pytest.raises(StatisticsError, match="no neuron 99999"):
        neuron(lm, stats, LAYER, 99_999)


def test_statistics_that_can_not_tell_of_clips_are_refused(made):
    lm, clips, stats, _ = made
    with pytest.raises(StatisticsError, match="the statistics keep no single clips; collect"):
        neuron(lm, replace(stats, per_clip=None), LAYER, NEURON)
    with pytest.raises(StatisticsError, match="pages are of the site gate; these statistics are of pre"):
        neuron(lm, replace(stats, origin=replace(stats.origin, site="pre")), LAYER, NEURON)
    frame = clips.to_frame().assign(id=lambda rows: "other-" + rows["id"], audio=clips.column("audio"))
    with pytest.raises(StatisticsError, match="none of these clips is among those of the statistics of noise"):
        neuron(lm, stats, LAYER, NEURON, clips=Clips.from_frame(frame, name="others"))
