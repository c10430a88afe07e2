"""Answers of a listening test as a table: read from the files that listeners saved, and checked."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from esn_interp.errors import EsnError

COLUMNS = (
    *("test", "question", "listener", "seed", "trial", "pair", "emotion", "left", "right"),
    *("choice", "seconds", "plays_left", "plays_right", "catch"),
)
"""What the page saves, a line per answer. ``left`` and ``right`` are conditions, ``choice`` is one of the two
words; ``catch`` is empty, or in a catch trial the side that is right. ``seed`` is that of the listener's order."""

REQUIRED = ("listener", "pair", "emotion", "left", "right", "choice")
SIDES = ("left", "right")


def read_answers(paths: Sequence[str | Path]) -> pd.DataFrame:
    """All answers, one per row, every value as text; columns that a file lacks and needn't have are empty.

    Raises
    ------
    EsnError
        When a file is missing, is no CSV, lacks a column, holds a value that can't be, or when an answer is there
        twice or two questions were asked.
    """
    if not paths:
        raise EsnError("no answers: give one .csv or more, as saved by the listening page")
    answers = pd.concat([_read(Path(path)) for path in paths], ignore_index=True)
    twice = answers.duplicated(["test", "listener", "pair"])
    if twice.any():
        row = answers[twice].iloc[0]
        raise EsnError(
            f"{row['file']}: the answer of listener {row['listener']} to pair {row['pair']} is there twice; give"
            " every file once, and every listener a name of their own"
        )
    questions = list(dict.fromkeys(answers["question"]))
    if len(questions) > 1:
        raise EsnError(
            f"{answers['file'].iloc[-1]}: two questions were asked, {questions[0]!r} and {questions[1]!r};"
            " score them apart"
        )
    return answers.drop(columns="file")


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise EsnError(f"{path}: there is no such file; give what the listening page saved")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are longer than the heading
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except pd.errors.EmptyDataError:
        raise EsnError(f"{path}: this file is empty; give what the listening page saved") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError):
        raise EsnError(f"{path}: this is not a table separated by commas; give what the listening page saved") from None
    if any(frame[name].str.contains("\0", regex=False).any() for name in frame):
        raise EsnError(f"{path}: there are zeros in this text, it is damaged; give what the listening page saved")
    if missing := [name for name in REQUIRED if name not in frame]:
        raise EsnError(f"{path}: no column {', '.join(missing)}; a table of answers has {', '.join(REQUIRED)}")
    if frame.empty:
        raise EsnError(f"{path}: no answers in it; the listener saved before the first one")
    frame = frame.reindex(columns=list(COLUMNS), fill_value="")
    for name in COLUMNS:
        frame[name] = frame[name].str.strip()
    for name in REQUIRED:
        _refuse(path, frame[name] == "", f"{name} is empty")
    _refuse(path, ~frame["choice"].isin(SIDES), "choice is neither left nor right")
    _refuse(path, ~frame["catch"].isin(("", *SIDES)), "catch is neither empty, nor left, nor right")
    _refuse(path, frame["left"] == frame["right"], "left and right are the same condition")
    return frame.assign(file=str(path))


def _refuse(path: Path, wrong: "pd.Series[bool]", what: str) -> None:
    if wrong.any():
        # The heading is line 1.
        raise EsnError(f"{path}, line {int(wrong.to_numpy().argmax()) + 2}: {what}; give what the listening page saved")
