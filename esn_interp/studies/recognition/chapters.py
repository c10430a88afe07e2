"""What a study tells in pictures: a chapter for each model and corpus, and for each pair of corpora."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from esn_interp.drawing.numbers import count, percent
from esn_interp.report.page import Plate
from esn_interp.studies.chapters import Chapter, Cover, Part, Table, provenance, write_chapters

Numbers = Mapping[str, Any]
Found = Mapping[str, Mapping[str, Any]]

HEADINGS = {
    "comparison": "Which selector, and how many neurons (validation speakers)",
    "neurons": "Where the chosen neurons are",
    "ablation": "Silenced",
    "protocols": "Asked as each protocol asks",
    "doses": "Turned up",
    "layers": "By layer",
    "overlap": "Shared neurons",
    "transfer": "Carried over",
}
"""Heading of each figure, in order."""


def write_pages(path: Path, content: Numbers, found: Found) -> Path:
    """Write the page of a study: a table over its models and corpora, and a chapter with figures for each."""
    told = [*content["cells"], *content["pairs"]]
    models, corpora = count(len(content["models"]), "model"), len(content["corpora"])
    cover = Cover(
        about="emotion-sensitive neurons",
        kicker=f"Emotion-sensitive neurons · {models} · {f'{corpora} corpora' if corpora > 1 else '1 corpus'}",
        lede=(
            "Neurons were found on identification speakers, selector, size and gain were chosen on validation speakers,"
            " and every effect below was measured once, on evaluation speakers. The three share no one. Intervals are"
            " 95 % intervals over speakers.",
        ),
    )
    chapters: list[Chapter] = []
    for at, one in enumerate(told):
        its = found[one["title"]]
        pages = its["pages"].write(path.parent, f"neurons/{at}") if "pages" in its else {}
        chapters.append(Chapter(one["title"], (*_lines(one), *_plates(its, pages))))
    return write_chapters(
        path,
        content,
        cover,
        [chapter for chapter in chapters if any(isinstance(part, Plate) for part in chapter.parts)],
        overview=[_overview(content["cells"])],
        provenance=provenance(content, _weights(content["cells"], found)),
    )


def _plates(found: Mapping[str, Any], pages: Mapping[str, str]) -> list[Plate]:
    return [
        Plate(
            heading,
            one.plot(),
            one.summary() if hasattr(one, "summary") else repr(one),
            getattr(one, "notes", ()),
            pages if name == "neurons" else {},
        )
        for name, heading in HEADINGS.items()
        if (one := found.get(name)) is not None
    ]


def _weights(cells: list[Numbers], found: Found) -> dict[str, str]:
    """Fingerprint and component of each model, by title."""
    told: dict[str, str] = {}
    for cell in cells:
        if (its := cell.get("weights")) is not None:
            told[cell["model"]] = f"{its['fingerprint']}, {its['component']}"
        elif (neurons := found[cell["title"]].get("neurons")) is not None:
            told[cell["model"]] = f"{neurons.origin.fingerprint}, {neurons.origin.component}"
    return told


def _lines(one: Numbers) -> list[Part]:
    """How well the model hears this corpus, how many clips passed the filter, and what is lost beside the emotion."""
    lines: list[Part] = []
    if one.get("unheard_by"):
        who = f": {', '.join(one['evaluated'])}" if "evaluated" in one else ""
        lines.append(
            "The model has heard some of these speakers in its training. Neurons were found and settings chosen on"
            f" them; it is evaluated on those whom it had not heard{who}."
        )
    if (baseline := one.get("baseline")) is not None:
        recall = ", ".join(f"{emotion} {percent(share)}" for emotion, share in baseline["recall"].items())
        clips = one["clips"]["evaluation"]
        lines.append(
            f"Without an edit the model reaches a UAR of {baseline['uar']['value']:.2f} on"
            f" {clips['clips']} clips of {clips['speakers']} evaluation speakers; recall: {recall}."
        )
    if (sieve := one.get("filter")) is not None:
        passed = ", ".join(f"{emotion} {n} of {sieve['seen'][emotion]}" for emotion, n in sieve["kept"].items())
        used = "only these count" if sieve["used"] == "correct" else "all clips count here"
        lines.append(f"Identification clips that it labels correctly: {passed} ({used}).")
    lines += [
        f"Asked by {told['protocol']} and {told['verb']}: SE {_points(told['SE'])}, ACE {_points(told['ACE'])},"
        f" ESS {_points(told['ESS'])} points of recall (UAR {told['uar']:.2f} without an edit)."
        for told in one.get("protocols") or ()
    ]
    if (costs := one.get("costs")) is not None:
        before, *after = costs["conditions"]
        told = [
            f"{name} {percent(before[task])} unedited, {percent(sum(row[task] for row in after) / len(after))} silenced"
            for task, name in (("transcription", "transcripts right"), ("sex", "speaker’s sex right"))
            if all(row[task] is not None for row in costs["conditions"])
        ]
        lines.append(f"Beside the emotion, on {costs['clips']} evaluation clips: {'; '.join(told)}.")
    return lines


def _points(figure: Numbers) -> str:
    if figure["low"] is None:
        return f"{100 * figure['value']:+.1f}"
    return f"{100 * figure['value']:+.1f} [{100 * figure['low']:+.1f}, {100 * figure['high']:+.1f}]"


def _overview(cells: list[Numbers]) -> Table:
    header = ("Model and corpus", "UAR %", "Chosen", "Self", "Cross", "Random", "α", "Flips %", "Random flips %")
    caption = (
        "Recall and changes of recall in percentage points. Self is what silencing an emotion’s own neurons does to its"
        " recall, cross what it does to the others’; random are neurons of the same layers. Flips are clips of other"
        " emotions that are heard as the target."
    )
    return Table(caption, header, tuple(_row(cell) for cell in cells))


def _row(cell: Numbers) -> tuple[str | tuple[str, str], ...]:
    """One line of the table: values with their bounds; what is not known is a dash."""

    def told(part: str, name: str, sign: str = "+") -> tuple[str, str]:
        value = cell.get(part, {}).get(name)
        if value is None or value["value"] is None:
            return "–", ""
        low, high = value["low"], value["high"]
        bounds = "" if low is None else f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
        return f"{100 * value['value']:{sign}.1f}", bounds

    chosen, steering = cell.get("chosen"), cell.get("steering")
    return (
        cell["title"],
        told("baseline", "uar", ""),
        f"{chosen['selector']}, {chosen['top']:.1%}" if chosen else "–",
        *(told("ablation", name) for name in ("self", "cross", "random")),
        f"{steering['alpha']:g}" if steering else "–",
        told("steering", "flip_rate", ""),
        told("steering", "random_flip_rate", ""),
    )
