"""A folder of finished conversions, which a run that was killed goes on from.

``run.json`` holds what the conversions depend on, ``conversions.jsonl`` a line for each finished one, in the order in
which they were made. The sound is in a ``.wav`` of 32-bit floats, so that nothing is lost; the sums of its gates, if
they were asked for, in a ``.safetensors``. A line is written last: what has a line is whole.
"""

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import soundfile

from esn_interp.entries import Entries
from esn_interp.errors import AudioError, EsnError
from esn_interp.files import load_tensors, read_json, save_tensors, write_bytes, write_json
from esn_interp.neurons.layout import LayeredArrays
from esn_interp.neurons.origin import UNVERIFIED, Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.speech.audio import require_all_of_it
from esn_interp.speech.identified import BY_SOUND
from esn_interp.speech.playable import wav_of_speech
from esn_interp.tasks.conversion_record import Conversion

KIND, VERSION = "conversions", 1
_GATES_KIND = "conversion gates"
_LINES = "conversions.jsonl"
_NAMES = ("model", "corpus")  # what things are called decides nothing: their fingerprints do


class ConversionStore:
    """Finished conversions in a folder, by clip and target.

    Raises
    ------
    EsnError
        When the folder holds conversions and is not to be resumed, or they were made with other settings.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = Path(folder)
        header = self.folder / "run.json"
        self.finished: dict[tuple[str, str], tuple[Conversion, bool]] = {}
        if header.exists() and (self.folder / _LINES).exists():
            if not resume:
                raise EsnError(f"{self.folder}: holds conversions already; resume them, or name another folder")
            _require_same(self.folder, read_json(header, kind=KIND, version=VERSION), settings)
            self.finished = self._read()
        else:
            # What is left of a run that was stopped before its first conversion is in nobody's way.
            if not header.exists() and self.folder.is_dir() and any(self.folder.iterdir()):
                raise EsnError(f"{self.folder}: holds other files; name a folder of its own")
            write_json(header, {"kind": KIND, "version": VERSION, **settings})

    def add(self, conversion: Conversion, gates: PerClip | None, origin: Origin | None) -> None:
        """Keep one more; it is there whole, or not at all."""
        stem = _stem(conversion.clip, conversion.target)
        if conversion.audible:
            sound = wav_of_speech(conversion.waveform, conversion.rate, subtype="FLOAT")
            write_bytes(self.folder / f"{stem}.wav", sound)
        if gates is not None and origin is not None:
            short = dataclasses.replace(origin, found_on="")  # the keys of all clips need not stand in the file of each
            header = {"kind": _GATES_KIND, "version": VERSION, **short.header(), "per_clip": gates.header()}
            path = self.folder / f"{stem}.safetensors"
            save_tensors(path, gates.arrays(origin), header | {"scopes": list(gates.tokens)})
        told = {
            "clip": conversion.clip,
            "speaker": conversion.speaker,
            "source_emotion": conversion.source_emotion,
            "transcript": conversion.transcript,
            "target": conversion.target,
            "text": conversion.text,
            "file": f"{stem}.wav" if conversion.audible else None,
            "rate": conversion.rate,
            "seed": conversion.seed,
            "problem": conversion.problem,
            "tokens": conversion.tokens,
            "codes": None if conversion.codes is None else conversion.codes.tolist(),
            "gates": gates is not None,
        }
        with (self.folder / _LINES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.finished[conversion.clip, conversion.target] = conversion, gates is not None

    def gates(self, conversions: Sequence[Conversion]) -> "StoredGates":
        """The sums of these conversions' gates, read when they are asked for."""
        stems = [
            _stem(one.clip, one.target) if self.finished[one.clip, one.target][1] else None
            for one in conversions
        ]
        return StoredGates([None if stem is None else self.folder / f"{stem}.safetensors" for stem in stems])

    def _read(self) -> dict[tuple[str, str], tuple[Conversion, bool]]:
        """What is whole; a line that was cut short is taken away, so that the next one stands alone."""
        path = self.folder / _LINES
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            write_bytes(path, whole)
        finished: dict[tuple[str, str], tuple[Conversion, bool]] = {}
        for number, line in enumerate(whole.split(b"\n")[:-1], start=1):  # U+2028 ends no line
            try:
                told = json.loads(line)
                name, gates, codes = told.pop("file"), bool(told.pop("gates")), told.pop("codes")
                waveform = np.zeros(0, np.float32) if name is None else self._sound(str(name))
                if waveform is None:
                    continue  # it is made anew
                conversion = Conversion(
                    **told, waveform=waveform, codes=None if codes is None else np.array(codes, dtype=np.int64)
                )
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise EsnError(
                    f"{path}, line {number}: this is no conversion ({type(error).__name__}: {error}); take the line"
                    " away, and it is made anew"
                ) from None
            finished[conversion.clip, conversion.target] = conversion, gates
        return finished

    def _sound(self, name: str) -> np.ndarray | None:
        """The samples of a file of this folder; None where it is not there, or not whole."""
        path = self.folder / name
        if Path(name).name != name:
            raise ValueError(f"{name!r} is not a file of this folder")
        try:
            require_all_of_it(path.read_bytes(), name)
            samples = soundfile.read(str(path), dtype="float32")[0]
        except (AudioError, soundfile.SoundFileError, OSError):
            return None
        return np.asarray(samples, dtype=np.float32)


class StoredGates(Sequence[PerClip | None]):
    """The sums of many conversions' gates, each read from its file when it is asked for."""

    def __init__(self, paths: Sequence[Path | None]) -> None:
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> PerClip | None: ...
    @overload
    def __getitem__(self, index: slice) -> "StoredGates": ...
    def __getitem__(self, index: int | slice) -> "PerClip | StoredGates | None":
        if isinstance(index, slice):
            return StoredGates(self._paths[index])
        path = self._paths[index]
        if path is None:
            return None
        arrays, header = load_tensors(path, kind=_GATES_KIND, version=VERSION)
        told, origin = Entries(header, where=str(path)), Origin.from_header(header, where=str(path))
        file = LayeredArrays(arrays, origin, where=str(path))
        return PerClip.read(file, told.take("per_clip", dict[str, Any]), told.take("scopes", list[str]))

    def __iter__(self) -> Iterator[PerClip | None]:
        return (self[index] for index in range(len(self)))


def _require_same(folder: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    plain = json.loads(json.dumps(dict(ours)))
    for name, value in plain.items():
        if name not in _NAMES and theirs.get(name) != value:
            if name == "corpus_fingerprint" and not str(theirs.get(name)).startswith(BY_SOUND):
                raise EsnError(f"{folder}: can't be resumed: {UNVERIFIED}; name another folder")
            raise EsnError(
                f"{folder}: holds conversions with other {name} ({theirs.get(name)!r}, not {value!r}); name another"
                " folder"
            )


def _stem(clip: str, target: str) -> str:
    """A file name that can be read, and is no other conversion's."""
    digest = hashlib.sha256(f"{clip}\0{target}".encode()).hexdigest()[:8]
    readable = re.sub(r"[^\w.-]+", "_", f"{clip}-{target}")[-80:].lstrip(".-")
    # A letter may take four bytes, and a name of a file 255 of them.
    short = readable.encode("utf-8", "replace")[-200:].decode("utf-8", "ignore")
    return f"{short}-{digest}"
