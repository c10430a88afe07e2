"""What the loaders share: finding the files of a release, reading its texts, and saying what is not there."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.info import CorpusInfo
from esn_interp.speech.corpora.tables import text_table
from esn_interp.speech.labels import listing, translate
from esn_interp.speech.spelling import legible, writable

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
SOUND_SUFFIXES = (*AUDIO_SUFFIXES, ".mp4")
EVERY_SUFFIX = (
    *SOUND_SUFFIXES,
    *(
        ".au",
        ".snd",
        ".caf",
        ".aifc",
        ".w64",
        ".rf64",
        ".oga",
        ".m4a",
        ".webm",
        ".mkv",
        ".mov",
        ".aac",
        ".wma",
    ),
    *(".3gp", ".amr", ".avi", ".ac3", ".mka"),
)
"""What a user's own folder may hold, as far as soundfile or PyAV decodes it."""


def folder(root: Path, corpus: str, expected: str) -> Path:
    """`root`, when it is a folder.

    Raises
    ------
    CorpusError
        When it is not; `expected` says what it should hold.
    """
    if not root.is_dir():
        found = "is a file" if root.exists() else "there is no such folder"
        raise CorpusError(f"corpus {corpus}: {root}: {found}; expected {expected}")
    return root


def files(
    root: Path, suffixes: Sequence[str] = AUDIO_SUFFIXES, *, left_out: list[str] | None = None
) -> Iterator[Path]:
    """Every file below `root` with one of the suffixes, in a fixed order; hidden ones are passed over.

    Archives packed on a Mac hold a hidden twin of every file ("._a.wav"), which is no audio. Files whose names are
    no UTF-8 can't be named in any result: they go to `left_out`.
    """
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith(tuple(suffixes)):
                continue
            if writable(Path(place, name)):
                yield Path(place, name)
            elif left_out is not None:
                left_out.append(legible(name))


def unwritable(names: Sequence[str]) -> str:
    """The note on files whose names can't be written down; empty when there is none."""
    return (
        f"files whose names are not UTF-8, left out: {len(names):,}, such as {names[0]}; rename them to have them read"
        if names
        else ""
    )


def named_files(
    root: Path,
    pattern: re.Pattern[str],
    *,
    corpus: str,
    example: str,
    key: Callable[[Path, re.Match[str]], str] = lambda path, match: path.stem,
    suffixes: Sequence[str] = AUDIO_SUFFIXES,
) -> tuple[dict[str, tuple[Path, re.Match[str]]], list[str]]:
    """The files whose stem the pattern describes, by their key; and notes on what was passed over.

    Releases are often unpacked twice, one copy inside the other: of files with the same key the first in the
    order of `suffixes`, then the least deep, is taken.

    Raises
    ------
    CorpusError
        When there is none; `example` says what one is called.
    """
    folder(root, corpus, f"the folder of the release, with files such as {example}")
    nameless: list[str] = []
    found = [(path, pattern.fullmatch(path.stem)) for path in files(root, suffixes, left_out=nameless)]
    fitting = [(path, match) for path, match in found if match is not None]
    if not fitting:
        others = f", but {len(found)} others, such as {found[0][0].name}" if found else ""
        raise CorpusError(f"corpus {corpus}: {root} holds no clips{others}; expected names such as {example}")
    rank = {suffix: place for place, suffix in enumerate(suffixes)}
    fitting.sort(key=lambda item: (rank[item[0].suffix.lower()], len(item[0].parts), str(item[0])))
    chosen: dict[str, tuple[Path, re.Match[str]]] = {}
    for path, match in fitting:
        chosen.setdefault(key(path, match), (path, match))
    strangers = [path.name for path, match in found if match is None]
    notes = [
        f"further copies of a clip, left out: {len(fitting) - len(chosen):,}"
        if len(fitting) > len(chosen)
        else "",
        f"audio files that are not named like the corpus's own, left out: {len(strangers):,}, such as {strangers[0]}"
        if strangers
        else "",
        unwritable(nameless),
    ]
    return dict(sorted(chosen.items())), notes


