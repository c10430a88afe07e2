"""Conversions: what is asked, what can go wrong and is named, what is kept, and which of them succeeded."""


from dataclasses import replace

import numpy as np
import pytest
from puppet_model import CODES, RATE, SILENT, Puppet, convert, said, sources, tone

from esn_interp.errors import CorpusError, ModelError, StatisticsError
from esn_interp.models.conversion import ConversionPrompt, conversion_prompt
from esn_interp.models.speech_problems import PROBLEMS, problem_of
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.tasks.conversion_record import conversion_seed
from esn_interp.tasks.success import REASONS, SuccessFilter, conversion_statistics, judge


class Ear:
    """Hears what the height of a tone says: emotions by tenths, and always the same words."""

    name, emotions = "ear", ("happy", "sad", "neutral")

    def __init__(self, words: str = "the cat") -> None:
        self.words, self.heard = words, 0

    def probabilities(self, waveforms, rate):
        assert rate == RATE
        self.heard += len(waveforms)
        heights = np.array([float(np.abs(wave).max()) for wave in waveforms])
        return np.stack([heights, (1 - heights) / 2, (1 - heights) / 2], axis=1)

    def transcribe(self, waveforms, rate):
        return [self.words] * len(waveforms)

    def normalise(self, text):
        return text.lower()


@pytest.mark.parametrize(
    ("spoken", "problem"),
    [
        (said("I'm sorry, but I can't do that."), "refused"),
        (said("As an AI, I have no voice"), "refused"),
        (said("", waveform=SILENT, codes=None, words=0), "nothing said"),
        (said(waveform=SILENT, codes=CODES[:0]), "nothing said"),
        (said("happy"), "one token"),
        (said(codes=CODES[:1]), "one token"),
        (said(ended=False), "never ended"),
        (said(waveform=SILENT, failure="RuntimeError: no power"), "vocoder failed: RuntimeError: no power"),
        (said(waveform=SILENT), "vocoder failed: there is no sound"),
        (said(waveform=np.full(9, np.nan, np.float32)), "vocoder failed: the sound is not finite"),
        (said(waveform=tone(height=0.0)), "vocoder failed: the sound is silent (peak 0.0e+00)"),
        (said(), None),
    ],
)
def test_every_problem_is_named_and_counted_and_no_conversion_is_lost(spoken, problem):
    assert problem_of(spoken, "the cat") == problem
    bad = conversion_seed(0, "neutral0", "sad")
    run = convert(Puppet(lambda request, seed: spoken if seed == bad else said()), gates=True, batch_size=3)
    found = {one.id: one.problem for one in run.conversions}
    assert len(found) == 6
    assert found.pop("neutral0 to sad") == problem
    assert not any(found.values())
    assert run.problems == ({} if problem is None else {problem.partition(":")[0]: 1})
    assert all(np.isfinite(one.waveform).all() for one in run.conversions)
    verdicts = judge(run, emotion=Ear(), transcript=Ear(), progress=False)
    if problem is not None:
        (worst,) = [one for one in verdicts if one.conversion.problem]
        assert problem.partition(":")[0] in worst.reasons
        assert not worst.kept


def test_a_source_without_transcript_is_converted_and_named():
    run = convert(Puppet(), sources("neutral", transcript=""))
    assert run.problems == {"no transcript": 4}
    assert all(one.audible for one in run.conversions)
    assert {one.reasons[-1] for one in judge(run, emotion=Ear(), transcript=Ear(), progress=False)} == {"no transcript"}
    loud = Puppet(lambda request, seed: said(waveform=tone(height=0.9)))
    loud = convert(loud, sources("sad", transcript=""), ["happy"])
    (verdict, _) = judge(loud, emotion=Ear(), success=SuccessFilter(max_wer=None), progress=False)
    assert verdict.kept, "who does not compare words needs none"
    assert np.isnan(verdict.wer)


def test_what_the_source_says_is_no_refusal_and_one_word_may_be_all():
    assert problem_of(said("I can't see it"), "I can’t see it") is None
    assert problem_of(said("yes"), "yes") is None
    assert set(PROBLEMS) >= {"refused", "nothing said", "one token", "never ended", "vocoder failed", "no transcript"}


def test_every_clip_is_said_with_every_emotion_but_its_own():
    run = convert(lm := Puppet(), batch_size=2)
    assert [one.id for one in run.conversions] == [
        "neutral0 to happy", "neutral0 to sad", "neutral1 to happy", "neutral1 to sad",
        "happy0 to sad", "happy1 to sad",
    ]  # fmt: skip
    assert lm.batches == [2, 2, 2]
    one = run.conversions[0]
    assert (one.speaker, one.source_emotion, one.transcript) == ("s0", "neutral", "the cat")
    assert (one.tokens, one.rate) == (4, RATE)


