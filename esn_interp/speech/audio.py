"""Any audio a user may hand over, as one kind of array: mono, 16 kHz, float32.

Decoded by soundfile, the sound of videos by PyAV, and resampled once, by soxr at its highest quality. Audio
that is at 16 kHz already is left as it is, to the bit.
"""

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from jaxtyping import Float

from esn_interp.errors import AudioError, EsnWarning
from esn_interp.speech.spelling import as_on_disk
from esn_interp.speech.video import is_video, sound_of_video

SAMPLE_RATE = 16_000
SILENCE = 1e-4  # peak below which a clip counts as silent: 80 dB below full scale
LOUDEST = 2.0**15  # floats that are larger are not even the numbers of 16-bit samples
_ENDLESS = 2**40  # samples, 2 years at 16 kHz
_STREAMED = 0x7FFF_0000  # bytes; from here on, sizes stand for "not known yet"

AudioSource = str | Path | bytes | Mapping[str, Any] | np.ndarray


class AudioWarning(EsnWarning):
    """A recording is heard otherwise than it was made."""


def conversion(path: str | Path) -> str | None:
    """What is done to a recording before a model hears it; None when nothing is, or its header can't be read."""
    try:
        info = soundfile.info(str(path))
    except (OSError, soundfile.LibsndfileError):
        return None
    if info.samplerate == SAMPLE_RATE and info.channels == 1:
        return None
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    return f"{path}: {channels} at {info.samplerate} Hz, heard as mono at {SAMPLE_RATE} Hz"


def read_audio(
    source: AudioSource,
    *,
    name: str | None = None,
    shortest: float = 0.1,
    longest: float = 60.0,
) -> Float[np.ndarray, " sample"]:
    """Reads a clip as float32 mono at 16 kHz, resampled where needed.

    `source` is a path, the bytes of an audio file, an array (mono or [sample, channel], taken to be at 16
    kHz; integers are scaled by their full range), or a mapping as `datasets` has it: {"bytes", "path"} or
    {"array", "sampling_rate"}. Durations are in seconds.

    Raises `AudioError`, naming the clip (`name`, else its path), when it is missing, no regular file, empty, cut
    off, not audio, silent, not finite, louder than any sound, or shorter or longer than allowed.
    """
    plain, label = _unwrap(source, name)
    if isinstance(plain, tuple):
        wave, rate = _as_float(plain[0], label), plain[1]
    else:
        wave, rate = _decode(plain, label, longest)
    if wave.ndim == 2:
        # Channels are the shorter axis: no clip has fewer samples than channels.
        wave = wave.mean(axis=int(np.argmin(wave.shape)))
    _check(wave, rate, label, shortest, longest)
    if rate != SAMPLE_RATE:
        wave = soxr.resample(wave, rate, SAMPLE_RATE, quality="VHQ")
    return np.ascontiguousarray(wave, dtype=np.float32)


def waveform_of(audio: Any) -> Float[np.ndarray, " sample"]:
    """What a model hears of a path, a waveform or a clip; a file that has to be converted is warned of."""
    if hasattr(audio, "waveform"):
        return audio.waveform()
    waveform = read_audio(audio)
    if isinstance(audio, str | Path) and (note := conversion(audio)):
        warnings.warn(note, AudioWarning, stacklevel=3)
    return waveform


def _unwrap(source: Any, name: str | None) -> tuple[Path | bytes | tuple[np.ndarray, int], str]:
    """Reduces every accepted form to a path, bytes or (array, sampling rate), and finds it a name."""
    if isinstance(source, Mapping):
        path = source.get("path")
        label = name or (str(path) if path else "audio")
        if source.get("array") is not None:
            return (np.asarray(source["array"]), int(source.get("sampling_rate") or SAMPLE_RATE)), label
        if source.get("bytes") is not None:
            return bytes(source["bytes"]), label
        if path:
            return Path(path), label
        raise AudioError(
            f"{label}: a mapping needs 'bytes', 'path' or 'array', this one has {sorted(source)}"
        )
    if isinstance(source, str | Path):
        return Path(source), name or str(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), name or "audio bytes"
    if isinstance(source, np.ndarray):
        return (source, SAMPLE_RATE), name or "array"
    raise AudioError(
        f"{name or 'audio'}: expected a path, bytes, an array or a mapping, got {type(source).__name__}"
    )


