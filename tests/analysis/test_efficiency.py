"""Data efficiency: the same sets as collecting anew, worked out step by step."""

from pathlib import Path

import numpy as np
import pytest
from figure_rules import fits_a_phone
from made_up_gates import EMOTIONS, heard_clips, statistics_of
from planted_demo import StudiedListener, studied_clips
from planted_listener import PlantedListener, elsewhere, planted_clips

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.efficiency.measure import efficiency
from esn_interp.analysis.efficiency.result import Efficiency
from esn_interp.analysis.overlap.measure import overlap
from esn_interp.errors import StatisticsError
from esn_interp.neurons.resampling import deal_clips
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.tasks.collection import collect

CLIPS = [clip for clip in heard_clips(70, widths=(30, 20)) if clip.kept]


def statistics(speakers: int = 5) -> GateStatistics:
    stats = statistics_of(CLIPS, per_clip=True, widths=(30, 20))
    named = tuple(f"s{n % speakers}" if speakers else "" for n in range(len(CLIPS)))
    object.__setattr__(stats.per_clip, "speakers", named)
    return stats


@pytest.fixture(scope="module")
def result() -> Efficiency:
    return efficiency(statistics(), "mad", sizes=(2, 4, 8, 500), resamples=3, seed=1, count=6)


def test_every_set_is_that_of_a_collection_of_the_drawn_clips(result: Efficiency):
    """Jaccard indices equal those of sets from runs over the drawn clips alone: no sum is approximated."""
    stats = statistics()
    single, full = stats.per_clip, select(stats, "mad", count=6)

    def jaccard(rows: list[int], other) -> np.ndarray:
        alone = statistics_of([CLIPS[row] for row in sorted(rows)], widths=(30, 20), batch_size=3)
        names = {"names": ["x", "y"]}
        return overlap(select(alone, "mad", count=6), other, **names).pairs[0].jaccard.diagonal()

    for resample, rng in enumerate(np.random.default_rng(1).spawn(3)):
        dealt = deal_clips(single, single.kept, rng)
        per_emotion = [[row for row in dealt.tolist() if single.emotion[row] == at] for at in range(3)]
        for at, size in enumerate((2, 4, 8)):
            rows = [row for one in per_emotion for row in one[:size]]
            np.testing.assert_array_equal(result.jaccard[at, resample], jaccard(rows, full))
            rest = [row for one in per_emotion for row in one[-size:]]
            if not set(rows) & set(rest):
                alone = statistics_of([CLIPS[row] for row in sorted(rest)], widths=(30, 20))
                expected = jaccard(rows, select(alone, "mad", count=6))
                np.testing.assert_array_equal(result.agreement[at, resample], expected)


def test_what_is_told_beside_the_numbers(result: Efficiency):
    assert result.sizes.tolist() == [2, 4, 8]
    assert result.unit == "speaker"
    assert result.speakers[0] <= result.speakers[1] <= result.speakers[2] <= 5
    assert result.neurons == (6, 6, 6)
    assert result.available == tuple(sum(clip.emotion == at for clip in CLIPS) for at in range(3))
    assert result.notes == (f"left out 500 clips per emotion: one has {min(result.available)} only",)
    assert (result.chance < 0.2).all()
    mean, low, high = result.spread(result.jaccard)
    assert ((low <= mean) & (mean <= high)).all()
    assert "resamples by speaker" in result.summary()
    assert len(result.to_frame()) == 3 * 3 * 3


