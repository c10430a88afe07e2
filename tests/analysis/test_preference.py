"""What listeners preferred: against scipy, statsmodels and brute force, and against simulated truth."""

import csv
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from command_line import esn
from figure_rules import fits_a_phone
from scipy import special, stats

from esn_interp.analysis.listening.answers import COLUMNS, read_answers
from esn_interp.analysis.listening.measure import preference
from esn_interp.analysis.listening.result import Preference
from esn_interp.errors import EsnError, StatisticsError

QUESTION = "Which recording sounds more {emotion}?"
EMOTIONS = ("happy", "angry", "sad", "fearful")


def row(listener: str, pair: str, left: str, right: str, choice: str, **further: str) -> dict[str, str]:
    told = {"listener": listener, "pair": pair, "left": left, "right": right, "choice": choice}
    rest = {"test": "t", "question": QUESTION, "emotion": "sad", "seed": "1", "trial": "1", "seconds": "2.5"}
    return {**rest, "plays_left": "1", "plays_right": "2", "catch": "", **told, **further}


def write(path: Path, rows: Sequence[dict[str, str]], columns: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def listener(
    name: str,
    truth: dict[str, float],
    *,
    trials: int = 200,
    checks: int = 5,
    attention: float = 1.0,
    seed: int = 0,
) -> list[dict[str, str]]:
    """Answers of somebody who prefers a to b with log-odds truth[a] - truth[b], each pair on either side."""
    rng, rows = np.random.default_rng(seed), list[dict[str, str]]()
    compared = list(combinations(truth, 2))
    for at in range(trials):
        left, right = rng.permutation(compared[at % len(compared)]).tolist()
        likes_left = rng.random() < special.expit(truth[left] - truth[right])
        further = {"emotion": EMOTIONS[at % len(EMOTIONS)]}
        rows.append(row(name, f"p{at}", left, right, "left" if likes_left else "right", **further))
    for at in range(checks):
        side, other = rng.permutation(["left", "right"]).tolist()
        heard = side if rng.random() < attention else other
        sides = ("sad", "neutral") if side == "left" else ("neutral", "sad")
        rows.append(row(name, f"c{at}", *sides, heard, catch=side))
    return rows


def odds(share: float) -> dict[str, float]:
    return {"steered": float(special.logit(share)), "unsteered": 0.0}


class TestScoring:
    def test_a_preference_of_62_percent_is_held_by_its_interval(self, tmp_path: Path):
        result = preference(write(tmp_path / "a.csv", listener("ann", odds(0.62))))
        (overall,) = result.overall()
        assert (overall.first, overall.second, overall.answers) == ("steered", "unsteered", 200)
        assert overall.low < 0.62 < overall.high
        assert (overall.low, overall.high) == (overall.alone_low, overall.alone_high)
        theirs = stats.binomtest(overall.chosen, 200).proportion_ci(method="wilson")
        assert (overall.low, overall.high) == pytest.approx((theirs.low, theirs.high))
        assert result.notes == ("one listener only: the interval speaks of this listener, not of others",)
        assert result.strengths == ()

    def test_sides_are_undone_and_emotions_counted_apart(self, tmp_path: Path):
        rows = [
            row("a", "1", "steered", "unsteered", "left"),
            row("a", "2", "unsteered", "steered", "right"),
            row("a", "3", "unsteered", "steered", "left", emotion="happy"),
            row("b", "1", "steered", "unsteered", "right"),
        ]
        result = preference(write(tmp_path / "a.csv", rows))
        assert [(one.emotion, one.chosen, one.answers, one.listeners) for one in result.comparisons] == [
            ("all", 2, 4, 2),
            ("happy", 0, 1, 1),
            ("sad", 2, 3, 2),
        ]
        assert result.overall()[0].shares == pytest.approx((2 / 3, 0))
        assert (result.left.chosen, result.left.answers) == (2, 4)
        assert "steered was preferred to unsteered in 50 % [" in result.summary()
        assert "of 4 answers (2 listeners, 95 % interval)." in result.summary()
        assert any("attention not checked, no catch trials: a, b" in note for note in result.notes)
        assert any("only 2 listeners" in note for note in result.notes)

    def test_who_does_not_listen_is_left_out_and_named(self, tmp_path: Path):
        files = [
            write(tmp_path / f"{at}.csv", listener(f"L{at}", odds(0.7), trials=20, attention=float(at != 2), seed=at))
            for at in range(4)
        ]
        result = preference(*files)
        assert result.kept == ("L0", "L1", "L3")
        assert [(heard.right, heard.checks) for heard in result.listeners] == [(5, 5), (5, 5), (0, 5), (5, 5)]
        assert result.overall()[0].answers == 60
        assert result.notes[0] == "left out 1 of 4 listeners, under 0.8 of catch trials right: L2 (0 of 5)"
        assert preference(*files, least_checks=0).overall()[0].answers == 80
        with pytest.raises(StatisticsError, match="no answers are left: 1 of 1 listeners failed"):
            preference(files[2])
        with pytest.raises(StatisticsError, match="between 0 and 1, not 2"):
            preference(*files, least_checks=2)

    def test_several_conditions_have_strengths_per_emotion(self, tmp_path: Path):
        truth = {"steered": 0.8, "random": 0.0, "unsteered": 0.0}
        files = [
            write(tmp_path / f"{at}.csv", listener(f"L{at}", truth, trials=60, seed=at)) for at in range(7)
        ]
        result = preference(*files, interval="clopper-pearson")
        assert result.conditions == ("steered", "random", "unsteered")
        assert {(one.first, one.second) for one in result.overall()} == {
            ("steered", "random"),
            ("steered", "unsteered"),
            ("random", "unsteered"),
        }
        assert len(result.strengths) == 3 * 5
        first = result.strengths[0]
        assert (first.condition, first.emotion) == ("steered", "all")
        assert first.low < 0.8 * 2 / 3 < first.high  # against the mean of the three
        assert sum(one.value for one in result.strengths[:3]) == pytest.approx(0, abs=1e-9)
        figure = result.plot()
        fits_a_phone(figure)
        (strengths,) = [trace for trace in figure.data if trace.name == "all"]
        np.testing.assert_allclose(strengths.x, [one.value for one in result.strengths[:3]])

    def test_conditions_in_two_islands_are_told(self, tmp_path: Path):
        rows = [row("a", "1", "w", "x", "left"), row("a", "2", "y", "z", "left")]
        result = preference(write(tmp_path / "a.csv", rows))
        assert "no strengths: some conditions were never compared with the others" in result.notes
        assert result.plot().data

    def test_a_lean_to_one_side_is_told(self, tmp_path: Path):
        rows = [row("a", str(at), *(("x", "y") if at % 2 else ("y", "x")), "left") for at in range(20)]
        result = preference(write(tmp_path / "a.csv", rows))
        assert result.overall()[0].share == 0.5
        assert any("the left recording was chosen in 100 % [84, 100]" in note for note in result.notes)

    def test_the_figure_shows_what_the_result_says(self, tmp_path: Path):
        files = [write(tmp_path / f"{at}.csv", listener(f"L{at}", odds(0.7), seed=at)) for at in range(6)]
        result = preference(*files)
        figure = result.plot()
        fits_a_phone(figure)
        singles, *lines = figure.data
        np.testing.assert_allclose(singles.x, [100 * share for share in result.overall()[0].shares])
        for trace, one in zip(lines, result.comparisons, strict=True):
            assert trace.x[0] == pytest.approx(100 * one.share)
            assert trace.x[0] + trace.error_x.array[0] == pytest.approx(100 * one.high)
            assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(100 * one.low)

    def test_it_reads_back_as_it_was(self, tmp_path: Path):
        truth = {"steered": 0.8, "random": 0.0, "unsteered": 0.0}
        result = preference(write(tmp_path / "a.csv", listener("a", truth, trials=30)))
        result.save(tmp_path / "r.json")
        again = Preference.load(tmp_path / "r.json")
        assert again.to_dict() == result.to_dict()
        assert len(again.to_frame()) == len(result.comparisons)


class TestFiles:
    def test_six_columns_suffice(self, tmp_path: Path):
        columns = ("listener", "pair", "emotion", "left", "right", "choice")
        path = write(tmp_path / "a.csv", listener("a", odds(0.6), trials=8, checks=0), columns)
        assert preference(path).overall()[0].answers == 8
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as a spreadsheet saves it
        assert len(read_answers([path])) == 8

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "this file is empty"),
            (b"\xff\xfe\x00rubbish\x00", "not a table separated by commas"),
            (b'a,b\n"1,2\n', "not a table separated by commas"),
            (b"listener;pair\nx;y\n", "no column listener, pair, emotion, left, right, choice"),
            (b"listener,pair,emotion,left,right,choice\n", "no answers in it"),
            (b"listener,pair,emotion,left,right,choice\nx,1,sad,a,b,first\n", "line 2: choice is neither left nor"),
            (b"listener,pair,emotion,left,right,choice\nx,1,sad,a,a,left\n", "line 2: left and right are the same"),
            (b"listener,pair,emotion,left,right,choice\nx,1,sad,a,b,left\n ,2,sad,a,b,left\n", "line 3: listener is"),
            (b"listener,pair,emotion,left,right,choice,catch\nx,1,sad,a,b,left,yes\n", "line 2: catch is neither"),
            (b"listener,pair,emotion,left,right,choice\n" + b"x,1,sad,a,b,left\n" * 2, "to pair 1 is there twice"),
        ],
    )
    def test_what_is_wrong_is_told_in_one_line(self, content: bytes, told: str, tmp_path: Path):
        path = tmp_path / "answers.csv"
        path.write_bytes(content)
        refusal = esn("evc", "score", path).refusal
        assert str(path) in refusal
        assert told in refusal

    def test_files_that_do_not_belong_together(self, tmp_path: Path):
        one = write(tmp_path / "1.csv", [row("a", "1", "x", "y", "left")])
        other = write(tmp_path / "2.csv", [row("b", "1", "x", "y", "left", question="Which is clearer?")])
        with pytest.raises(EsnError, match=r"2\.csv: two questions were asked"):
            read_answers([one, other])
        with pytest.raises(EsnError, match="listener a to pair 1 is there twice"):
            read_answers([one, one])
        with pytest.raises(EsnError, match="there is no such file"):
            read_answers([tmp_path / "3.csv"])
        with pytest.raises(EsnError, match=r"give one \.csv or more"):
            read_answers([])


