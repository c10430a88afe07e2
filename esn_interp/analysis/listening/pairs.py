"""What listeners are to compare: pairs of recordings in a folder, listed in its ``pairs.jsonl``."""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path, PurePath

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from esn_interp.errors import EsnError
from esn_interp.files import write_bytes, write_text
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.clips import Clip, Clips

PAIRS = "pairs.jsonl"
CATCH = "catch"
"""Folder of recordings for catch trials, in that of the pairs."""


class _Line(BaseModel):
    """A part of a line; whatever else is written there is of no concern."""

    model_config = ConfigDict(frozen=True, str_min_length=1)


class Side(_Line):
    """One recording of a pair: what was done to it, and its file, relative to the folder."""

    condition: str
    file: str

    @field_validator("file")
    @classmethod
    def _inside(cls, file: str) -> str:
        return _in_its_folder(file)


class ListeningPair(_Line):
    """Two recordings to choose from. In a catch trial, ``first`` is the right answer."""

    id: str
    emotion: str
    first: Side
    second: Side
    source: str | None = None
    catch: bool = False

    @field_validator("source")
    @classmethod
    def _inside(cls, file: str | None) -> str | None:
        return None if file is None else _in_its_folder(file)

    @model_validator(mode="after")
    def _differ(self) -> "ListeningPair":
        if self.first.condition == self.second.condition:
            raise ValueError(f"both recordings are {self.first.condition!r}; a preference needs two conditions")
        return self


def _in_its_folder(file: str) -> str:
    """A file that a page may hold; one elsewhere would be told to everybody who is sent the page."""
    path = PurePath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in file:
        raise ValueError(f"{file!r} is not a file in the folder of {PAIRS}")
    return file


def read_pairs(folder: str | Path) -> tuple[Path, tuple[ListeningPair, ...]]:
    """The folder that holds ``pairs.jsonl``, which may be ``folder`` or its ``listening``, and the pairs in order.

    Raises
    ------
    EsnError
        When there is no such file, a line is not a pair (which, and why), or an id is there twice.
    """
    folder = Path(folder)
    place = next((place for place in (folder, folder / "listening") if (place / PAIRS).is_file()), None)
    if place is None:
        raise EsnError(f"{folder}: no {PAIRS} in it or in its listening/; give the folder of a conversion study")
    try:
        text = (place / PAIRS).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise EsnError(f"{place / PAIRS}: this is no text in UTF-8; copy it again, or run the study anew") from None
    pairs: dict[str, ListeningPair] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{place / PAIRS}, line {number}"
        try:
            pair = ListeningPair.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            told = first["msg"].removeprefix("Value error, ")
            raise EsnError(f"{where}: {f'{field}: ' if field else ''}{told}") from None
        if pair.id in pairs:
            raise EsnError(f"{where}: there is another pair {pair.id!r}; every pair needs an id of its own")
        pairs[pair.id] = pair
    if not any(not pair.catch for pair in pairs.values()):
        raise EsnError(f"{place / PAIRS}: no pairs to compare in it")
    return place, tuple(pairs.values())


def write_pairs(folder: str | Path, pairs: Iterable[ListeningPair]) -> Path:
    """Write ``pairs.jsonl`` into the folder that holds the recordings."""
    path = Path(folder) / PAIRS
    text = "".join(f"{pair.model_dump_json()}\n" for pair in pairs)
    write_text(path, text)
    return path


def catch_pairs(
    clips: Clips, folder: str | Path, emotions: Iterable[str], *, each: int = 2, seed: int = 0
) -> tuple[ListeningPair, ...]:
    """Catch trials from recordings whose emotion is known: the target emotion, which is right, against neutral.

    Both are of the same speaker, and say the same where the corpus has such recordings, so that only the
    emotion tells them apart. The recordings are written into ``catch`` in the folder, as 16-bit .wav files that are
    named by what they hold: nothing that is there already is another one, and nothing is written over.

    Parameters
    ----------
    emotions
        The emotions that are asked for; neutral, and those that no speaker also spoke neutrally, have none.
    each
        Catch trials per emotion at most; one per pair of recordings.
    """
    rng, pairs = np.random.default_rng(seed), list[ListeningPair]()
    speaker, sentence, spoken = (clips.column(name) for name in ("speaker", "sentence", "emotion"))
    neutral = [row for row, emotion in enumerate(spoken) if emotion == "neutral"]
    for emotion in dict.fromkeys(emotions):
        # Speech in the emotion, and a neutral clip of the same speaker: of the same sentence before any other.
        found = [
            (row, max(own, key=lambda other: sentence[other] == sentence[row]))
            for row in range(len(clips))
            if spoken[row] == emotion != "neutral" and (own := [n for n in neutral if speaker[n] == speaker[row]])
        ]
        for at in rng.permutation(len(found))[:each].tolist():
            target, plain = (clips[row] for row in found[at])
            number = len(pairs) + 1
            first = Side(condition=emotion, file=_save(target, Path(folder)))
            second = Side(condition="neutral", file=_save(plain, Path(folder)))
            id = f"catch-{number}-{Path(first.file).stem}"  # the folder may have catch trials of its own
            pairs.append(ListeningPair(id=id, emotion=emotion, first=first, second=second, catch=True))
    return tuple(pairs)


def _save(clip: Clip, folder: Path) -> str:
    sound = io.BytesIO()
    soundfile.write(sound, clip.waveform(), SAMPLE_RATE, subtype="PCM_16", format="WAV")
    name = f"{CATCH}/{hashlib.sha256(sound.getvalue()).hexdigest()[:12]}.wav"
    if not (folder / name).exists():
        write_bytes(folder / name, sound.getvalue())
    return name
