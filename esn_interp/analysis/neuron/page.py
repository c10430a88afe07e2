"""The page of one neuron, in the style of reports: self-contained, with players and nothing from a network."""

from typing import Any

import numpy as np

from esn_interp.analysis.inside import acoustics_figure, writes_figure
from esn_interp.analysis.neuron import figure
from esn_interp.analysis.neuron.result import Example, NeuronPage
from esn_interp.drawing.numbers import percent, signed
from esn_interp.files import package_version
from esn_interp.report.page import Plate, drawn, fill_with_figures


def neuron_page(result: NeuronPage) -> str:
    """The page as text."""
    return fill_with_figures(
        "analysis/neuron/page.html.j2",
        result=result,
        facts=facts(result),
        firing=Plate("When it fires", figure.draw(result), FIRING).content("firing"),
        examples=[
            ("strongest", "Where it is strongest", _examples(result, "top", result.top)),
            ("weakest", "Where it is weakest", _examples(result, "low", result.bottom)),
        ],
        plates=plates(result),
        neighbours=[
            (f"layer {one.layer}, neuron {one.neuron}", signed(one.correlation, 2)) for one in result.neighbours
        ],
        memberships=[
            (one.set, one.emotion, "yes" if one.member else "no", f"{one.rank:,} of {one.of:,}" if one.rank else "–")
            for one in result.memberships
            if one.member or 0 < one.rank <= one.of // 20
        ],
        version=package_version(),
    )


FIRING = (
    "Each mark is a clip, at the mean of the gate over its recording; black marks are the emotions’ means, with 95 %"
    " bounds over speakers. A neuron that tells one emotion from the others keeps its marks apart."
)


def facts(result: NeuronPage) -> list[tuple[str, str, str]]:
    """The key figures: what they are, their value, and what stands beside."""
    best = result.emotions.index(result.preferred)
    mine, fires = result.emotion == best, "of the tokens make it fire"
    rows = [
        ("the emotion with its highest mean", result.preferred, f"mean {result.by_emotion[best]:.3g}"),
        (fires, percent(float(result.rates[mine].mean())), f"{result.preferred} clips"),
        (fires, percent(float(result.rates[~mine].mean())) if (~mine).any() else "–", "other clips"),
    ]
    if result.effect is not None:
        change = signed(float(result.effect.change[0, best]), 2)
        rows.append((f"change of the log-odds of {result.preferred}", change, "silenced by itself"))
    return rows


def plates(result: NeuronPage) -> list[dict[str, Any]]:
    """What there is beside the clips: what it writes, what it does, what of the voice it goes with."""
    made: list[Plate] = []
    if result.writes is not None:
        drawing = writes_figure.draw(result.writes)
        made.append(Plate("What it writes", drawing, result.writes.summary(), (WRITES,)))
    if result.effect is not None:
        alone = figure.effects(result, result.effect)
        made.append(Plate("What it does to the answer", alone, _effect_told(result), (EFFECT,)))
    if result.voice is not None:
        drawing = acoustics_figure.draw(result.voice)
        made.append(Plate("What of the voice it goes with", drawing, result.voice.summary(), (VOICE,)))
    return [plate.content(f"plate-{at}") for at, plate in enumerate(made)]


WRITES = (
    "Straight through the final norm and the head, as if no layer came behind it. What later layers make of it is not"
    " seen here, and in early layers that is most of it."
)
EFFECT = "One neuron among many: others may do the same work, so that little happens when one of them is silent."
VOICE = "A correlate is no cause: pitch, level and tilt go together in most voices, and with emotion."


def _effect_told(result: NeuronPage) -> str:
    effect = result.effect
    assert effect is not None
    best = result.emotions.index(result.preferred)
    own, others = effect.change[0, best], np.abs(effect.controls[:, 0, best])
    stronger = int((np.abs(own) > others).sum())
    last = int(effect.gains.argmax())
    return (
        f"Silenced, it changes the log-odds of {result.preferred} by {signed(float(own), 2)}, more than {stronger} of"
        f" {len(others)} neurons of its layer that are about as active; multiplied by {effect.gains[last]:g}, by"
        f" {signed(float(effect.change[last, best]), 2)}, and {percent(float(effect.flipped[last]))} of answers change."
    )


def _examples(result: NeuronPage, kind: str, some: tuple[Example, ...]) -> list[dict[str, Any]]:
    return [_example(one, kind, at, result) for at, one in enumerate(some)]


def _example(example: Example, kind: str, at: int, result: NeuronPage) -> dict[str, Any]:
    """One clip as the template draws it."""
    name = f"{kind}-{at}"
    about = {"example": example, "name": name, "strongest": f"{example.value:.3g}"}
    if not example.sound:
        return about | {"figure": None}
    loudest = float(example.seconds[int(example.gate.argmax())])
    where = f"highest at {loudest:.2f} s" if np.ptp(example.gate) else "the same throughout"
    return about | {"figure": drawn(figure.in_time(example, result.title)), "at": where}
