"""What would spoil a study is found: bad clips, copies over splits, speakers who give the emotion away."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from miniature_corpora.parts import tone
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association

from esn_interp.analysis.corpus_check.figure import MOST, _span, draw, sound
from esn_interp.analysis.corpus_check.measure import check_corpus, confounding, counted
from esn_interp.analysis.corpus_check.page import corpus_page, problem_rows
from esn_interp.analysis.corpus_check.result import CorpusCheck
from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus
from esn_interp.speech.hygiene import examine

EMOTIONS = ("neutral", "happy", "angry", "sad")


def encoded(wave: np.ndarray, form: str = "WAV") -> bytes:
    file = io.BytesIO()
    subtype = "PCM_16" if form == "FLAC" else "FLOAT"
    soundfile.write(file, wave, 16_000, format=form, subtype=subtype)
    return file.getvalue()


def voice(seed: int, seconds: float = 0.3, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).uniform(-1, 1, round(16_000 * seconds))).astype(np.float32)


def clips_of(rows: list[dict[str, object]], name: str = "made") -> Clips:
    return Clips.from_frame(pd.DataFrame(rows), name=name)


def good(speakers: int = 6, takes: int = 2) -> list[dict[str, object]]:
    return [
        {
            "id": f"{s}-{emotion}-{take}",
            "audio": encoded(voice(100 * s + 10 * e + take)),
            "emotion": emotion,
            "speaker": f"s{s}",
        }
        for s in range(speakers)
        for e, emotion in enumerate(EMOTIONS)
        for take in range(takes)
    ]


def test_a_sound_corpus_has_nothing_against_it() -> None:
    check = check_corpus(clips_of(good(speakers=16)), draws=50)
    assert check.problems == check.clipped == check.repeats == check.leaks == ()
    assert check.notes == ()
    assert check.require() is check
    assert check.balance.tolist() == [[2] * 4] * 16
    assert check.summary() == (
        "made: 128 of 128 clips can be used, 0.0 hours by 16 speakers in 4 emotions; no remarks"
    )
    assert {split: sum(counts.values()) for split, counts in check.splits.items()} == {
        "validation": 24, "identification": 40, "evaluation": 64,
    }  # fmt: skip
    np.testing.assert_allclose(check.seconds, 0.3)
    np.testing.assert_allclose(check.level, 20 * np.log10(0.1 / np.sqrt(3)), atol=0.2)


BAD = {
    "silent": (encoded(np.zeros(8_000, np.float32)), "silent"),
    "not finite": (encoded(np.where(np.arange(8_000) == 5, np.inf, voice(1, 0.5)).astype(np.float32)), "not finite"),
    "too short": (encoded(voice(1, 0.05)), "shorter than the 0.1 s"),
    "too long": (encoded(voice(1, 61.0)), "longer than the 60 s"),
    "empty": (b"", "empty file"),
    "not audio": (b"Dear listener, this is a letter.", "not audio"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_clip_is_listed_with_its_reason_and_the_rest_goes_on(kind: str) -> None:
    content, reason = BAD[kind]
    rows = good()
    rows[3]["audio"] = content
    if not content:
        rows[3]["audio"] = {"bytes": content, "path": None}
    check = check_corpus(clips_of(rows), draws=20)
    ((clip, problem),) = check.problems
    assert clip == rows[3]["id"]
    assert reason in problem
    assert any(f"clips that cannot be used: 1 {kind}" in note for note in check.notes)
    assert check.clips == len(rows)


def test_a_missing_file_is_a_problem_of_that_clip(tmp_path: Path) -> None:
    rows = good()
    rows[0]["audio"] = str(tmp_path / "gone.wav")
    check = check_corpus(clips_of(rows), draws=20)
    assert check.problems == (("0-neutral-0", "no such file"),)


def test_clipping_counts_samples_at_full_scale() -> None:
    wave = voice(1)
    for share, flagged in ((0.0, False), (0.0005, False), (0.002, True)):
        loud = wave.copy()
        loud[: round(share * len(wave))] = 1.0
        rows = good()
        rows[0]["audio"] = encoded(loud)
        assert check_corpus(clips_of(rows), draws=20).clipped == (("0-neutral-0",) if flagged else ())


def test_the_same_recording_in_two_splits_is_an_error_whatever_its_name_and_format() -> None:
    rows = good()
    quantised = np.round(voice(7) * 32768).clip(-32768, 32767) / 32768
    rows[0]["audio"] = encoded(quantised.astype(np.float32))  # speaker s0
    rows[-7]["audio"] = encoded(quantised, "FLAC")  # speaker s5, as neutral
    clips = clips_of(rows)
    parts = clips.split()
    apart = not any({"s0", "s5"} <= set(part.speakers) for part in parts)
    check = check_corpus(clips, draws=20)
    pair = ("0-neutral-0", "5-neutral-1")
    assert (check.leaks, check.repeats) == (((pair,), ()) if apart else ((), (pair,)))
    leaking = next(
        s for s in range(9) if not any({"s0", "s5"} <= set(p.speakers) for p in clips.split(seed=s))
    )
    with pytest.raises(CorpusError, match=r"in more than one split .*: 1, such as 0-neutral-0 and 5-neutral-1"):
        check_corpus(clips, draws=20, seed=leaking).require()


def test_the_same_recording_under_two_labels_is_an_error() -> None:
    rows = good()
    other = next(row for row in rows if row["speaker"] == rows[0]["speaker"] and row["emotion"] != rows[0]["emotion"])
    other["audio"] = rows[0]["audio"]
    check = check_corpus(clips_of(rows), draws=20)
    (pair,) = check.contradictions
    assert pair[0] == "0-neutral-0 (neutral)"
    assert f"({other['emotion']})" in pair[1]
    with pytest.raises(CorpusError, match=r"under several emotions: 1, such as 0-neutral-0 \(neutral\) and"):
        check.require()


def test_few_speakers_to_evaluate_on_are_told_with_the_way_out() -> None:
    check = check_corpus(clips_of(good()), draws=20)
    assert check.evaluated == 3
    (note,) = [note for note in check.notes if "to evaluate on" in note]
    assert note.startswith("3 speakers to evaluate on")
    assert "clips.folds()" in note
    assert check.summary().endswith("; 1 remark") == (len(check.notes) == 1)


def test_the_same_recording_within_a_split_is_a_remark() -> None:
    rows = good()
    rows[1]["audio"] = rows[0]["audio"]
    check = check_corpus(clips_of(rows), draws=20)
    assert check.leaks == check.contradictions == ()
    assert check.repeats == (("0-neutral-0", "0-neutral-1"),)
    told = "recordings that occur more than once within a split: 1 (0-neutral-0 = 0-neutral-1)"
    assert told in check.notes
    check.require()


def test_speakers_who_say_one_emotion_each_give_it_away() -> None:
    rows = [row for row in good(8, takes=4) if row["emotion"] == EMOTIONS[int(str(row["speaker"])[1:]) % 4]]
    check = check_corpus(clips_of(rows), draws=200)
    (found,) = check.confounding
    assert found.unit == "speaker"
    assert found.cramers_v > 0.9  # four clips a speaker: corrected for bias it is not quite 1
    assert (found.guess, found.chance) == (1.0, 0.25)
    assert found.p == pytest.approx(1 / 201)
    assert any(
        "speaker and emotion are confounded" in note and "100% of the clips" in note for note in check.notes
    )


def test_cramers_v_is_that_of_scipy_but_for_the_bias() -> None:
    rng = np.random.default_rng(0)
    speakers = rng.integers(0, 4, 6_000).astype(str).tolist()
    emotions = [s if rng.random() < 0.4 else str(rng.integers(0, 3)) for s in speakers]
    table = counted(speakers, sorted(set(speakers)), emotions, sorted(set(emotions)))
    found = confounding(speakers, emotions, unit="speaker", draws=50)
    assert found.cramers_v == pytest.approx(association(table, method="cramer"), abs=0.005)
    assert found.guess == table.max(axis=1).sum() / 6_000


def test_the_permutation_test_agrees_with_chi_square_and_the_bias_is_gone() -> None:
    rng = np.random.default_rng(1)
    p_values, v_values = [], []
    for seed in range(40):
        speakers = np.repeat(np.arange(20), 8).astype(str).tolist()
        emotions = rng.integers(0, 5, len(speakers)).astype(str).tolist()
        found = confounding(speakers, emotions, unit="speaker", draws=400, seed=seed)
        table = counted(speakers, sorted(set(speakers)), emotions, sorted(set(emotions)))
        p_values.append((found.p, chi2_contingency(table, correction=False).pvalue))
        v_values.append((found.cramers_v, association(table, method="cramer")))
    ours, theirs = np.array(p_values).T
    assert np.abs(ours - theirs).max() < 0.12
    assert (ours < 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)
    corrected, plain = np.array(v_values).T
    assert plain.mean() > 0.3 > 0.12 > corrected.mean()  # independent, and yet "a medium effect" uncorrected


def test_a_result_is_saved_and_loaded_and_told_as_a_table(tmp_path: Path) -> None:
    rows = good()
    rows[0]["audio"] = BAD["silent"][0]
    check = check_corpus(clips_of(rows), draws=20)
    check.save(tmp_path / "check.json")
    assert CorpusCheck.load(tmp_path / "check.json").to_dict() == check.to_dict()
    frame = check.to_frame()
    assert frame["clips"].sum() == len(rows)
    assert frame.query("speaker == 's3' and emotion == 'sad'")["clips"].item() == 2


def test_two_speakers_and_one_emotion_missing() -> None:
    rows = [row for row in good(2) if (row["speaker"], row["emotion"]) != ("s1", "sad")]
    check = check_corpus(clips_of(rows), draws=20)
    assert check.split_by == "sentence"  # each clip a sentence of its own
    assert check.balance.tolist() == [[2, 2, 2, 2], [2, 2, 2, 0]]
    tiny = check_corpus(clips_of(rows[:2]), draws=20)
    assert tiny.splits == {}
    assert any("cannot be divided" in note for note in tiny.notes)
    with pytest.raises(CorpusError, match="cannot be divided"):
        check_corpus(clips_of(rows[:2]), by="speaker")


def test_the_figures_show_what_was_counted() -> None:
    check = check_corpus(clips_of(good()), draws=20)
    figure = draw(check)
    assert np.array(figure.data[0].z).tolist() == check.balance.tolist()
    assert list(figure.data[0].x) == list(check.emotions)
    levels = sound(check)
    assert [trace.x[0] for trace in levels.data[:4]] == pytest.approx(check.level[:, 1].tolist())
    assert [trace.x[0] for trace in levels.data[4:]] == pytest.approx(check.seconds[:, 1].tolist())


def test_many_speakers_share_the_last_row() -> None:
    rows = [
        {"id": f"{s}-{t}", "audio": encoded(voice(7 * s + t, 0.11)), "emotion": EMOTIONS[t], "speaker": f"s{s:03d}"}
        for s in range(MOST + 12)
        for t in range(3 if s else 4)
    ]  # fmt: skip
    check = check_corpus(clips_of(rows), draws=20)
    figure = draw(check)
    assert len(figure.data[0].y) == MOST + 1
    assert figure.data[0].y[0] == "s000 "
    assert figure.data[0].y[-1] == "12 others (mean) "
    page = corpus_page(check)
    assert "12 others" in page


def test_the_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    rows = good()
    rows[0]["id"] = "<script>alert(1)</script>"
    rows[0]["audio"] = BAD["silent"][0]
    page = corpus_page(check_corpus(clips_of(rows, name="made <b>"), draws=20))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<title>made &lt;b&gt;" in page
    assert 'src="http' not in page
    assert "silent (peak" in page


def test_a_clip_is_examined_as_it_would_be_heard(tmp_path: Path) -> None:
    path = tone(tmp_path / "sad" / "a.wav", seconds=0.5)
    clip = corpus(tmp_path)[0]
    seen = examine(clip)
    wave, _ = soundfile.read(path, dtype="float32")
    assert seen.seconds == 0.5
    assert seen.level == pytest.approx(20 * np.log10(0.4 / np.sqrt(2)), abs=0.05)
    assert seen.level == pytest.approx(10 * np.log10(np.mean(wave.astype(np.float64) ** 2)))
    assert examine(corpus(tmp_path).prepared(loudness=-40.0)[0]).level < seen.level - 15


def test_emodb_can_carry_a_study(emodb_root: Path) -> None:
    check = check_corpus(corpus("emodb", root=emodb_root).limit(140), draws=100)
    assert check.problems == check.leaks == check.repeats == ()
    assert not any(found.serious for found in check.confounding)
    # Its files were each brought to the same peak: anger is not louder than sadness any more.
    level = dict(zip(check.emotions, check.level[:, 1], strict=True))
    assert level["angry"] < level["sad"] + 1


def test_one_emotion_or_one_speaker_can_not_be_confounded() -> None:
    alone = confounding(["a", "b", "a"], ["sad", "sad", "sad"], unit="speaker")
    assert (alone.cramers_v, alone.p, alone.guess, alone.chance) == (0.0, 1.0, 1.0, 1.0)


def test_of_many_problems_the_first_are_listed_and_the_rest_counted() -> None:
    check = check_corpus(clips_of(good()))
    many = replace(check, problems=tuple((f"clip {at}", "silent") for at in range(10_000)))
    *shown, last = problem_rows(many)
    assert shown[0] == ["clip 0", "silent"]
    assert last == [f"{10_000 - len(shown):,} more", "use --json for all of them"]
    assert problem_rows(check) == []


def test_levels_that_are_not_known_have_no_range() -> None:
    assert _span(np.full((2, 3), np.nan)) is None
    assert _span(np.array([[-20.0, -20.0, -19.9]])) == pytest.approx([-22.95, -16.95])  # 6 dB at least
