"""The user's own recordings: one subfolder per emotion, or a table that names files and labels."""

from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
_FILE_COLUMNS = ("audio", "file", "path")
# Names that look like numbers must stay as they are written: speaker "03" is not 3.
_NAMES = {"id": str, "speaker": str, "sentence": str}


def load_folder(root: Path, *, name: str | None = None) -> Clips:
    """Clips from a folder: by its metadata.csv if there is one, else a subfolder per emotion ("angry/a.wav").

    Below an emotion, a further level of folders is taken for the speaker ("angry/anna/a.wav").
    """
    name = name or root.resolve().name
    if (root / "metadata.csv").is_file():
        return load_table(root / "metadata.csv", name=name)
    rows: list[dict[str, str]] = []
    for path in sorted(root.glob("*/**/*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
            emotion, *between = path.relative_to(root).parts[:-1]
            rows.append({"audio": str(path), "emotion": emotion, "speaker": between[0] if between else ""})
    if not rows:
        raise CorpusError(
            f"corpus {name}: {root} holds neither a metadata.csv nor a subfolder per emotion with audio, "
            f"such as angry/a.wav ({', '.join(AUDIO_SUFFIXES)})"
        )
    return Clips.from_frame(pd.DataFrame(rows), name=name)


def load_table(path: Path, *, name: str | None = None) -> Clips:
    """Clips from a .csv or .jsonl table with a column `audio` (or `file` or `path`) and a column `emotion`.

    Relative files are looked for beside the table. Columns speaker, sex (or gender), sentence, transcript,
    language and split are used; others go to `extras`.
    """
    name = name or path.stem
    frame = _read(path, name)
    column = next((candidate for candidate in _FILE_COLUMNS if candidate in frame.columns), None)
    if column is None:
        found = ", ".join(map(str, frame.columns)) or "none"
        raise CorpusError(f"corpus {name}: {path} needs a column audio, file or path; found {found}")
    frame = frame.rename(columns={column: "audio"})
    if "sex" not in frame.columns:
        frame = frame.rename(columns={"gender": "sex"})
    # Joining leaves an absolute file as it is; an empty cell stays empty and is refused with its row number.
    frame["audio"] = [str(path.parent / file) if isinstance(file, str) else None for file in frame["audio"]]
    return Clips.from_frame(frame, name=name)


def _read(path: Path, name: str) -> pd.DataFrame:
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".ndjson": _read_jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(f"corpus {name}: {path} is neither a .csv nor a .jsonl table, nor a folder")
    try:
        return reader(path)
    except (ValueError, OSError) as error:  # the parsers' errors and those of decoding text are ValueErrors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CorpusError(f"corpus {name}: {path} cannot be read as a table ({reason})") from error


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=_NAMES)


def _read_jsonl(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True, dtype=_NAMES)
