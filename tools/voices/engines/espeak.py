"""espeak-ng, a formant synthesiser: "dialect+variant" names a voice."""

import _ctypes
import ctypes
import functools
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from esn_interp.errors import EsnError

WORDS_PER_MINUTE = 165  # espeak's own rate of the plain reading

_SYNCHRONOUS, _RATE, _UTF8 = 2, 1, 1  # espeak-ng's AUDIO_OUTPUT_SYNCHRONOUS, espeakRATE, espeakCHARS_UTF8
_IPA = 2  # espeak-ng's espeakPHONEMES_IPA
_PATH_LIMIT = 150  # espeak-ng keeps its data path in a fixed buffer of 160 bytes


def read(voice: str, text: str) -> tuple[Float[np.ndarray, " sample"], int]:
    """`text` in the espeak-ng voice `voice` ("en-us+f2")."""
    engine = _espeak()
    spoken = engine.speak(voice, text)
    return spoken, engine.sample_rate


def phonemes(dialect: str, text: str) -> str:
    """`text` in the international phonetic alphabet, as espeak-ng pronounces it in "en-us" or "en" (British)."""
    return _espeak().phonemes(dialect, text)


class _Espeak:
    """espeak-ng as one process-wide handle: the library keeps global state and is not thread-safe.

    The phase of its oscillators and its random numbers run on from one sentence to the next, so that the same
    sentence never comes out twice. The library is therefore loaded afresh for each one, which costs 5 ms.
    """

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise EsnError('speaking needs espeak-ng: pip install "esn-interp[tools]"') from error
        self._path = espeakng_loader.get_library_path()
        self._data = _short_path(Path(espeakng_loader.get_data_path()))
        self._library: Any = None
        self._pieces: list[np.ndarray] = []
        self.sample_rate = 0
        signature = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = signature(self._receive)  # kept: espeak holds the pointer, Python must not free it

    def _reload(self) -> None:
        if self._library is not None:
            self._library.espeak_Terminate()
            handle = self._library._handle
            self._library = None
            _ctypes.dlclose(handle)
        library: Any = ctypes.CDLL(self._path)
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
            ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self.sample_rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(self._data), 0))
        if self.sample_rate <= 0:
            raise EsnError(
                f"espeak-ng did not start with the data in {self._data}: reinstall espeakng-loader"
            )
        library.espeak_SetSynthCallback(self._callback)
        library.espeak_ng_SetRandSeed(1)
        self._library = library

    def _receive(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, voice: str, text: str) -> Float[np.ndarray, " sample"]:
        """`text` in the espeak-ng voice `voice` ("en-us+f2"), at the library's own sample rate."""
        self._reload()
        self._pieces.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EsnError(f"espeak-ng has no voice {voice!r}")
        self._library.espeak_SetParameter(_RATE, WORDS_PER_MINUTE, 0)
        data = text.encode() + b"\0"
        status = self._library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        if status != 0 or not self._pieces:
            raise EsnError(f"espeak-ng voice {voice!r} said nothing for {text!r}")
        return np.concatenate(self._pieces).astype(np.float64) / 32768.0

    def phonemes(self, voice: str, text: str) -> str:
        self._reload()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EsnError(f"espeak-ng has no voice {voice!r}")
        translate = self._library.espeak_TextToPhonemes
        translate.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        translate.restype = ctypes.c_char_p
        rest = ctypes.c_char_p(text.encode())
        spelled: list[str] = []
        while rest.value:
            spelled.append((translate(ctypes.byref(rest), _UTF8, _IPA) or b"").decode())
        return " ".join(spelled)


def _short_path(data: Path) -> Path:
    if len(os.fsencode(data)) < _PATH_LIMIT:
        return data
    link = Path(tempfile.mkdtemp(prefix="espeak-")) / data.name
    link.symlink_to(data, target_is_directory=True)
    return link


@functools.cache
def _espeak() -> _Espeak:
    return _Espeak()
