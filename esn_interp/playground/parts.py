"""Pieces of HTML that the playground shows: the answer as bars, players, links to neurons, the map as a page."""

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

from esn_interp.drawing.notebook import player
from esn_interp.drawing.theme import emotion_colors
from esn_interp.playground.bench import Answer, Heard, Settings
from esn_interp.report.page import figure_page
from esn_interp.speech.playable import Speech
from esn_interp.speech.showing import opus

_OPEN = """
const map = document.querySelector(".plotly-graph-div");
function opening(event) {
  const point = event.points.find((one) => one.data.type.startsWith("scatter"));
  if (point) window.open(`/neuron/${Math.round(point.y)}/${point.x}`, "_blank");
}
map.on("plotly_click", opening);
// What was drawn while its tab was closed had no size to be laid out in: it is drawn again when the tab is opened.
if (!innerWidth)
  addEventListener("resize", async () => {
    await Plotly.newPlot(map, map.data, map.layout, { displaylogo: false, responsive: true });
    map.on("plotly_click", opening);
  }, { once: true });
"""


def answer_table(answer: Answer) -> str:
    """Probabilities before and after as a table with bars, under a sentence that is read aloud when it changes."""
    colors = emotion_colors(answer.emotions)
    rows = "".join(
        f'<tr><th scope="row">{escape(emotion)}</th><td>{100 * before:.0f} %</td><td>{100 * after:.0f} %</td>'
        f'<td class="esn-bars" aria-hidden="true"><i style="width:{100 * before:.1f}%;background:{colors[emotion]};'
        f'opacity:.45"></i><i style="width:{100 * after:.1f}%;background:{colors[emotion]}"></i></td></tr>'
        for emotion, before, after in zip(answer.emotions, answer.before, answer.after, strict=True)
    )
    return (
        f'<p id="esn-answer" role="status" class="esn-said"><strong>{escape(answer.summary())}</strong></p>'
        '<table class="esn-answer"><caption>Probability of each answer, without and with the edit</caption><thead><tr>'
        '<th scope="col">answer</th><th scope="col">before</th><th scope="col">after</th><td></td></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def heard_player(heard: Heard) -> str:
    """The recording with its label, where it has one, and its words."""
    clip = heard.clip
    label = heard.name if clip is None else f"{clip.speaker}, labelled {clip.emotion}: “{clip.transcript}”"
    return player(opus(heard.waveform), "audio/ogg", label)


def speech_player(speech: Speech, label: str) -> str:
    """What was said, or why there is nothing to hear."""
    if not len(speech.waveform):
        return f"<p>{escape(label)}: no sound ({escape(speech.problem or 'nothing was said')})</p>"
    return player(speech.wav(), "audio/wav", f"{label}: “{speech.text}”")


def neuron_links(rows: Sequence[tuple[int, int, float]]) -> str:
    """The strongest neurons as links to their pages, for keyboards and screen readers."""
    if not rows:
        return "<p>No neuron is selected here.</p>"
    items = "".join(
        f'<li><a href="/neuron/{layer}/{neuron}" target="_blank">layer {layer}, neuron {neuron}</a>'
        f" (score {score:.3g})</li>"
        for layer, neuron, score in rows
    )
    return f'<p>The strongest, each with a page of its own:</p><ol class="esn-list">{items}</ol>'


def map_frame(settings: Settings) -> str:
    """The map of this choice, in a frame: a click on a mark opens the neuron's page."""
    where = urlencode({"selector": settings.selector, "top": settings.top})
    return (
        f'<iframe class="esn-map" title="Map of the neurons: a click opens the page of one" src="/map?{where}">'
        "</iframe>"
    )


def map_page(figure: Any) -> str:
    """The page of the frame; it asks no network for anything."""
    return figure_page(figure, script=_OPEN, title="Map of the neurons")