class TestCommand:
    def test_scores_are_printed_and_written(self, tmp_path: Path):
        files = [write(tmp_path / f"{at}.csv", listener(f"L{at}", odds(0.7), trials=20, seed=at)) for at in range(2)]
        out = tmp_path / "score.json"
        answer = esn("evc", "score", *files, "--out", out, "--interval", "clopper-pearson", "--json")
        assert answer.code == 0, answer.err
        saved = Preference.load(out)
        assert saved.interval == "clopper-pearson"
        assert answer.content["summary"] == saved.summary()
        assert answer.content["files"] == [str(out), str(tmp_path / "score.html")]
        assert (tmp_path / "score.html").exists()
        plain = esn("evc", "score", *files)
        assert plain.code == 0, plain.err
        lines = plain.out.splitlines()
        assert lines[0] == preference(*files).summary()
        assert lines[1].split() == ["preferred", "emotion", "times", "share", "95", "%"]
        assert lines[2].startswith("steered > unsteered  all")

    def test_refusals_are_one_line(self, tmp_path: Path):
        path = write(tmp_path / "a.csv", listener("a", odds(0.7), trials=4))
        assert "unknown interval 'wald'" in esn("evc", "score", path, "--interval", "wald").refusal
        assert "is a .json file" in esn("evc", "score", path, "--out", "r.txt").refusal
        assert "--pass" in esn("evc", "score", path, "--pass", "2").refusal
