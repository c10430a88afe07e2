"""Effects of steering on conversions, where they are planted: levels, paired changes, intervals, what failed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_conversions import TARGETS, condition, failed, heard_as
from scipy import stats

from esn_interp.analysis.conversion.acoustic_demand import demanded, directions
from esn_interp.analysis.conversion.effect import conversion_effect
from esn_interp.analysis.conversion.effect_result import RANDOM, STEERED, UNSTEERED, ConversionEffect
from esn_interp.analysis.conversion.measures import MEASURES, Outcomes
from esn_interp.analysis.inference.misheard import sharpness
from esn_interp.analysis.inference.significance import holm, sign_flip_test
from esn_interp.errors import StatisticsError
from esn_interp.speech.acting import RULES
from esn_interp.speech.clips import Clips
from esn_interp.tasks.judges.canaries import Canaries

SEXES = ("female", "male")
SHIFTS = {"happy": 3.0, "angry": 1.0, "sad": -2.0, "fearful": 4.0}


def unsteered_success(speaker: int, clip: int, target: str) -> bool:
    return clip == 0


def steered_success(speaker: int, clip: int, target: str) -> bool:
    """Half of what is missing is gained, more by some speakers; and never for sadness."""
    return clip == 0 or (target != "sad" and clip <= 1 + speaker % 3)


def semitones(by: float, noise: float = 0.3):
    return lambda target, rng: 180.0 * 2 ** ((by * SHIFTS[target] + noise * rng.normal()) / 12)


BEFORE = condition(unsteered_success, f0_mean=semitones(0))
AFTER = condition(steered_success, f0_mean=semitones(1), wer=0.15)
BY_CHANCE = condition(lambda speaker, clip, target: clip == (speaker == 0), f0_mean=semitones(0))


def effect(**outcomes) -> ConversionEffect:
    given = {UNSTEERED: BEFORE, STEERED: AFTER, RANDOM: BY_CHANCE} | outcomes
    return conversion_effect(given, targets=TARGETS, voices="unseen", judge="made-up")


@pytest.fixture(scope="module")
def result() -> ConversionEffect:
    return effect()


def gains(target: str, first=AFTER, second=BEFORE) -> np.ndarray:
    """Each speaker's own change of accuracy, counted by hand."""
    speakers = sorted({o.speaker for o in BEFORE})

    def share(rows, speaker):
        mine = [o.label == o.target for o in rows if o.target == target and o.speaker == speaker]
        return np.mean(mine)

    return np.array([share(first, s) - share(second, s) for s in speakers])


def test_levels_and_changes_are_what_was_planted(result):
    assert result.of("accuracy", UNSTEERED).value == 1 / 4
    assert result.of("wer", STEERED).value == pytest.approx(0.15)
    assert result.change_of("wer").value == pytest.approx(0.05)
    assert result.change_of("accuracy", STEERED, "sad").value == 0
    for target in TARGETS:
        assert result.change_of("accuracy", STEERED, target).value == pytest.approx(gains(target).mean())
        shift = 12 / np.log(2) * result.change_of("f0", STEERED, target).value
        assert shift == pytest.approx(SHIFTS[target], abs=0.2)
    np.testing.assert_array_equal(result.change.value[0], 0)


def test_intervals_are_students_over_speakers(result):
    for target in ("happy", "angry"):
        found, by_speaker = result.change_of("accuracy", STEERED, target), gains(target)
        low, high = stats.t.interval(0.95, 7, by_speaker.mean(), stats.sem(by_speaker))
        assert (found.low, found.high, found.speakers) == (pytest.approx(low), pytest.approx(high), 8)
    mean = np.mean([gains(target) for target in TARGETS], axis=0)
    low, high = stats.t.interval(0.95, 7, mean.mean(), stats.sem(mean))
    found = result.change_of("accuracy")
    assert (found.value, found.low, found.high) == pytest.approx((mean.mean(), low, high))


def test_steered_and_random_neurons_are_compared_speaker_by_speaker(result):
    p = [sign_flip_test(gains(target, AFTER, BY_CHANCE)) for target in TARGETS]
    np.testing.assert_allclose(result.p_holm, holm(np.array(p)))
    at = result.measures.index("accuracy")
    own = result.change.value[1, at] - result.change.value[2, at]
    np.testing.assert_allclose(result.over_random.value[at], own)
    assert result.mean_over_random.value[at] == pytest.approx(own.mean())


def test_what_was_heard_is_counted(result):
    assert result.labels[-1] == ""
    assert result.heard.sum() == 3 * 8 * 4 * 4
    row = result.heard[1, TARGETS.index("sad")]
    assert row[result.labels.index("sad")] == 8
    assert row[result.labels.index("neutral")] == 24


