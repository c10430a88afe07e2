"""A corpus that was left out: shared neurons work on it; and shares of variance against sums by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from letter_listener import LetterListener
from planted_listener import planted_clips

from esn_interp.analysis.fusion.measure import fusion
from esn_interp.analysis.fusion.result import Fusion
from esn_interp.analysis.fusion.variance import nested_shares, variance_shares
from esn_interp.errors import StatisticsError
from esn_interp.neurons.choosing import of_emotions
from esn_interp.neurons.selectors import select
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import collect

pytestmark = pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")


def of_corpus(name: str, clips: Clips) -> Clips:
    """Its clips have ids of their own."""
    frame = clips.to_frame()
    frame["audio"], frame["id"] = clips.column("audio"), [f"{name}-{clip}" for clip in clips.column("id")]
    return Clips.from_frame(frame, name=name)


@pytest.fixture(scope="module")
def found() -> Fusion:
    lm, corpora = LetterListener(), {}
    for at, name in enumerate(("one", "two", "three")):
        leaks = [0.05 * (at + 1) + 0.01 * speaker for speaker in range(7)]
        ident = of_corpus(name, planted_clips(speakers=4, leaks=leaks[:4]))
        clips = planted_clips(speakers=7, leaks=leaks, mistaken=[(at, "sad", "angry"), (5, "happy", "fearful")])
        corpora[name] = (clips, collect(lm, ident, per_clip=True, progress=False))
    return fusion(lm, corpora, languages={"one": "en", "two": "en", "three": "de"}, top=1 / 24, progress=False)


def test_neurons_of_other_corpora_work_where_they_were_not_found(found: Fusion):
    assert found.sources == ("overlap", "zscore", "pooled", "own", "random")
    for corpus in found.corpora:
        for source in ("overlap", "zscore", "pooled", "own"):
            assert found.of(corpus, source).value < -0.8
        assert found.of(corpus, "random").value > found.of(corpus, "own").value + 0.5
    assert "on the corpus that was left out" in found.summary()
    assert any("de is spoken in one corpus only" in note for note in found.notes)


def test_it_is_saved_loaded_and_drawn(found: Fusion, tmp_path: Path):
    found.save(tmp_path / "fusion.json")
    again = Fusion.load(tmp_path / "fusion.json")
    assert again.summary() == found.summary()
    assert len(again.to_frame()) == 3 * 5
    assert [trace.name for trace in again.plot().data] == list(found.sources)


def test_shares_of_variance_add_up_and_find_what_was_put_there():
    rng = np.random.default_rng(0)
    groups, rows = [], []
    for language in range(2):
        for corpus in range(2):
            for speaker in range(5):
                for _ in range(4):
                    groups.append((f"l{language}", f"c{language}{corpus}", f"s{language}{corpus}{speaker}"))
                    rows.append([3.0 * language, 3.0 * corpus, 3.0 * speaker, 3 * rng.standard_normal()])
    shares = [nested_shares(np.array(rows)[:, [gate]], groups) for gate in range(4)]
    np.testing.assert_allclose([one.sum() for one in shares], 1)
    np.testing.assert_allclose(shares[0], [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(shares[1], [0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(shares[2], [0, 0, 1, 0], atol=1e-12)
    assert shares[3][3] > 0.6
    assert np.isnan(nested_shares(np.ones((len(groups), 1)), groups)).all()


def test_three_corpora_are_needed():
    with pytest.raises(StatisticsError, match="three or more, not 0"):
        fusion(LetterListener(), {})


def test_variance_needs_a_language_and_single_clips_of_every_corpus():
    lm, clips = LetterListener(), planted_clips(speakers=4)
    stats = collect(lm, clips, per_clip=True, progress=False)
    esns = select(stats, "mad", count=2)
    with pytest.raises(StatisticsError, match="corpus one: say its language, to tell corpora and languages apart"):
        variance_shares({"one": stats}, {}, esns)
    bare = replace(stats, per_clip=None)
    with pytest.raises(StatisticsError, match="the statistics of one keep no single clips; collect with per_clip=True"):
        variance_shares({"one": bare}, {"one": "en"}, esns)


def test_an_emotion_that_no_corpus_has_has_no_shares():
    lm, clips = LetterListener(), planted_clips(speakers=4)
    stats = collect(lm, clips, per_clip=True, progress=False)
    esns = select(stats, "mad", count=2)
    fewer = {"one": of_emotions(stats, [one for one in stats.emotions if one != "sad"])}
    shares = variance_shares(fewer, {"one": "en"}, esns)
    sad = stats.emotions.index("sad")
    assert np.isnan(shares[sad]).all()
    assert np.isfinite(np.delete(shares, sad, axis=0)).all()
