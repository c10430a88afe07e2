"""The guided lesson of the playground: five steps from hearing to doubting, each with its place of the sliders."""

from dataclasses import dataclass, replace

from esn_interp.errors import EsnError
from esn_interp.playground.bench import RANDOM, Bench, Settings
from esn_interp.speech.clips import Clip


@dataclass(frozen=True)
class Step:
    """One step: what to do and to look for, and where the sliders are put for it."""

    title: str
    text: str
    settings: Settings


@dataclass(frozen=True)
class Lesson:
    """Five steps on one clip, which was chosen on voices that no claim is made about."""

    clip: Clip
    target: str
    steps: tuple[Step, ...]


def lesson(bench: Bench) -> Lesson:
    """The lesson on the first emotion whose neurons turn a clip that random neurons leave alone.

    Raises
    ------
    EsnError
        When no clip can be turned: this model, or these neurons, have no such lesson to give.
    """
    for target in ("angry", *(name for name in bench.emotions if name not in ("angry", "neutral"))):
        if target in bench.emotions and (found := bench.turning_clip(target)) is not None:
            clip, alpha = found
            return Lesson(clip, target, _steps(clip, target, alpha))
    raise EsnError("no clip was turned by the neurons of another emotion, so there is nothing to be shown here")


def _steps(clip: Clip, target: str, alpha: float) -> tuple[Step, ...]:
    still = Settings(target)
    own = Settings(clip.emotion, alpha=-1.0)
    up = replace(still, alpha=alpha)
    return (
        Step(
            "Listen",
            f"Play the clip. Which emotion do you hear? The model says {clip.emotion}, and so does its label. All"
            " sliders are at rest: this is the model as it is.",
            still,
        ),
        Step(
            "Find",
            f"Open the tab Map. Each mark is a neuron that fires more on {target} voices than on others, and the same"
            " for every emotion. They were found on other voices. A map shows what goes along with an emotion, not"
            " what causes it.",
            still,
        ),
        Step(
            "Silence",
            f"Now the neurons of {clip.emotion}, the clip’s own emotion, are switched off (alpha −1). Does the model"
            f" still hear {clip.emotion}? If not, it needed them here.",
            own,
        ),
        Step(
            "Turn up",
            f"The neurons of {target} are turned up instead (alpha {alpha:g}). The recording is the same, and the"
            f" answer turns to {target}. Move alpha slowly: from where on?",
            up,
        ),
        Step(
            "Doubt",
            "As many random neurons of the same layers, turned up as far. If they did the same, nothing would have"
            " been shown. One clip that was picked because it turns is a demonstration, not evidence: for that, see"
            " `esn ablate` and `esn dose`, over many voices and with intervals.",
            replace(up, selector=RANDOM),
        ),
    )