def test_agreement_is_unknown_where_clips_do_not_suffice_for_two():
    fewest = min(sum(clip.emotion == at for clip in CLIPS) for at in range(3))
    found = efficiency(statistics(), "mad", sizes=(fewest // 2, fewest), resamples=2, count=6)
    assert not np.isnan(found.agreement[0]).any()
    assert np.isnan(found.agreement[1]).all()
    assert np.isnan(found.spread(found.agreement)[0][1])
    assert found.plot().data


def test_all_clips_give_the_full_set():
    clips = [clip for emotion in range(3) for clip in [c for c in CLIPS if c.emotion == emotion][:4]]
    stats = statistics_of(clips, per_clip=True, widths=(30, 20))
    found = efficiency(stats, "mad", sizes=(2, 4), resamples=4, count=6)
    assert (found.jaccard[1] == 1).all()
    assert found.unit == "clip"
    assert "no two known speakers" in found.notes[0]
    two = efficiency(
        statistics_of(clips[::2], per_clip=True, widths=(30, 20)), sizes=(2,), resamples=2, count=3
    )
    assert (two.jaccard == 1).all()


def test_the_filter_decides_which_clips_may_be_drawn():
    clips = heard_clips(70, widths=(30, 20))
    stats = statistics_of(clips, per_clip=True, widths=(30, 20))
    kept, every = (efficiency(stats, sizes=(3,), resamples=1, count=4, filter=f) for f in ("correct", "none"))
    assert kept.available == tuple(stats.kept.values())
    assert every.available == tuple(stats.seen.values())


def test_the_effect_is_that_of_ablation():
    stats = elsewhere(collect(StudiedListener(), studied_clips(), per_clip=True, progress=False))
    clips = planted_clips(speakers=7, leaks=[0.1 * n for n in range(7)])
    found = efficiency(
        stats,
        "mad",
        sizes=(2, 4),
        resamples=2,
        lm=PlantedListener(),
        clips=clips,
        effect_resamples=2,
        progress=False,
        count=4,
        scope="last",
    )
    effects = found.effects
    reference = ablation(
        PlantedListener(), clips, select(stats, "mad", count=4, scope="last"), draws=0, progress=False
    )
    assert effects.own[-1] == pytest.approx(reference.self_change.value)
    assert effects.low[-1] == pytest.approx(reference.self_change.low)
    assert effects.high[-1] == pytest.approx(reference.self_change.high)
    np.testing.assert_allclose(effects.each[-1], reference.change.diagonal())
    assert effects.own.shape == (3,)
    assert (effects.draws, effects.random.value) == (3, 0)  # in the planted listener others lead nowhere
    crowded = efficiency(
        stats,
        "lap",
        sizes=(2,),
        resamples=1,
        lm=PlantedListener(),
        clips=clips,
        progress=False,
        top=1.0,
    )
    assert crowded.effects.draws == 0
    assert "no random control" in crowded.notes[-1]
    assert "Ablating them changes" in found.summary()
    figure = found.plot()
    (curve,) = [trace for trace in figure.data if trace.name == "mean over emotions" and trace.fill is None]
    np.testing.assert_allclose(curve.y, 100 * effects.own)
    fits_a_phone(figure)


def test_it_reads_back_as_it_was(result: Efficiency, tmp_path: Path):
    result.save(tmp_path / "efficiency.json")
    again = Efficiency.load(tmp_path / "efficiency.json")
    assert again.to_frame().equals(result.to_frame())
    assert again.effects is None
    assert again.selection["count"] == 6


def test_the_figure(result: Efficiency):
    figure = result.plot()
    curves = {trace.name: trace for trace in figure.data if trace.fill is None}
    for at, emotion in enumerate(EMOTIONS):
        np.testing.assert_allclose(curves[emotion].y, result.jaccard.mean(axis=1)[:, at])
    mean, low, high = result.spread(result.jaccard)
    np.testing.assert_allclose(curves["mean: with the set from all clips"].y, mean)
    band = next(trace for trace in figure.data if trace.fill == "toself")
    np.testing.assert_allclose(band.y, [*high, *low[::-1]])
    fits_a_phone(figure)


def test_what_can_not_be_measured_is_refused():
    stats = statistics()
    for part, call in {
        "hold no single clips": lambda: efficiency(statistics_of(CLIPS, widths=(30, 20)), count=3),
        "of the numbers of clips 400, 900, none can be drawn": lambda: efficiency(
            stats, sizes=(400, 900), count=3
        ),
        "of the numbers of clips none, none": lambda: efficiency(stats, sizes=(), count=3),
        "give both lm= and clips=": lambda: efficiency(stats, count=3, lm=PlantedListener()),
        "give one of top": lambda: efficiency(stats),
        "at least 1, not 0": lambda: efficiency(stats, count=3, resamples=0),
        "unknown selector": lambda: efficiency(stats, "mid", count=3),
    }.items():
        with pytest.raises(StatisticsError, match=part):
            call()
