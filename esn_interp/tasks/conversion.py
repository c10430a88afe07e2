"""Emotional voice conversion: a model is asked to say what it hears with another emotion. [ESN-EVC]

[ESN-EVC] is Zhao, Ulgen, Koehn, Schuller, Sisman, arXiv 2603.17231; the wording of the request is our choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esn_interp.models.edits import Edit
from esn_interp.models.families.manner import Manner
from esn_interp.models.opened import Neurons
from esn_interp.speech.clips import Clips
from esn_interp.speech.playable import Speech
from esn_interp.tasks.conversion_record import ConversionRun


@dataclass(frozen=True)
class ConversionPrompt:
    """What a model is asked; both parts may hold ``{emotion}`` and ``{article}`` (a or an).

    ``system`` stands in the place of the model's system prompt; None leaves that as it is.
    """

    prompt: str
    system: str | None = None


def conversion_prompt(lm: Any) -> ConversionPrompt:
    """How this model is asked for a conversion: bundled models as they were taught, all others in plain English."""
    raise NotImplementedError


def conversions(
    lm: Any,
    clips: Clips,
    targets: Sequence[str],
    *,
    prompt: ConversionPrompt | None = None,
    edits_for: Callable[[str], Sequence[Edit]] | None = None,
    gates: bool = False,
    manner: Manner | None = None,
    batch_size: int = 4,
    seed: int = 0,
    store: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> ConversionRun:
    """Have every clip said with every target emotion, except its own.

    Each conversion has a seed of its own (see `conversion_seed`), so batches of any size give the same codes, and two
    runs that differ by their edits differ by nothing else.

    Parameters
    ----------
    lm
        A model that speaks, opened at the component whose gates are edited and read.
    edits_for
        The edits when a clip is said with this target emotion; none by default.
    gates
        Whether to sum up every conversion's gates as it is generated, for `conversion_statistics`.
    manner
        Voice, decoding and limits; the model's own by default.
    store
        A folder where every finished conversion is kept: sound, a line of ``conversions.jsonl`` and its gates' sums.
    resume
        Continue what is in ``store``, to the same run as an uninterrupted one.

    Raises
    ------
    ModelError
        When the model does not speak, or not with this voice.
    CorpusError
        When there is nothing to convert.
    EsnError
        When the folder holds conversions and is not to be resumed, or they were made with other settings.
    """
    raise NotImplementedError


def convert(
    lm: Any,
    audio: Any,
    *,
    to: str,
    neurons: Neurons | None = None,
    alpha: float = 0.0,
    prompt: ConversionPrompt | None = None,
    manner: Manner | None = None,
    seed: int = 0,
) -> Speech:
    """One clip with another emotion; ``neurons`` are multiplied by ``1 + alpha`` while it is said."""
    raise NotImplementedError