def test_requests_name_the_emotion_with_its_article():
    convert(lm := Puppet(), sources("neutral"), ["angry", "sad"])
    assert [request for request, _ in dict.fromkeys(lm.requests)] == [
        "Repeat exactly what is said in this recording, word for word, in an angry voice.",
        "Repeat exactly what is said in this recording, word for word, in a sad voice.",
    ]
    lm.name = "some/folder/toy-omni"
    assert conversion_prompt(lm).prompt.startswith("Repeat exactly"), "what a model is called says nothing of it"
    lm.taught = ConversionPrompt("Say it again.", system="{article} {emotion} voice")
    assert conversion_prompt(lm).about("angry") == ("Say it again.", "an angry voice")
    with pytest.raises(ModelError, match=r"only \{emotion\} and \{article\}"):
        ConversionPrompt("Say it {how}.")


def test_seeds_depend_on_clip_and_target_alone():
    runs = [convert(Puppet(), batch_size=size, edits_for=edits) for size, edits in ((1, None), (4, lambda target: []))]
    assert [one.seed for one in runs[0].conversions] == [one.seed for one in runs[1].conversions]
    assert len({one.seed for one in runs[0].conversions}) == 6
    assert convert(Puppet(), seed=1).conversions[0].seed != runs[0].conversions[0].seed
    assert conversion_seed(0, "a", "sad") == conversion_seed(0, "a", "sad") < 2**48


@pytest.mark.parametrize(
    ("targets", "message"),
    [([], "name one or more"), (["sad", "sad"], "each once"), (["neutral"], "only clips of this emotion")],
)
def test_nothing_to_convert_is_told(targets, message):
    with pytest.raises(CorpusError, match=message):
        convert(Puppet(), sources("neutral"), targets)


def test_bad_sources_are_skipped_and_listed(tmp_path):
    clips = sources("neutral", per_emotion=3)
    frame = clips.dataset.to_pandas()
    frame.at[1, "audio"] = {"bytes": b"no audio", "path": None}
    run = convert(Puppet(), type(clips).from_frame(frame, name="noises"))
    assert len(run) == 4
    assert [(one.clip, "not audio" in one.reason) for one in run.skipped] == [("neutral1", True)]


# ---------------------------------------------------------------- success


def by_height(heights: dict[str, float]) -> Puppet:
    seeds = {conversion_seed(0, clip, "happy"): height for clip, height in heights.items()}
    return Puppet(lambda request, seed: said(waveform=tone(height=seeds.get(seed, 0.9))))


def test_the_filter_says_why_and_counts_what_it_keeps():
    run = convert(by_height({"neutral0": 0.9, "neutral1": 0.4, "sad0": 0.2}), sources("neutral", "sad"), ["happy"])
    verdicts = judge(run, emotion=Ear(), transcript=Ear("the dog"), success=SuccessFilter(max_cer=0.9), progress=False)
    assert [one.reasons for one in verdicts] == [
        ("words lost",), ("emotion unsure", "words lost"), ("other emotion", "words lost"), ("words lost",),
    ]  # fmt: skip
    assert verdicts[0].wer == 0.5
    assert verdicts[0].probability == pytest.approx(0.9, abs=1e-3)
    assert verdicts[2].emotion == "sad"
    loose = SuccessFilter(0.3, max_wer=0.5)
    loose = judge(run, emotion=Ear(), transcript=Ear("the dog"), success=loose, progress=False)
    assert [one.kept for one in loose] == [True, True, False, True]
    off = judge(run, emotion=Ear(), transcript=Ear("the dog"), success=SuccessFilter(use=False), progress=False)
    assert all(one.kept for one in off)
    assert [one.reasons for one in off] == [one.reasons for one in verdicts]
    assert {reason for one in verdicts for reason in one.reasons} <= {*REASONS, *PROBLEMS}


def test_silence_is_not_put_before_a_judge():
    run = convert(Puppet(lambda request, seed: said("", waveform=SILENT, codes=None, words=0)), sources("neutral"))
    ear = Ear()
    verdicts = judge(run, emotion=ear, transcript=ear, progress=False)
    assert ear.heard == 0
    assert [one.reasons for one in verdicts] == [("nothing said",)] * 4
    assert not any(one.kept for one in verdicts)
    assert all(np.isnan(one.probability) and one.emotion is None for one in verdicts)


