"""The selectors there are. What is listed here is offered everywhere: functions, commands, studies, pages."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import unwrap
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from esn_interp.neurons.scores import Scores


@dataclass(frozen=True)
class Selector:
    """A way to score gates, and how its rates are pooled unless the user says otherwise.

    ``told`` says what the score is as reports put it, after "scores every neuron by". ``formula`` names a function of
    `esn_interp.neurons.scores`, so that commands can list the selectors without waiting for torch. A ``control`` is
    one that finds nothing. ``scale_free`` promises that multiplying a gate by any positive number changes nothing;
    ``on_request`` ones are not among those that comparisons and studies try by themselves.
    """

    title: str
    told: str
    formula: str
    pooling: Literal["clip", "token"] = "clip"
    control: bool = False
    scale_free: bool = False
    on_request: bool = False

    @property
    def score(self) -> "Callable[..., Scores]":
        """The formula itself."""
        from esn_interp.neurons import scores

        return getattr(scores, self.formula)

    @property
    def options(self) -> dict[str, float]:
        """The parameters that this selector alone has, with their defaults."""
        # Off the function itself: tools that write documentation put words in the place of a signature's defaults.
        formula = unwrap(self.score)
        _, *names = formula.__code__.co_varnames[: formula.__code__.co_argcount]
        return dict(zip(names, formula.__defaults__ or (), strict=True))


SELECTORS: dict[str, Selector] = {
    "lap": Selector("firing frequency", "how often the neuron opens for this emotion", "lap", scale_free=True),
    "lape": Selector(
        "entropy of the firing frequency over the emotions",
        "how unevenly the neuron’s openings are spread over the emotions",
        "lape",
        pooling="token",
        scale_free=True,
    ),
    "mad": Selector(
        "mean deviation of the gate from the other emotions",
        "how much further the neuron opens, on average, for this emotion than for the mean of the others",
        "mad",
    ),
    "mad_rate": Selector(
        "mean deviation of the firing frequency from the other emotions",
        "how much more often the neuron opens for this emotion than for the mean of the others",
        "mad_rate",
        scale_free=True,
        on_request=True,
    ),
    "cas": Selector(
        "contrast: firing frequency of the first emotion minus the second's",
        "how much more often the neuron opens for this emotion than for the runner-up",
        "cas",
        scale_free=True,
    ),
    "cohen": Selector(
        "standardised difference: mean deviation in units of the gate's spread over clips",
        "how much further the neuron opens for this emotion than for the mean of the others, in units of how much it"
        " differs between clips of one emotion",
        "cohen",
        scale_free=True,
    ),
    "welch": Selector(
        "Welch's t: mean deviation in units of its standard error",
        "how surely the neuron opens further for this emotion than for the mean of the others",
        "welch",
        scale_free=True,
        on_request=True,
    ),
    "auroc": Selector(
        "area under the ROC curve, over single clips",
        "how often the neuron opens further for a clip of this emotion than for one of another",
        "auroc",
        scale_free=True,
        on_request=True,
    ),
    "random": Selector("uniform draw, as a control", "a draw by lot", "random", control=True, scale_free=True),
}


def contenders() -> tuple[str, ...]:
    """The selectors that a comparison or a study tries unless it is told which: no control, none on request only."""
    return tuple(name for name, one in SELECTORS.items() if not one.control and not one.on_request)


def controls() -> tuple[str, ...]:
    """The selectors that find nothing, to compare others with."""
    return tuple(name for name, one in SELECTORS.items() if one.control)
