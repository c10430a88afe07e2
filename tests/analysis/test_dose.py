"""Dose-response of planted neurons: the alpha at which each clip flips can be worked out by hand."""

import numpy as np
import pytest
from planted_listener import BIAS, EMOTIONS, PlantedListener, evidence_for, planted_clips, planted_set
from scipy import stats

from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.errors import EditError
from esn_interp.speech.clips import Clips

# A clip of a speaker with leak q carries evidence q for every other emotion; amplified by 1 + alpha it wins
# once (1 + alpha) q + bias of the target > 1 + bias of the truth, so about at alpha = 1 / q - 1.
LEAKS = [0.6, 0.4, 0.3, 0.22, 0.15, 0.12, 0.08, 0.03]
ALPHAS = [0, 0.5, 1, 2, 4, 8, 16]


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(leaks=LEAKS)


@pytest.fixture(scope="module")
def result(clips) -> DoseResponse:
    return dose_response(
        PlantedListener(), clips, planted_set(), alphas=ALPHAS, draws=4, seed=2, progress=False
    )


def logits(clip_id: str, target: str, alpha: float) -> np.ndarray:
    speaker, emotion, _ = clip_id.split("-")
    evidence = np.array(evidence_for(emotion, LEAKS[int(speaker[1:])]))
    evidence[EMOTIONS.index(target)] *= 1 + alpha
    return evidence + BIAS


def test_curves_equal_plain_loops(result, clips):
    ids, truth = clips.column("id"), np.array([EMOTIONS.index(e) for e in clips.column("emotion")])
    for t, target in enumerate(EMOTIONS):
        for a, alpha in enumerate(ALPHAS):
            scores = np.stack([logits(name, target, alpha) for name in ids])
            answer = scores.argmax(axis=1)
            log_prob = scores[:, t] - np.logaddexp.reduce(scores, axis=1)
            others = truth != t
            assert result.flip.value[t, a] == pytest.approx((answer[others] == t).mean())
            assert result.recall.value[t, a] == pytest.approx((answer[~others] == t).mean())
            assert result.log_prob.value[t, a] == pytest.approx(log_prob[others].mean(), abs=1e-4)
            np.testing.assert_array_equal(result.predicted[t, a], answer)
    np.testing.assert_allclose(result.flip.mean, result.flip.value.mean(axis=0))
    assert result.flip.mean[0] == 0
    assert result.flip.mean[-1] == pytest.approx(7 / 8)  # all but the speaker who hardly leaks


def test_intervals_are_t_intervals_over_speakers(result, clips):
    speakers, truth = np.array(clips.column("speaker")), np.array(clips.column("emotion"))
    rates = np.array(
        [
            np.mean(
                [
                    (result.predicted[t, 4] == t)[(speakers == s) & (truth != e)].mean()
                    for t, e in enumerate(EMOTIONS)
                ]
            )
            for s in clips.speakers
        ]
    )
    others = (truth != EMOTIONS[0]).sum()  # of which none need show what is rare; five sets count alike
    half = np.hypot(stats.t.ppf(0.975, 7) * stats.sem(rates), -np.log(0.025) / 5 / others)
    assert 0 < rates.mean() < 1
    assert result.flip.mean[4] == pytest.approx(rates.mean())
    assert result.flip.mean_high[4] == pytest.approx(min(rates.mean() + half, 1), rel=1e-3)
    assert result.flip.mean_low[4] == pytest.approx(max(rates.mean() - half, 0), rel=1e-3)
    at = result.flip_rate(4)
    assert (at.value, at.high, at.speakers) == (result.flip.mean[4], result.flip.mean_high[4], 8)


def test_trends_equal_scipy(result, clips):
    assert result.spearman == pytest.approx(stats.spearmanr(ALPHAS, result.flip.mean).statistic)
    assert result.spearman > 0.95
    speakers, truth = np.array(clips.column("speaker")), np.array(clips.column("emotion"))
    table = [
        [
            np.mean(
                [
                    (result.predicted[t, a] == t)[(speakers == s) & (truth != e)].mean()
                    for t, e in enumerate(EMOTIONS)
                ]
            )
            for a in range(len(ALPHAS))
        ]
        for s in clips.speakers
    ]
    assert result.page_p == pytest.approx(stats.page_trend_test(table).pvalue)
    assert result.page_p < 0.01