def test_attempts_that_failed_count_as_missed_and_are_named():
    after = [
        failed(o.clip, o.speaker, o.target, "vocoder failed") if o.speaker == "s3" else o for o in AFTER
    ]
    found = effect(**{STEERED: after})
    assert found.of("accuracy", STEERED, "happy").value == pytest.approx(
        np.mean([o.label == "happy" and o.speaker != "s3" for o in AFTER if o.target == "happy"])
    )
    assert found.of("failed").value == pytest.approx(1 / 8)
    assert found.of("wer").value == pytest.approx((7 * 0.15 + 1) / 8)
    assert {(p.name, p.target, p.count) for p in found.problems} == {("vocoder failed", t, 4) for t in TARGETS}
    assert found.heard[1, :, -1].tolist() == [4, 4, 4, 4]
    # Nobody heard a pitch: the other speakers are compared.
    assert np.isfinite(found.change_of("f0").value)


def test_a_source_without_words_is_no_failure_and_has_no_error_rate():
    rows = [replace(o, problem="no transcript", wer=np.nan, cer=np.nan) for o in AFTER]
    found = effect(**{UNSTEERED: rows, STEERED: rows, RANDOM: rows})
    assert found.of("failed").value == 0
    assert np.isnan(found.of("wer").value)
    assert found.of("accuracy").value == effect().of("accuracy").value
    assert sum(p.count for p in found.problems) == 3 * len(rows)
    assert "nan" in found.summary()


def test_a_rate_above_one_counts_as_one():
    found = effect(**{STEERED: [replace(o, wer=9.0) for o in AFTER]})
    assert found.of("wer").value == 1


def test_few_speakers_give_no_p_value_and_a_note():
    some = {
        name: [o for o in rows if o.speaker in ("s0", "s1")]
        for name, rows in {UNSTEERED: BEFORE, STEERED: AFTER, RANDOM: BY_CHANCE}.items()
    }
    found = effect(**some)
    assert np.isnan(found.p_holm).all()
    assert any("only 2 speakers" in note for note in found.notes)
    alone = effect(**{name: [o for o in rows if o.speaker == "s0"] for name, rows in some.items()})
    assert np.isnan(alone.change_of("accuracy").low)
    assert any("one speaker only" in note for note in alone.notes)


def test_a_target_without_conversions_is_unknown_and_left_out_of_the_means():
    some = [[o for o in rows if o.target != "sad"] for rows in (BEFORE, AFTER, BY_CHANCE)]
    found = effect(**dict(zip((UNSTEERED, STEERED, RANDOM), some, strict=True)))
    assert np.isnan(found.change_of("accuracy", STEERED, "sad").value)
    assert found.change_of("accuracy").value == pytest.approx(np.mean([gains(t).mean() for t in TARGETS if t != "sad"]))


def test_conditions_must_hold_the_same_conversions():
    with pytest.raises(StatisticsError, match="other conversions"):
        effect(**{STEERED: AFTER[:-1]})
    with pytest.raises(StatisticsError, match="other conversions"):
        effect(**{STEERED: [*AFTER, AFTER[0]]})
    with pytest.raises(StatisticsError, match="no conversion of unseen speakers"):
        effect(**{UNSTEERED: [], STEERED: [], RANDOM: []})


def test_it_survives_its_file(result, tmp_path):
    result.save(tmp_path / "effect.json")
    again = ConversionEffect.load(tmp_path / "effect.json")
    assert again.to_dict() == result.to_dict()
    Outcomes((AFTER[0], failed("a", "b", "sad"))).save(tmp_path / "outcomes.json")
    rows = Outcomes.load(tmp_path / "outcomes.json").rows
    assert rows[0] == AFTER[0]
    assert rows[1].problem == "nothing said"
    assert rows[1].label == rows[1].filter_label == ""
    assert np.isnan(rows[1].f0_mean)


def test_the_frame_holds_every_number(result):
    frame = result.to_frame()
    assert len(frame) == 3 * len(MEASURES) * 5
    row = frame.query("condition == 'steered' and measure == 'accuracy' and target == 'mean'").iloc[0]
    assert row.change == result.change_of("accuracy").value


def test_the_summary_says_what_was_gained_and_what_it_cost(result):
    text = result.summary()
    assert "from 25.0%" in text
    assert f"{100 * result.change_of('accuracy').value:+.1f}" in text
    assert "+5.0" in text


# ---------------------------------------------------------------- directions


@pytest.mark.parametrize(
    ("emotion", "measure", "sign"),
    [
        ("happy", "f0", 1),
        ("happy", "energy", 1),
        ("happy", "range", 1),
        ("happy", "duration", 0),
        ("angry", "energy", 1),
        ("angry", "f0", 0),
        ("sad", "energy", -1),
        ("sad", "duration", 1),
        ("sad", "range", -1),
        ("fearful", "f0", 1),
        ("fearful", "duration", -1),
        ("fearful", "energy", 0),
        ("bored", "f0", 0),
    ],
)
def test_what_acoustics_demand(emotion, measure, sign):
    assert demanded(emotion, measure) == sign
    if emotion in RULES and measure == "f0":
        levels = np.sign([RULES[emotion].first.level, RULES[emotion].second.level])
        assert (levels == sign).all() or (sign == 0 and len(set(levels)) == 2)


