"""Whether a model's processor takes in the whole clip: most cut long audio off without a word."""

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from esn_interp.errors import AudioError

_EDGE = 0.1  # seconds at a clip's end that may fill no frame


def require_whole(
    features: Tensor | None, extractor: Any, waveform: Float[np.ndarray, " sample"], title: str
) -> None:
    """Refuse a clip of which the features, mel frames of all its windows, hold a part only.

    Raises
    ------
    AudioError
        When the frames are fewer than the clip's. Features of extractors that don't tell their hop are not judged.
    """
    hop, mels = getattr(extractor, "hop_length", None), getattr(extractor, "feature_size", None)
    if features is None or not isinstance(hop, int) or not isinstance(mels, int):
        return
    rate = int(extractor.sampling_rate)
    seconds, covered = len(waveform) / rate, features.numel() / mels * hop / rate
    if covered < seconds - _EDGE:
        raise AudioError(
            f"a clip of {seconds:.1f} s is longer than the {covered:g} s that {title} hears; cut it, or leave it out"
        )
