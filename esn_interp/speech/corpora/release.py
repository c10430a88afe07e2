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
from esn_interp.speech.labels import listing, translate

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
SOUND_SUFFIXES = (*AUDIO_SUFFIXES, ".mp4")


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


def files(root: Path, suffixes: Sequence[str] = AUDIO_SUFFIXES) -> Iterator[Path]:
    """Every file below `root` with one of the suffixes, in a fixed order; hidden ones are passed over.

    Archives packed on a Mac hold a hidden twin of every file ("._a.wav"), which is no audio.
    """
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(tuple(suffixes)):
                yield Path(place, name)


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
    found = [(path, pattern.fullmatch(path.stem)) for path in files(root, suffixes)]
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
        When there is no such file, or none of them has a label that is known.
    """
    found, passed_over = named_files(root, pattern, corpus=info.name, example=example, key=key)
    rows = [
        {"id": name, "audio": str(path), **told}
        for name, (path, match) in found.items()
        if (told := row(path, match))
    ]
    frame = pd.DataFrame(rows)
    return labelled(frame, corpus=info.name, labels=info.labels, notes=(*passed_over, *notes), whole=info.size)


def read_text(path: Path, encodings: Sequence[str] = ("utf-8-sig", "cp1252")) -> str:
    """A text file of unknown encoding: UTF-16 by its mark, else the first of `encodings` that fits."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(encodings[0], errors="replace")


def read_table(path: Path, corpus: str, columns: Sequence[str], **options: Any) -> pd.DataFrame:
    """A table of text cells, with the columns that are needed.

    Raises
    ------
    CorpusError
        When it cannot be read or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, **options)
    except (ValueError, OSError) as error:  # the parser's errors and those of decoding text are ValueErrors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CorpusError(f"corpus {corpus}: {path} cannot be read as a table ({reason})") from error
    table.columns = [str(column).strip() for column in table.columns]
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
