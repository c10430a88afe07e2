"""What a study of conversions tells: for each model and corpus numbers, sounds, tables and figures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from esn_interp.analysis.conversion.acoustic_demand import CHECKED, Direction, directions
from esn_interp.analysis.conversion.effect_figure import TITLES, shift, unit
from esn_interp.analysis.conversion.effect_result import (
    RANDOM,
    STEERED,
    UNFILTERED,
    UNSTEERED,
    ConversionEffect,
)
from esn_interp.analysis.conversion.measures import MEASURES
from esn_interp.analysis.conversion.settings_result import ConversionGrid
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.listening.pairs import read_pairs
from esn_interp.drawing.numbers import MINUS, count, percent, points
from esn_interp.errors import EsnError
from esn_interp.models.speech_problems import PROBLEMS
from esn_interp.report.page import Plate
from esn_interp.studies.chapters import Card, Chapter, Cover, Part, Player, Table, provenance, write_chapters
from esn_interp.studies.results import interval_of
from esn_interp.tasks.success import REASONS

Numbers = Mapping[str, Any]


def write_pages(
    path: Path, content: Numbers, found: Mapping[str, Numbers], places: Mapping[str, Path]
) -> Path:
    """Write the page of a study; ``places`` are the folders of each model and corpus, by title."""
    settings = content["settings"]
    cover = Cover(
        about="emotion control in generated speech",
        kicker="Emotion control in generated speech",
        lede=(
            "A model is asked to say what it hears with another emotion. Neurons were found in its own conversions of"
            " identification speakers (the successful ones, where the filter was on); how to steer was chosen on"
            " validation speakers; the effects below were measured once, on evaluation speakers, who had no part in"
            " either. Intervals are 95 % intervals over speakers.",
            f"`{settings['filter_judge']}` decided which conversions neurons were found on, and how to steer."
            f" `{settings['score_judge']}`, which had no part in that, scores what is heard below."
            f" `{settings['transcript_judge']}` hears the words.",
        ),
        footer="The same numbers are in `results.json` and in `frames/`; `esn evc listen` makes a blind test for"
        " listeners of the pairs in `listening/`.",
    )
    judges = {name: settings[f"{name}_judge"] for name in ("filter", "score", "transcript", "speaker")}
    weights = {
        cell["model"]: f"{cell['weights']}, gates of {cell['component']}"
        for cell in content["cells"]
        if cell.get("weights")
    }
    heard_by = ", ".join(f"{name}: {judge or 'none'}" for name, judge in judges.items())
    chapters = [_chapter(content, cell, found[cell["title"]], places[cell["title"]]) for cell in content["cells"]]
    return write_chapters(
        path, content, cover, chapters, provenance=provenance(content, weights, Judges=heard_by)
    )


def _chapter(content: Numbers, cell: Numbers, found: Numbers, folder: Path) -> Chapter:
    settings = content["settings"]
    does = settings["stages"].__contains__
    choice, unseen, seen, cross = (found.get(name) for name in ("choice", "unseen", "seen", "cross"))
    sections: list[tuple[str, list[Part]]] = [("Before steering", _sample(content, cell))]
    if choice:
        sections.append(("How to steer", _choice(choice)))
    if unseen:
        sections.append(("Unseen speakers", _effect(unseen)))
        sections.append(("Does the voice move as it should?", _prosody(unseen)))
    if does("evaluate"):
        sections.append(("With and without the success filter", _filter(cell, choice, unseen)))
    if seen:
        sections.append(("Speakers that the neurons were found on", _effect(seen)))
    if cross:
        plate = Plate("One emotion asked for, another’s neurons steered", cross.plot(), cross.summary(), cross.notes)
        sections.append(("Whose emotion are the neurons?", [plate]))
    sections.append(("What went wrong", _problems(unseen, seen)))
    return Chapter(
        title=cell["title"],
        parts=(unseen.summary(),) if unseen else (),
        key=_key(unseen, seen) if unseen else (),
        cards=tuple(_cards(cell, folder)) if does("listen") else (),
        sections=tuple((title, tuple(parts)) for title, parts in sections if parts),
    )


def _key(unseen: ConversionEffect, seen: ConversionEffect | None) -> tuple[tuple[str, str, str], ...]:
    gain, wer = unseen.change_of("accuracy"), unseen.change_of("wer")
    before, after = unseen.of("accuracy", UNSTEERED).value, unseen.of("accuracy", STEERED).value
    random = unseen.change_of("accuracy", RANDOM).value if RANDOM in unseen.conditions else None
    return (
        (
            points(gain.value, unit=False),
            "points of target accuracy, unseen speakers",
            f"from {percent(before)} to {percent(after)}, {_bounds(gain)}",
        ),
        (points(random, unit=False), "points with random neurons of the same layers", ""),
        (points(wer.value, unit=False), "points of word error rate", _bounds(wer)),
        (
            points(seen.change_of("accuracy").value if seen else None, unit=False),
            "points of target accuracy, seen speakers",
            "",
        ),
    )


def _cards(cell: Numbers, folder: Path) -> list[Card]:
    """Players for each target: those of the results; where an earlier version told of none, pairs for listeners."""
    if "players" not in cell:
        return _paired(folder)
    return [
        Card(
            one["target"],
            one["words"],
            one["voice"],
            tuple(Player(made["label"], _sound(folder, made["file"]), made["told"]) for made in one["players"]),
        )
        for one in cell["players"]
    ]


def _paired(folder: Path) -> list[Card]:
    try:
        place, pairs = read_pairs(folder)
    except EsnError:
        return []
    first = {pair.emotion: pair for pair in reversed(pairs)}
    return [
        Card(
            emotion,
            "",
            "",
            tuple(
                Player(TITLES.get(name, name), _sound(place, file), "")
                for name, file in (
                    ("source", pair.source),
                    (pair.second.condition, pair.second.file),
                    (pair.first.condition, pair.first.file),
                )
            ),
        )
        for emotion, pair in reversed(first.items())
    ]


def _sound(folder: Path, file: str | None) -> bytes | None:
    return (folder / file).read_bytes() if file and (folder / file).is_file() else None


def _sample(content: Numbers, cell: Numbers) -> list[Part]:
    """How often the model does it by itself, and what the filter drops."""
    sampled = cell["sample"]
    if sampled is None:
        reasons = [
            one["reason"] for one in content["not_done"] if (one["stage"], one["of"]) == ("sample", cell["title"])
        ]
        return [f"The model’s own conversions could not be sampled: {'; '.join(reasons)}"]
    rows = tuple(
        (
            target,
            f"{row['made']}",
            f"{row['kept']}",
            percent(row["kept"] / row["made"] if row["made"] else None),
            ", ".join(f"{name} {number}" for name, number in row["reasons"].items()) or "–",
        )
        for target, row in sampled["targets"].items()
    )
    share = sampled["kept"] / sampled["conversions"] if sampled["conversions"] else None
    lines: list[Part] = [
        f"Asked for an emotion and not steered, the model succeeds in {percent(share)} of"
        f" {count(sampled['conversions'], 'conversion')} of the identification speakers: the target is heard"
        f" (probability {content['settings']['emotion_threshold']:g} or more), and the words are kept. With the filter"
        " on, neurons are found on these alone; with it off, on all."
    ]
    told = {name: (PROBLEMS | REASONS)[name] for name in sampled["reasons"] if name in PROBLEMS | REASONS}
    meanings = " ".join(f"“{name}”: {meaning[:1].lower()}{meaning[1:]}" for name, meaning in told.items())
    caption = f"Conversions of the identification speakers, by target. {meanings}"
    return [*lines, Table(caption, ("Target", "Made", "Kept", "Share", "Why dropped"), rows)]


def _choice(choice: ConversionGrid) -> list[Part]:
    header = ("Selector", "Gates", "Filter", "α", "Neurons", "Heard as target", "Probability", "WER")
    rows = tuple(
        (
            one.selector,
            percent(one.top),
            "–" if one.selector == "random" else "on" if one.filtered else "off",
            f"{one.alpha:g}",
            f"{int(choice.neurons[at].sum()):,}",
            (points(choice.change_of("accuracy", at).value, unit=False), _bounds(choice.change_of("accuracy", at))),
            points(choice.change_of("filter_probability", at).value, unit=False),
            points(choice.change_of("wer", at).value, unit=False),
        )
        for at, one in enumerate(choice.settings)
    )
    caption = (
        "Changes from the unsteered conversions of the validation speakers, in points, means over the targets: the"
        f" share that {choice.judge} hears as the target, {choice.filter_judge}’s probability of it (the criterion),"
        " and the word error rate. The chosen one stands out."
    )
    parts: list[Part] = [
        f"The rule: {choice.rule}. Random neurons are there to compare with and are never chosen.",
        Plate("Target accuracy over alpha, validation speakers", choice.plot(), choice.summary(), choice.notes),
        Table(caption, header, rows, choice.chosen, f"All {len(rows)} settings that were tried"),
    ]
    if choice.unusable:
        parts.append("Could not be tried: " + "; ".join(choice.unusable) + ".")
    return parts


def _effect(effect: ConversionEffect) -> list[Part]:
    """Levels and gains by target, and the cost."""
    random = RANDOM in effect.conditions

    def row(name: str, target: str | None, p: float) -> tuple[str | tuple[str, str], ...]:
        return (
            name,
            percent(effect.of("accuracy", UNSTEERED, target).value),
            percent(effect.of("accuracy", STEERED, target).value),
            _change(effect.change_of("accuracy", STEERED, target)),
            _change(effect.change_of("accuracy", RANDOM, target)) if random else "–",
            "–" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}",
            _change(effect.change_of("probability", STEERED, target)),
            percent(effect.of("wer", UNSTEERED, target).value),
            _change(effect.change_of("wer", STEERED, target)),
        )

    header = ("Target", "Unsteered", "Steered", "Gain", "Random", "p (Holm)", "Probability", "WER", "WER change")
    rows = [row(t, t, p) for t, p in zip(effect.targets, effect.p_holm.tolist(), strict=True)]
    caption = (
        f"Share of conversions that {effect.judge} hears as the target, and its changes in points; changes of that"
        " judge’s probability of the target, and of the word error rate. p: steered against random neurons, sign-flip"
        " test over speakers."
    )
    heading = f"What is heard in conversions of {effect.voices} speakers"
    parts: list[Part] = [
        Plate(heading, effect.plot(), effect.summary(), effect.notes),
        Table(caption, header, (*rows, row("mean", None, float("nan")))),
    ]
    if np.isfinite(effect.of("similarity").value):
        change = effect.change_of("similarity")
        parts.append(f"Similarity to the source’s voice changes by {change:+.3f}.")
    return parts


def _prosody(effect: ConversionEffect) -> list[Part]:
    if not np.isfinite(effect.of("duration").value):
        return []
    moved = {(one.target, one.measure): one for one in directions(effect)}
    rows = tuple(
        (target, *(_direction(moved[target, measure]) for measure in CHECKED)) for target in effect.targets
    )
    judged = [one for one in moved.values() if one.demanded]
    agree = sum(one.verdict == "agrees" for one in judged)
    against = sum(one.verdict == "disagrees" for one in judged)
    caption = (
        "Change from the unsteered conversion. The emotion’s acoustics (both of its ways of acting in `acting.csv`)"
        " demand a direction, or leave it open; unclear: the interval holds 0."
    )
    header = ("Target", *(f"{MEASURES[name].title}, {unit(name)}" for name in CHECKED))
    summary = (
        f"Of {count(len(judged), 'demanded direction')}, the voice goes {agree} ways as demanded and {against} the"
        f" other way, beyond differences between speakers; {len(judged) - agree - against} are unclear."
    )
    return [
        Plate("How steering moves the voice", effect.plot_prosody(), summary),
        Table(caption, header, rows),
    ]


def _direction(one: Direction) -> tuple[str, str]:
    change = float(shift(one.measure, np.array(one.change)))
    arrow = {1: "↑ ", -1: "↓ ", 0: ""}[one.demanded]
    return f"{change:+.1f}".replace("-", MINUS), f"{arrow}{one.verdict}"


def _filter(cell: Numbers, choice: ConversionGrid | None, unseen: ConversionEffect | None) -> list[Part]:
    sieve = cell.get("filter")
    if sieve is None or unseen is None:
        return ["Neurons were not compared with those found without the success filter."]
    rows = tuple(
        (
            target,
            percent(unseen.of("accuracy", UNFILTERED, target).value),
            percent(unseen.of("accuracy", STEERED, target).value),
            _change(interval_of(sieve["by_target"][target])),
        )
        for target in unseen.targets
    )
    caption = "Share heard as the target, unseen speakers, with the same selector, size and gain; difference in points."
    parts: list[Part] = [sieve["verdict"], Table(caption, ("Target", "Off", "On", "On minus off"), rows)]
    if choice:
        pairs = _on_off(choice)
        better = sum(on > off for on, off in pairs)
        parts.append(
            f"On the validation speakers, of {count(len(pairs), 'setting')} that differ by the filter alone, {better}"
            f" reach a higher target accuracy with it, and {sum(on < off for on, off in pairs)} a lower one."
        )
    return parts


def _on_off(choice: ConversionGrid) -> list[tuple[float, float]]:
    """Accuracy with the filter on and off, for settings that differ by it alone."""
    at = {one: k for k, one in enumerate(choice.settings)}
    pairs = [(k, at.get(replace(one, filtered=False), k)) for one, k in at.items() if one.filtered]
    accuracy = [choice.level_of("accuracy", k).value for k in range(len(at))]
    return [(accuracy[on], accuracy[off]) for on, off in pairs if on != off]


def _problems(unseen: ConversionEffect | None, seen: ConversionEffect | None) -> list[Part]:
    found = Counter[tuple[str, str, str]]()
    for effect in (unseen, seen):
        for problem in effect.problems if effect else ():
            assert effect is not None
            found[effect.voices, problem.condition, problem.name] += problem.count
    if unseen is None and seen is None:
        return ["No conversion was evaluated, so nothing is said here of what went wrong."]
    if not found:
        return [
            "Of the conversions that are evaluated, none was refused, empty, cut off or without sound. The attempts in"
            " which neurons were looked for are not counted here."
        ]
    rows = tuple(
        (f"{voices} speakers, {TITLES.get(condition, condition)}", name, f"{number}", PROBLEMS.get(name, ""))
        for (voices, condition, name), number in sorted(found.items())
    )
    caption = "Attempts in which something went wrong, by name. They count as missed; none is left out."
    return [Table(caption, ("Where", "What", "Times", "Meaning"), rows)]


def _change(value: Interval) -> tuple[str, str]:
    return points(value.value, unit=False), _bounds(value)


def _bounds(value: Interval) -> str:
    if not np.isfinite([value.low, value.high]).all():
        return ""
    return f"[{points(value.low, unit=False)}, {points(value.high, unit=False)}]"