def test_directions_agree_where_the_voice_moved_as_demanded():
    # Were all clips moved alike, to the digit, nothing could be said of further speakers.
    varied = effect(**{STEERED: condition(steered_success, f0_mean=semitones(1, noise=0.5))})
    found = {(one.target, one.measure): one.verdict for one in directions(varied)}
    assert found["happy", "f0"] == "agrees"
    assert found["fearful", "f0"] == "agrees"
    assert found["angry", "f0"] == "open"
    assert found["happy", "energy"] == "unclear"
    louder = effect(**{STEERED: condition(steered_success, energy=lambda target, rng: -20 + 0.1 * rng.normal())})
    found = {(one.target, one.measure): one.verdict for one in directions(louder)}
    assert (found["angry", "energy"], found["sad", "energy"]) == ("agrees", "disagrees")
    assert {one.verdict for one in directions(louder)} >= {"agrees", "disagrees", "open"}


# ---------------------------------------------------------------- figures


def test_the_figures_hold_the_numbers(result):
    figure = result.plot()
    marks = [t for t in figure.data if t.x[0] is not None]
    steered = next(t for t in marks if t.name == "steered")
    np.testing.assert_allclose(steered.x[:-1], 100 * result.level.value[1, 0])
    assert steered.x[-1] == pytest.approx(100 * result.of("accuracy").value)
    shifts = result.plot_prosody()
    f0 = next(t for t in shifts.data if t.name == "steered")
    np.testing.assert_allclose(f0.x, 12 / np.log(2) * result.change.value[1, result.measures.index("f0")])
    assert shifts.layout.yaxis.ticktext == ("happy ↑", "angry", "sad", "fearful ↑")


def test_figures_are_drawn_without_prosody_and_without_intervals():
    silent = {
        name: [replace(o, f0_mean=np.nan, f0_range=np.nan, energy=np.nan, rate=np.nan, duration=np.nan)
               for o in rows if o.speaker == "s0"]
        for name, rows in {UNSTEERED: BEFORE, STEERED: AFTER}.items()
    }  # fmt: skip
    found = conversion_effect(silent, targets=TARGETS, voices="seen", judge="made-up")
    assert not found.plot_prosody().data
    assert len(found.plot().data) == 2 * 2 + 2
    assert heard_as("sad")["sad"] == 0.8


def test_a_judge_who_mishears_leaves_a_band_around_what_it_heard(result):
    confusion = np.array([[45, 5], [10, 40]])
    tried = Canaries("made-up", "some", ("happy", "sad"), ("happy", "sad"), confusion)
    heard = result.change_of("accuracy", STEERED, "happy").value
    found = result.true_gain(tried, "happy")
    sharp = sharpness(confusion, ("happy", "sad"), ("happy", "sad"), "happy")
    assert (found.low, found.high) == pytest.approx((heard / sharp.high, min(heard / sharp.low, 1)))
    assert found.low < heard / 0.7 < found.high
    with pytest.raises(StatisticsError, match="no angry clip"):
        result.true_gain(tried, "angry")
    with pytest.raises(StatisticsError, match="try the same judge"):
        result.true_gain(replace(tried, judge="another"), "happy")


def test_who_gains_is_told_where_the_corpus_knows_who_speaks():
    rows = pd.DataFrame(
        [
            {"id": name, "audio": b"", "emotion": "neutral", "speaker": speaker, "sex": SEXES[int(speaker[-1]) % 2]}
            for name, speaker in sorted({(o.clip, o.speaker) for o in BEFORE})
        ]
    )
    clips = Clips.from_frame(rows, name="made-up")
    given = {UNSTEERED: BEFORE, STEERED: AFTER, RANDOM: BY_CHANCE}
    found = conversion_effect(given, targets=TARGETS, voices="unseen", judge="made-up", clips=clips)
    for at, sex in enumerate(SEXES):
        mine = {name: [o for o in some if int(o.speaker[-1]) % 2 == at] for name, some in given.items()}
        alone = conversion_effect(mine, targets=TARGETS, voices="unseen", judge="made-up")
        for name in ("accuracy", "wer"):
            title = f"change of {MEASURES[name].title}, {STEERED}"
            (row,) = [one for one in found.groups if (one.group, one.effect) == (sex, title)]
            assert row.value.value == pytest.approx(alone.change_of(name).value)
    assert any(note.startswith("by sex, change of heard as the target, steered in points") for note in found.notes)
    assert effect().groups == ()
