"""What judges of emotion can hear, told before they are loaded."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from safetensors import safe_open

from esn_interp.errors import EsnError
from esn_interp.files import HEADER
from esn_interp.speech.labels import VOCABULARY, emotion_name, emotion_order
from esn_interp.tasks.judges.protocol import EmotionJudge

EMOTION2VEC = ("neutral", "happy", "angry", "sad", "fearful", "disgusted", "surprised")
"""What emotion2vec hears, but for what is no emotion."""

_BUNDLED = Path(__file__).parent / "bundled"
_ON_THE_HUB = {
    "superb/wav2vec2-base-superb-er": ("neutral", "happy", "angry", "sad"),
    "superb/hubert-base-superb-er": ("neutral", "happy", "angry", "sad"),
    "superb/hubert-large-superb-er": ("neutral", "happy", "angry", "sad"),
}
"""By the label names in their configurations."""


def emotions_of(judge: str | Path | EmotionJudge) -> tuple[str, ...] | None:
    """The emotions that a judge hears, without its weights; None where that is not known before it is loaded.
    """
    if isinstance(judge, EmotionJudge):
        return tuple(judge.emotions)
    name = str(judge)
    if name == "emotion2vec":
        return EMOTION2VEC
    if known := _ON_THE_HUB.get(name):
        return known
    if "/" not in name and (own := _BUNDLED / name / "model.safetensors").is_file():
        with safe_open(str(own), framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
        return tuple(header.get("emotions", ())) or None
    folder = Path(name)
    if (config := folder / "config.json").is_file():
        try:
            labels = dict(json.loads(config.read_text(encoding="utf-8")).get("id2label", {})).values()
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise EsnError(f"{config}: this is not the config of a checkpoint; download it anew") from None
        meant = {emotion_name(str(label)) for label in labels} & set(VOCABULARY)
        return emotion_order(meant) if meant else None
    return None


def require_known(judge: str | Path | EmotionJudge, emotions: Iterable[str], *, role: str) -> None:
    """Refuse a judge who has no word for one of these emotions, before anything is run.

    Raises
    ------
    EsnError
        When it has none, or there is no such judge; names the emotions.
    """
    known = emotions_of(judge)
    strange: Sequence[str] = [one for one in emotions if known is not None and one not in known]
    if known is not None and strange:
        name = judge.name if isinstance(judge, EmotionJudge) else str(judge)
        raise EsnError(
            f"{role} {name} does not hear {', '.join(strange)} (it knows {', '.join(known)}); leave these targets out,"
            " or take another judge"
        )