def _as_float(array: np.ndarray, label: str) -> np.ndarray:
    if array.ndim not in (1, 2):
        raise AudioError(f"{label}: expected a waveform with one or two axes, got shape {array.shape}")
    if np.issubdtype(array.dtype, np.signedinteger):
        return array.astype(np.float32) / np.float32(-float(np.iinfo(array.dtype).min))
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"{label}: expected samples as floats or signed integers, got {array.dtype}")
    return array.astype(np.float32)


def _decode(source: Path | bytes, label: str, longest: float) -> tuple[np.ndarray, int]:
    data = _bytes_of(source, label) if isinstance(source, Path) else source
    if not data:
        raise AudioError(f"{label}: empty file")
    if is_video(data):
        return sound_of_video(data, label, longest)
    require_all_of_it(data, label)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, frames = int(file.samplerate), len(file)
            # The header is believed before anything is decoded: an hour of audio is refused in milliseconds. But a
            # FLAC that was written to a stream does not say how long it is, which libsndfile takes for endless.
            if longest * rate < frames < _ENDLESS:
                raise AudioError(_too_long(label, frames / rate, longest))
            if frames < _ENDLESS:
                return file.read(dtype="float32", always_2d=False), rate
        with _Stream(io.BytesIO(data)) as file:
            wave = file.read(int(longest * rate) + 1, dtype="float32", always_2d=False)
        if len(wave) > longest * rate:
            raise AudioError(
                f"{label}: lasts longer than the {longest:g} s allowed; cut it into shorter clips"
            )
        return wave, rate
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        raise AudioError(
            f"{label}: not audio that soundfile can read (wav, flac, ogg, opus, mp3, aiff, au, caf)"
        ) from error


class _Stream(soundfile.SoundFile):
    """A file of unknown length: libsndfile can't go to a place in it, soundfile would after every reading."""

    def seekable(self) -> bool:
        return False


def _bytes_of(path: Path, label: str) -> bytes:
    """What a file holds; a name is found in the form in which the disk has it."""
    try:
        path = as_on_disk(path)
        if not path.exists():
            raise AudioError(f"{label}: no such file")
        if path.is_dir():
            raise AudioError(f"{label}: is a folder, expected an audio file")
        if not path.is_file():  # a pipe would be waited for, for ever
            raise AudioError(f"{label}: is no regular file, expected an audio file")
        return path.read_bytes()
    except OSError as error:
        raise AudioError(f"{label}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a name with a zero in it, or one that can't be encoded
        raise AudioError(f"{label}: cannot be read (its name is not one of a file)") from error


def require_all_of_it(data: bytes, label: str) -> None:
    """Refuse a wav that was cut off: its header says how many bytes of samples there were.

    A wav that was written to a stream does not know, and says 0 or all that fits into its field.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"data":
            there = len(data) - place - 8
            if there < size < _STREAMED:
                raise AudioError(
                    f"{label}: cut off, {there:,} of {size:,} bytes of samples are there; copy or download it again"
                )
            return
        place += 8 + size + size % 2


def _check(wave: np.ndarray, rate: int, label: str, shortest: float, longest: float) -> None:
    if rate <= 0:
        raise AudioError(f"{label}: sampling rate {rate} is not positive")
    seconds = len(wave) / rate
    if len(wave) == 0:
        raise AudioError(f"{label}: holds no samples")
    if not np.isfinite(wave).all():
        raise AudioError(f"{label}: holds samples that are not finite (NaN or infinity)")
    if seconds < shortest:
        raise AudioError(f"{label}: lasts {seconds:.3f} s, shorter than the {shortest:g} s a clip needs")
    if seconds > longest:
        raise AudioError(_too_long(label, seconds, longest))
    peak = float(np.abs(wave).max())
    if peak > LOUDEST:
        raise AudioError(
            f"{label}: holds samples up to {peak:.1e}, which no sound has; expected floats within -1 and 1"
        )
    if peak < SILENCE:
        raise AudioError(f"{label}: silent (peak {peak:.1e})")


def _too_long(label: str, seconds: float, longest: float) -> str:
    return f"{label}: lasts {seconds:.1f} s, longer than the {longest:g} s allowed; cut it into shorter clips"
