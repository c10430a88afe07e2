"""Judges of words: any recogniser of transformers, connectionist (CTC) or sequence-to-sequence, such as Whisper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import AutoConfig, AutoModelForCTC, AutoModelForSpeechSeq2Seq, AutoTokenizer
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

from esn_interp.errors import ModelError
from esn_interp.tasks.judges.checkpoints import Checkpoint, not_loaded, open_checkpoint, place_of
from esn_interp.tasks.judges.lexicon import Lexicon, lexicon_of
from esn_interp.tasks.judges.word_errors import plain_words

LEXICON = "lexicon.txt"


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A recogniser with its tokenizer and its way of spelling.

    It decodes greedily; with a ``lexicon`` it says the likeliest of its words.
    """

    name: str
    checkpoint: Checkpoint
    tokenizer: Any
    spelling: Callable[[str], str]
    connectionist: bool
    language: str
    lexicon: Lexicon | None = None

    def transcribe(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int) -> list[str]:
        return [self.normalise(self._said(waveform, rate)) for waveform in waveforms]

    def normalise(self, text: str) -> str:
        return self.spelling(text).strip()

    def _said(self, waveform: Float[np.ndarray, " _sample"], rate: int) -> str:
        model, inputs = self.checkpoint.model, self.checkpoint.inputs(waveform, rate)
        with torch.inference_mode():
            if self.connectionist:
                logits = model(**inputs).logits[0]
                if self.lexicon is not None:
                    return self.lexicon.transcribe(logits.double().log_softmax(-1).cpu().numpy())
                return self.tokenizer.decode(logits.argmax(-1))
            asked = {"language": self.language} if _is_multilingual(model) else {}
            tokens = model.generate(**inputs, do_sample=False, num_beams=1, **asked)
        return self.tokenizer.decode(tokens[0], skip_special_tokens=True)


def load_recogniser(name: str | Path, *, language: str = "en", device: str = "cpu") -> Recogniser:
    """A recogniser from a folder or the hub.

    Whisper spells with its own normaliser, the English one (numbers, contractions, British and American spelling) when
    ``language`` is English; all others in lower-case words without punctuation. A CTC recogniser beside whose weights
    lies ``lexicon.txt``, one word a line, hears these words only.

    Raises `ModelError` when there is no such recogniser, or its tokenizer can't spell its lexicon.
    """
    place = place_of(name)
    try:
        config = AutoConfig.from_pretrained(place)
    except Exception as error:
        raise not_loaded(name, "a recogniser", error) from error
    connectionist = any(kind.endswith("ForCTC") for kind in config.architectures or [])
    checkpoint = open_checkpoint(
        AutoModelForCTC if connectionist else AutoModelForSpeechSeq2Seq,
        name,
        device=device,
        what="a recogniser",
    )
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
    except Exception as error:
        raise not_loaded(name, "a recogniser, for want of a tokenizer", error) from error
    spelling = _whisper_spelling(tokenizer, language) if config.model_type == "whisper" else plain_words
    lexicon = _lexicon(Path(place) / LEXICON, tokenizer) if connectionist else None
    return Recogniser(str(name), checkpoint, tokenizer, spelling, connectionist, language, lexicon)


def _lexicon(path: Path, tokenizer: Any) -> Lexicon | None:
    if not path.is_file():
        return None
    silent = {"blank": tokenizer.pad_token, "gap": tokenizer.word_delimiter_token}
    try:
        words = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        return lexicon_of(words, tokenizer.get_vocab(), **silent)
    except ValueError as error:
        raise ModelError(f"{path}: {error}; mend the list, or take the file away") from error


def _whisper_spelling(tokenizer: Any, language: str) -> Callable[[str], str]:
    if language not in ("en", "english"):
        return BasicTextNormalizer()
    return EnglishTextNormalizer(tokenizer.english_spelling_normalizer or {})


def _is_multilingual(model: Any) -> bool:
    """Whether the model must be told the language: otherwise Whisper guesses it anew for each clip."""
    return bool(getattr(model.generation_config, "is_multilingual", False))
