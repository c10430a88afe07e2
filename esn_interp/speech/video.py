"""The sound of a video file: some corpora ship clips as .mp4 only. Read by PyAV, which brings its own ffmpeg."""

import importlib
import io
from typing import Any

import numpy as np

from esn_interp.errors import AudioError


def is_video(data: bytes) -> bool:
    """Whether these are the bytes of something that PyAV decodes and soundfile does not, also without pictures.

    MPEG-4 (its first box is of type `ftyp`; .m4a too), Matroska and WebM, AVI, Windows Media, AMR, AAC, AC-3.
    """
    return (
        data[4:8] == b"ftyp"
        or data.startswith(
            (b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"#!AMR", b"\xff\xf1", b"\xff\xf9", b"\x0bw")
        )
        or (data[:4] == b"RIFF" and data[8:12] == b"AVI ")
    )


def sound_of_video(data: bytes, label: str, longest: float) -> tuple[np.ndarray, int]:
    """The first sound track as [sample, channel] floats, and its sampling rate.

    Raises
    ------
    AudioError
        When PyAV is not installed, or there is no sound track that can be decoded.
    """
    try:
        av: Any = importlib.import_module("av")
    except ImportError:
        raise AudioError(
            f"{label}: is a video, or sound as videos have it; install what reads it, pip install"
            " 'esn-interp[video]', or extract it to .wav"
        ) from None
    blocks: list[np.ndarray] = []
    try:
        with av.open(io.BytesIO(data)) as container:
            if not container.streams.audio:
                raise AudioError(f"{label}: holds no sound track")
            track = container.streams.audio[0]
            rate = int(track.rate)
            # Planar floats: one row a channel, whatever the codec decodes to. The rate is left as it is.
            convert = av.AudioResampler(format="fltp", layout=track.layout.name, rate=rate)
            samples = 0
            for frame in container.decode(track):
                for block in convert.resample(frame):
                    blocks.append(block.to_ndarray())
                    samples += block.samples
                if samples > (longest + 1) * rate:
                    break  # the caller says that it is too long; the rest of an hour is not decoded for that
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise AudioError(f"{label}: its sound cannot be decoded ({error})") from error
    if not blocks:
        return np.zeros((0, 1), dtype=np.float32), rate
    return np.ascontiguousarray(np.concatenate(blocks, axis=1).T, dtype=np.float32), rate
