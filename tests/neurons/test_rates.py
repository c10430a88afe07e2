"""Rates and means of statistics, against plain loops over clips."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_gates import (
    EMOTIONS,
    HeardClip,
    heard_clips,
    origin,
    statistics_from_counts,
    statistics_of,
)

from esn_interp.errors import StatisticsError
from esn_interp.neurons.rates import Spread

SCOPES = {"audio": [0], "text": [1], "last": [2], "all": [0, 1, 2]}


def precise_clips(n: int) -> list[HeardClip]:
    return heard_clips(n, dtype=np.float64)


# ------------------------------------------------------------------ rates


def brute_rates(clips: list[HeardClip], scopes: list[str], pooling: str, *, kept_only: bool):
    """P and mu of every emotion and gate, from whole activations."""
    frequency, mean = [], []
    for emotion in range(len(EMOTIONS)):
        rates, means, tokens = [], [], []
        for clip in clips:
            if clip.emotion != emotion or (kept_only and not clip.kept):
                continue
            gates = np.concatenate(clip.gates, axis=1).astype(np.float64)
            parts = [gates[np.isin(clip.scopes, SCOPES[scope])] for scope in scopes]
            rates.append(np.mean([(part > 0).mean(axis=0) for part in parts], axis=0))
            means.append(np.mean([part.mean(axis=0) for part in parts], axis=0))
            tokens += parts
        pool = np.concatenate(tokens)
        frequency.append(np.mean(rates, axis=0) if pooling == "clip" else (pool > 0).mean(axis=0))
        mean.append(np.mean(means, axis=0) if pooling == "clip" else pool.mean(axis=0))
    return np.array(frequency), np.array(mean)


@pytest.mark.parametrize("scope", ["all", "audio", "last", "audio,last", "last, text,audio"])
@pytest.mark.parametrize("pooling", ["clip", "token"])
@pytest.mark.parametrize("filter", ["correct", "none"])
def test_rates(scope: str, pooling: str, filter: str):
    clips = precise_clips(25)
    rates = statistics_of(clips).rates(scope=scope, pooling=pooling, filter=filter)
    names = [name.strip() for name in scope.split(",")]
    frequency, mean = brute_rates(clips, names, pooling, kept_only=filter == "correct")
    np.testing.assert_allclose(rates.frequency, frequency, rtol=1e-12)
    np.testing.assert_allclose(rates.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(rates.grand_mean, mean.mean(axis=0), rtol=1e-10)


def test_pooling_tokens_of_audio_and_text_mistakes_duration_for_emotion():
    # The gate fires at 40 % of audio and 10 % of text tokens whatever the emotion; sad clips are longer.
    def clip(emotion: int, audio: int) -> HeardClip:
        fires = np.r_[np.arange(audio) % 5 < 2, np.arange(30) % 10 < 1, [False]]
        gates = [np.where(fires, 1.0, -1.0)[:, None].astype(np.float32)]
        return HeardClip(f"{emotion}", emotion, True, gates, np.array([0] * audio + [1] * 30 + [2]))

    stats = statistics_of([clip(0, 100), clip(1, 60)], emotions=("sad", "angry"), widths=(1,))
    by_token = stats.rates(scope="audio,text", pooling="token").frequency[:, 0]
    by_clip = stats.rates(scope="audio,text", pooling="clip").frequency[:, 0]
    np.testing.assert_allclose(by_token, [43 / 130, 27 / 90])
    np.testing.assert_allclose(by_clip, [0.25, 0.25])


def test_mean_magnitude():
    clips = precise_clips(25)
    gates = [np.concatenate(clip.gates, axis=1).astype(np.float64) for clip in clips]
    for scope, codes in SCOPES.items():
        tokens = [
            np.concatenate(
                [g[np.isin(c.scopes, codes)] for g, c in zip(gates, clips, strict=True) if c.emotion == e]
            )
            for e in range(len(EMOTIONS))
        ]
        expected = np.mean([np.abs(pool).mean(axis=0) for pool in tokens], axis=0)
        np.testing.assert_allclose(statistics_of(clips).magnitude(scope=scope), expected, rtol=1e-12)


def test_an_emotion_with_a_single_token_has_a_magnitude_and_one_without_any_does_not_count():
    clips = precise_clips(25)[:3]
    assert sorted(clip.emotion for clip in clips) == [0, 1, 2]
    last = [np.concatenate(clip.gates, axis=1)[np.isin(clip.scopes, SCOPES["last"])] for clip in clips]
    assert [len(tokens) for tokens in last] == [1, 1, 1]
    np.testing.assert_allclose(statistics_of(clips).magnitude(scope="last"), np.abs(last)[:, 0].mean(axis=0))
    np.testing.assert_allclose(statistics_of(clips[:2]).magnitude(scope="last"), np.abs(last)[:2, 0].mean(axis=0))


def test_the_instruction_counts_only_where_nothing_else_is_told_apart():
    stats = statistics_of(precise_clips(25))
    assert stats.usual_scope == "audio,last"
    np.testing.assert_array_equal(stats.rates().mean, stats.rates(scope="audio,last").mean)
    assert replace(stats, scopes=("audio", "generated")).usual_scope == "all"


def test_the_variance_of_two_clips_is_half_the_square_of_their_difference():
    found = Spread(np.array([[2.0], [4.0]]), np.array([[5.0], [17.0]]), np.array([[2], [2]])).variance  # 1, 3 and 3, 5
    np.testing.assert_allclose(found, [[2.0], [2.0]])


def test_a_gate_that_never_varies_has_the_variance_that_rounding_leaves():
    """In the second gate, which two of the emotions never reached, of the mean square over the clips that did."""
    mean, clips = np.array([[1.0, 2.0], [3.0, 0.0], [3.0, 0.0]]), np.array([[4, 2], [2, 0], [2, 0]])
    floor = [1e-12 * (4 * 1 + 2 * 9 + 2 * 9) / 8, 1e-12 * 4]
    np.testing.assert_allclose(Spread(mean, mean**2, clips).variance, [floor] * 3)


def test_too_few_clips_are_refused_with_the_emotion():
    clips = [clip for clip in heard_clips(25) if clip.emotion != 2 or not clip.kept]
    stats = statistics_of(clips)
    with pytest.raises(StatisticsError, match=f"'angry': 0 of {stats.seen['angry']} clips are labelled"):
        stats.rates()
    assert (stats.rates(filter="none").clips == list(stats.seen.values())).all()
    with pytest.raises(StatisticsError, match=r"'neutral'.*99 needed"):
        stats.rates(filter="none", min_clips=99)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"scope": "generated"}, "unknown scope 'generated'; choose from audio, text, last, all"),
        ({"scope": ""}, "unknown scope ''"),
        ({"scope": "all,audio"}, "name it alone"),
        ({"pooling": "mean"}, "unknown pooling 'mean'; choose clip or token"),
        ({"filter": "wrong"}, "unknown filter 'wrong'; choose correct or none"),
    ],
)
def test_unknown_choices_are_refused(options: dict[str, str], part: str):
    with pytest.raises(StatisticsError, match=part):
        statistics_of(heard_clips(25)).rates(**options)


def test_counts_stay_exact_where_floats_would_round():
    firings = np.array([[2**53 + 1, 7], [2**24 + 1, 2**60]], dtype=np.int64)
    a, b = (statistics_from_counts(firings, np.array([2**61, 2**61]), (1, 1), ("a", "b")) for _ in range(2))
    merged = a + replace(b, origin=origin(widths=(1, 1), clips="f1"))
    assert merged.arrays()["audio/firings/00"][:2, 0].tolist() == [2**54 + 2, 2**25 + 2]
    assert merged.rates(scope="audio").firings.tolist() == [[2**54 + 2, 14], [2**25 + 2, 2**61]]