def clips_by_name(
    root: Path,
    info: CorpusInfo,
    pattern: re.Pattern[str],
    row: Callable[[Path, re.Match[str]], Mapping[str, Any]],
    *,
    example: str,
    key: Callable[[Path, re.Match[str]], str] = lambda path, match: path.stem,
    notes: Sequence[str] = (),
) -> Clips:
    """The clips of a release in which everything is in a file's name; see `named_files`.

    `row` says what a name tells, beside the id (the file's key) and the audio; an empty row is no clip.

    Raises
    ------
    CorpusError
        When there is no such file, none lies where it should, or none of them has a label that is known.
    """
    found, passed_over = named_files(root, pattern, corpus=info.name, example=example, key=key)
    told = {name: row(path, match) for name, (path, match) in found.items()}
    rows = [{"id": name, "audio": str(found[name][0]), **cells} for name, cells in told.items() if cells]
    untold = [str(found[name][0].relative_to(root)) for name, cells in told.items() if not cells]
    if not rows:
        raise CorpusError(
            f"corpus {info.name}: none of the {len(untold):,} clips in {root} lies where it tells whose it is, such as"
            f" {untold[0]}; expected {example}"
        )
    nowhere = (
        f"clips that do not lie where they tell whose they are, left out: {len(untold):,}, such as {untold[0]}"
        if untold
        else ""
    )
    return labelled(
        pd.DataFrame(rows),
        corpus=info.name,
        labels=info.labels,
        notes=(*passed_over, nowhere, *notes),
        whole=info.size,
    )


def read_table(path: Path, corpus: str, columns: Sequence[str], **options: Any) -> pd.DataFrame:
    """A table of text cells, with the columns that are needed.

    Raises
    ------
    CorpusError
        When it cannot be read or lacks a column.
    """
    table = text_table(path, corpus, **options)
    if missing := [column for column in columns if column not in table.columns]:
        found = ", ".join(table.columns) or "none"
        raise CorpusError(f"corpus {corpus}: {path} has no column {missing[0]!r}; found {found}")
    return table


def missing_files(missing: Sequence[str], listed: int) -> str:
    """The note on clips that a list names and the folder does not hold; empty when none is missing."""
    if not missing:
        return ""
    named = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return f"listed clips without a file, left out: {len(missing):,} of {listed:,} ({named})"


def one_of(value: str, option: str, corpus: str, choices: Iterable[str]) -> str:
    """`value`, when it is one of the choices.

    Raises
    ------
    CorpusError
        When it is not, naming the option.
    """
    known = list(choices)
    if value not in known:
        raise CorpusError(f"corpus {corpus}: {option}={value!r} is none of {', '.join(known)}")
    return value


def labelled(
    frame: pd.DataFrame,
    *,
    corpus: str,
    labels: Mapping[str, str],
    notes: Sequence[str] = (),
    whole: int = 0,
) -> Clips:
    """Clips from a table whose column `label` holds the corpus's own labels.

    Labels are translated by the table `labels`; clips with any other are left out and listed. The label stays
    in the extras. With `whole`, the number of clips of the release, fewer than those are said.

    Raises
    ------
    CorpusError
        When no clip has a label that is known.
    """
    emotions, unmapped = translate(frame["label"].tolist(), labels)
    keep = [bool(emotion) for emotion in emotions]
    if not any(keep):
        raise CorpusError(
            f"corpus {corpus}: no clip has a label that is known; found {listing(unmapped) or 'no clips'}, "
            f"expected {', '.join(labels)}"
        )
    kept = frame.assign(emotion=emotions, corpus=corpus)[keep]
    return Clips.from_frame(kept, name=corpus).noted(
        f"left out, labels without an emotion: {listing(unmapped)}" if unmapped else "",
        f"found {len(frame):,} of the {whole:,} clips of the release; the download may not be complete"
        if len(frame) < whole
        else "",
        *notes,
    )