def test_judges_that_do_not_fit_are_refused():
    run = convert(Puppet(), sources("neutral"), ["angry"])
    with pytest.raises(StatisticsError, match="judge ear can't hear whether speech is angry"):
        judge(run, emotion=Ear(), transcript=Ear())
    with pytest.raises(StatisticsError, match="no judge of words"):
        judge(convert(Puppet()), emotion=Ear())
    with pytest.raises(StatisticsError, match="emotion_threshold 2: it must be at least 0 and at most 1"):
        SuccessFilter(2.0)


def test_statistics_add_up_the_conversions_on_their_side_of_the_filter(tmp_path):
    lm = by_height({"neutral0": 0.2})
    mute = conversion_seed(0, "neutral1", "sad")
    table, nothing = lm.table, said("", waveform=SILENT, codes=None, words=0)
    lm.table = lambda request, seed: nothing if seed == mute else table(request, seed)
    run = convert(lm, gates=True, batch_size=4)
    verdicts = judge(run, emotion=Ear(), transcript=Ear(), progress=False)
    stats = conversion_statistics(lm, run, verdicts, per_clip=True)
    assert stats.scopes == ("audio", "text", "last", "generated")
    assert stats.emotions == ("happy", "sad")
    assert stats.kept == {"happy": 1, "sad": 0}
    assert stats.seen == {"happy": 2, "sad": 3}
    assert stats.skipped == (("neutral1 to sad", "nothing said"),)
    assert run.reductions is not None
    rows = {one.id: sums for one, sums in zip(run.conversions, run.reductions, strict=True) if sums is not None}
    sad = [rows[f"{clip} to sad"] for clip in ("neutral0", "happy0", "happy1")]
    for scope in stats.scopes:
        total = sum(one.sums[f"{scope}/sum"][0] for one in sad)
        np.testing.assert_allclose(stats.sums[f"{scope}/sum"][3], total)
        assert stats.tokens[scope][3] == sum(int(one.tokens[scope][0]) for one in sad)
    stats.save(tmp_path / "s.safetensors")
    loaded = GateStatistics.load(tmp_path / "s.safetensors")
    assert loaded.success == "converted with success"
    assert loaded.scopes == stats.scopes
    esns = select(loaded, "mad", count=1, scope="generated", filter="none")
    assert esns.emotions == ("happy", "sad")
    with pytest.raises(StatisticsError, match="'sad': 0 of 3 clips are converted with success"):
        loaded.rates()


def test_statistics_of_another_run_or_without_gates_are_refused():
    lm = Puppet()
    bare, run = convert(lm), convert(lm, gates=True)
    with pytest.raises(StatisticsError, match="convert with gates=True"):
        conversion_statistics(lm, bare, judge(bare, emotion=Ear(), transcript=Ear(), progress=False))
    verdicts = judge(run, emotion=Ear(), transcript=Ear(), progress=False)
    with pytest.raises(StatisticsError, match="other conversions"):
        conversion_statistics(lm, run, verdicts[1:])
    other = Puppet()
    other.fingerprint = "4567"
    with pytest.raises(StatisticsError, match="the conversions come from"):
        conversion_statistics(other, run, verdicts)


def test_a_conversion_whose_gates_are_no_numbers_is_left_out_and_some_must_remain():
    lm = Puppet()
    run = convert(lm, gates=True)
    verdicts = judge(run, emotion=Ear(), transcript=Ear(), progress=False)
    assert run.reductions is not None
    first, *others = run.reductions
    assert first is not None
    lost = {name: values * np.nan for name, values in first.sums.items() if values.dtype.kind == "f"}
    broken = replace(first, sums=first.sums | lost)
    one = replace(run, reductions=[broken, *others])
    assert (run.conversions[0].id, "its gates are not finite") in conversion_statistics(lm, one, verdicts).skipped
    none = replace(run, reductions=[None for _ in run.reductions])
    with pytest.raises(StatisticsError, match=r"left gates; the first is .*: some scope has no token"):
        conversion_statistics(lm, none, verdicts)


def test_characters_that_are_lost_are_named_beside_the_words():
    run = convert(Puppet())
    strict = SuccessFilter(max_wer=0.9, max_cer=0.0)
    verdicts = judge(run, emotion=Ear(), transcript=Ear("the cot"), success=strict, progress=False)
    assert all("characters lost" in one.reasons and "words lost" not in one.reasons for one in verdicts)


def test_silence_has_no_player():
    (one, *_) = convert(Puppet()).conversions
    assert "<audio" in one._repr_html_()
    assert "no sound" in replace(one, waveform=SILENT, problem="never ended")._repr_html_()
    assert "(never ended)" in replace(one, waveform=SILENT, problem="never ended")._repr_html_()