def test_random_neurons_of_the_same_layers_do_less(result):
    assert result.draws == 4
    worst = result.random_flip_rate()
    assert worst.value == pytest.approx(result.random_flip.mean.max())
    assert worst.value < result.flip_rate(16).value / 4
    # Every draw is shown a share of the clips only; together they are the pooled control, as all draws here
    # see as many clips.
    assert result.random_draws.shape == (4, len(ALPHAS))
    np.testing.assert_allclose(result.random_draws.mean(axis=0), result.random_flip.mean, atol=0.02)


def test_control_on_all_clips_equals_steering_the_random_sets(clips):
    listener = PlantedListener()
    crossed = dose_response(
        listener, clips, planted_set(), alphas=[0, 16], draws=2, draws_per_clip=None, seed=2, progress=False
    )
    seeds = np.random.SeedSequence(2).generate_state(2)
    flips = [
        dose_response(
            listener, clips, planted_set().random_like(int(seed)), alphas=[0, 16], draws=0, progress=False
        ).flip.mean
        for seed in seeds
    ]
    np.testing.assert_allclose(crossed.random_draws, flips)
    np.testing.assert_allclose(crossed.random_flip.mean, np.mean(flips, axis=0))
    assert len(listener.encoded) == 3 * 3  # each of the three calls heard 80 clips once, in batches of 32


def test_damping_takes_the_target_away(clips):
    found = dose_response(
        PlantedListener(), clips, planted_set(), alphas=[0, -1, -0.5], draws=0, progress=False
    )
    assert found.alphas.tolist() == [-1, -0.5, 0]
    assert (np.diff(found.recall.mean) >= 0).all()
    assert found.recall.mean[0] < 0.3
    assert found.recall.mean[2] == 1
    assert (np.diff(found.log_prob.mean) > 0).all()
    # No clip of another emotion ever turns into the target: there is no trend to speak of.
    assert np.isnan(found.spearman)


def test_without_zero_there_is_no_unedited_point(clips):
    found = dose_response(PlantedListener(), clips, planted_set(), alphas=[16, 4, 4], draws=0, progress=False)
    assert found.alphas.tolist() == [4, 16]
    assert np.isnan(found.page_p)  # two alphas make no trend test
    assert found.best_alpha == 16
    with pytest.raises(EditError, match="alpha 0 was not run; there are 4, 16"):
        found.flip_rate(0)


def test_few_speakers_get_no_p_value():
    found = dose_response(
        PlantedListener(), planted_clips(speakers=3, leaks=LEAKS[:3]), planted_set(), draws=2, progress=False
    )
    assert np.isnan(found.page_p)
    assert np.isfinite(found.flip.mean_high).all()
    assert any(note.startswith("only 3 speakers") for note in found.notes)


@pytest.mark.parametrize("alphas", [[], [0, float("nan")], [0, float("inf")], [-1.5, 0]])
def test_impossible_alphas_are_refused(clips, alphas):
    with pytest.raises(EditError, match="alphas are one or more finite numbers from -1 upwards, not"):
        dose_response(PlantedListener(), clips, planted_set(), alphas=alphas)


def test_without_control_there_is_no_control(clips):
    found = dose_response(PlantedListener(), clips, planted_set(), alphas=[0, 2], draws=0, progress=False)
    assert np.isnan(found.random_flip_rate().value)
    assert np.isnan(found.random_flip.value).all()
    assert "random neurons" not in found.summary()


def test_table_and_summary_hold_the_same_numbers(result):
    frame = result.to_frame()
    assert len(frame) == 4 * 6 * len(ALPHAS)
    mean = frame[(frame.quantity == "flip") & (frame["set"] == "mean")]
    np.testing.assert_allclose(mean.value, result.flip.mean)
    np.testing.assert_allclose(mean.alpha, ALPHAS)
    sad = frame[(frame.quantity == "log_prob") & (frame["set"] == "sad")]
    np.testing.assert_allclose(sad.low, result.log_prob.low[3])
    text = result.summary()
    assert f"{result.flip.mean[-1]:.1%}" in text
    assert "at alpha 16" in text
    assert f"{result.random_flip_rate().value:.1%}" in text


def test_files_hold_everything(result, tmp_path):
    result.save(tmp_path / "dose.json")
    loaded = DoseResponse.load(tmp_path / "dose.json")
    assert loaded.to_dict() == result.to_dict()
    np.testing.assert_array_equal(loaded.flip.value, result.flip.value)
    assert loaded.flip_rate(2) == result.flip_rate(2)
