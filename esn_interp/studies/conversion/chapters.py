"""What a study of conversions tells: for each model and corpus numbers, sounds, tables and figures."""

import shlex
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from esn_interp.analysis.conversion.acoustic_demand import CHECKED, Direction, directions
from esn_interp.analysis.conversion.effect import RANDOM, STEERED, UNFILTERED, UNSTEERED, ConversionEffect
from esn_interp.analysis.conversion.effect_figure import TITLES
from esn_interp.analysis.conversion.measures import MEASURES, Outcome
from esn_interp.analysis.conversion.prosody_figure import shift, unit
from esn_interp.analysis.conversion.settings import ConversionGrid
from esn_interp.analysis.inference.significance import Interval
from esn_interp.drawing.numbers import MINUS, count, percent, points
from esn_interp.models.speech_problems import PROBLEMS
from esn_interp.report.page import Plate
from esn_interp.report.players import wav_of
from esn_interp.studies.cache import Undone
from esn_interp.studies.conversion.cell import EvcCell
from esn_interp.studies.conversion.grid import EvcGrid
from esn_interp.studies.conversion.listening import players
from esn_interp.studies.conversion.page import Card, EvcChapter, Player, Table
from esn_interp.studies.conversion.record import filter_verdict, kept, sampled
from esn_interp.tasks.success import REASONS

Part = str | Table | Plate


def evc_chapters(grid: EvcGrid) -> list[EvcChapter]:
    """A chapter for each model and corpus."""
    return [_chapter(cell) for cell in grid.cells]


def evc_provenance(grid: EvcGrid, versions: dict[str, str]) -> dict[str, str]:
    """What one needs to know to do it again: the command, models, corpora, judges, seeds and versions."""
    rows = {"Command": shlex.join(["esn", *sys.argv[1:]])}
    for cell in grid.cells:
        if (statistics := kept(lambda cell=cell: cell.statistics)) is not None:
            origin = statistics.origin
            rows[f"Weights of {cell.model.title}"] = f"{origin.fingerprint}, gates of {origin.component}"
        rows[f"Clips of {cell.corpus.title}"] = f"{cell.clips.fingerprint}, {count(len(cell.clips), 'clip')}"
    judges = {name: getattr(grid.config, f"{name}_judge") for name in ("filter", "score", "transcript", "speaker")}
    rows["Judges"] = ", ".join(f"{name}: {judge or 'none'}" for name, judge in judges.items())
    rows["Seeds"] = ", ".join(map(str, grid.config.seeds))
    return rows | versions


def _chapter(cell: EvcCell) -> EvcChapter:
    does = cell.config.does
    choice = kept(lambda: cell.grid) if does("select") else None
    unseen, seen = (kept(one) if does("evaluate") else None for one in (lambda: cell.unseen, lambda: cell.seen))
    sections: list[tuple[str, list[Part]]] = [("Before steering", _sample(cell))]
    if choice:
        sections.append(("How to steer", _choice(choice)))
    if unseen:
        sections.append(("Unseen speakers", _effect(unseen)))
        sections.append(("Does the voice move as it should?", _prosody(unseen)))
    if does("evaluate"):
        sections.append(("With and without the success filter", _filter(cell, choice)))
    if seen:
        sections.append(("Speakers that the neurons were found on", _effect(seen)))
    if does("cross") and (cross := kept(lambda: cell.cross)):
        plate = Plate("One emotion asked for, another’s neurons steered", cross.plot(), cross.summary(), cross.notes)
        sections.append(("Whose emotion are the neurons?", [plate]))
    sections.append(("What went wrong", _problems(unseen, seen)))
    return EvcChapter(
        title=cell.title,
        key=_key(unseen, seen) if unseen else (),
        lines=(unseen.summary(),) if unseen else (),
        cards=tuple(_cards(cell)) if does("listen") else (),
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


def _cards(cell: EvcCell) -> list[Card]:
    cards: list[Card] = []
    for one in players(cell):
        clip = one["clip"]
        made = [
            Player(
                TITLES[part["condition"]],
                kept_sound(part["speech"]),
                _told(part["outcome"], cell.config.score_judge),
            )
            for part in one["made"]
        ]
        source = Player("source", wav_of(clip.waveform()), f"{clip.emotion}, as recorded")
        voice = f"{clip.sex} voice {clip.speaker}" if clip.sex else f"voice {clip.speaker}"
        cards.append(Card(one["target"], clip.transcript or "(no transcript)", voice, (source, *made)))
    return cards


def kept_sound(speech: Any) -> bytes | None:
    """A WAV file, or None where there is no sound."""
    return speech.wav() if len(speech.waveform) and np.isfinite(speech.waveform).all() else None


def _told(outcome: Outcome, judge: str) -> str:
    if not outcome.label:
        return outcome.problem or "nothing to hear"
    chance = percent(outcome.probabilities.get(outcome.target))
    heard = f"heard as {outcome.label} by {judge}, {outcome.target} {chance}"
    words = f"; words heard: “{outcome.heard}”" if outcome.heard else ""
    return heard + words + (f" ({outcome.problem})" if outcome.problem else "")


def _sample(cell: EvcCell) -> list[Part]:
    """How often the model does it by itself, and what the filter drops."""
    try:
        found = sampled(cell)
    except Undone as error:
        return [f"The model’s own conversions could not be sampled: {error}"]
    rows = tuple(
        (
            target,
            f"{row['made']}",
            f"{row['kept']}",
            percent(row["kept"] / row["made"] if row["made"] else None),
            ", ".join(f"{name} {number}" for name, number in row["reasons"].items()) or "–",
        )
        for target, row in found["targets"].items()
    )
    share = found["kept"] / found["conversions"] if found["conversions"] else None
    lines: list[Part] = [
        f"Asked for an emotion and not steered, the model succeeds in {percent(share)} of"
        f" {count(found['conversions'], 'conversion')} of the identification speakers: the target is heard"
        f" (probability {cell.config.emotion_threshold:g} or more), and the words are kept. With the filter on,"
        " neurons are found on these alone; with it off, on all."
    ]
    told = {name: (PROBLEMS | REASONS)[name] for name in found["reasons"] if name in PROBLEMS | REASONS}
    meanings = " ".join(f"“{name}”: {meaning[:1].lower()}{meaning[1:]}" for name, meaning in told.items())
    caption = f"Conversions of the identification speakers, by target. {meanings}"
    return [*lines, Table("", caption, ("Target", "Made", "Kept", "Share", "Why dropped"), rows)]


def _choice(grid: ConversionGrid) -> list[Part]:
    header = ("Selector", "Gates", "Filter", "α", "Neurons", "Heard as target", "Probability", "WER")
    rows = tuple(
        (
            one.selector,
            percent(one.top),
            "–" if one.selector == "random" else "on" if one.filtered else "off",
            f"{one.alpha:g}",
            f"{int(grid.neurons[at].sum()):,}",
            (points(grid.change_of("accuracy", at).value, unit=False), _bounds(grid.change_of("accuracy", at))),
            points(grid.change_of("filter_probability", at).value, unit=False),
            points(grid.change_of("wer", at).value, unit=False),
        )
        for at, one in enumerate(grid.settings)
    )
    caption = (
        f"Changes from the unsteered conversions of the validation speakers, in points, means over the targets: the"
        f" share that {grid.judge} hears as the target, {grid.filter_judge}’s probability of it (the criterion), and"
        " the word error rate. The chosen one stands out."
    )
    parts: list[Part] = [
        f"The rule: {grid.rule}. Random neurons are there to compare with and are never chosen.",
        Plate("Target accuracy over alpha, validation speakers", grid.plot(), grid.summary(), grid.notes),
        Table("", caption, header, rows, grid.chosen, f"All {len(rows)} settings that were tried"),
    ]
    if grid.unusable:
        parts.append("Could not be tried: " + "; ".join(grid.unusable) + ".")
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
        Table("", caption, header, (*rows, row("mean", None, float("nan")))),
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
        Table("", caption, header, rows),
    ]


def _direction(one: Direction) -> tuple[str, str]:
    change = float(shift(one.measure, np.array(one.change)))
    arrow = {1: "↑ ", -1: "↓ ", 0: ""}[one.demanded]
    return f"{change:+.1f}".replace("-", MINUS), f"{arrow}{one.verdict}"


def _filter(cell: EvcCell, choice: ConversionGrid | None) -> list[Part]:
    sieve = kept(lambda: cell.filter_effect)
    if sieve is None:
        return ["Neurons were not compared with those found without the success filter."]
    rows = tuple(
        (
            target,
            percent(sieve.of("accuracy", UNFILTERED, target).value),
            percent(sieve.of("accuracy", STEERED, target).value),
            _change(sieve.change_of("accuracy", STEERED, target)),
        )
        for target in sieve.targets
    )
    caption = "Share heard as the target, unseen speakers, with the same selector, size and gain; difference in points."
    parts: list[Part] = [filter_verdict(sieve), Table("", caption, ("Target", "Off", "On", "On minus off"), rows)]
    if choice:
        pairs = _on_off(choice)
        better = sum(on > off for on, off in pairs)
        parts.append(
            f"On the validation speakers, of {count(len(pairs), 'setting')} that differ by the filter alone, {better}"
            f" reach a higher target accuracy with it, and {sum(on < off for on, off in pairs)} a lower one."
        )
    return parts


def _on_off(grid: ConversionGrid) -> list[tuple[float, float]]:
    """Accuracy with the filter on and off, for settings that differ by it alone."""
    at = {one: k for k, one in enumerate(grid.settings)}
    pairs = [(k, at.get(replace(one, filtered=False), k)) for one, k in at.items() if one.filtered]
    accuracy = [grid.level_of("accuracy", k).value for k in range(len(at))]
    return [(accuracy[on], accuracy[off]) for on, off in pairs if on != off]


def _problems(unseen: ConversionEffect | None, seen: ConversionEffect | None) -> list[Part]:
    found = Counter[tuple[str, str, str]]()
    for effect in (unseen, seen):
        for problem in effect.problems if effect else ():
            assert effect is not None
            found[effect.voices, problem.condition, problem.name] += problem.count
    if not found:
        return ["No conversion failed: nothing was refused, empty, cut off or without sound."]
    rows = tuple(
        (f"{voices} speakers, {TITLES.get(condition, condition)}", name, f"{number}", PROBLEMS.get(name, ""))
        for (voices, condition, name), number in sorted(found.items())
    )
    caption = "Attempts in which something went wrong, by name. They count as missed; none is left out."
    return [Table("", caption, ("Where", "What", "Times", "Meaning"), rows)]


def _change(value: Interval) -> tuple[str, str]:
    return points(value.value, unit=False), _bounds(value)


def _bounds(value: Interval) -> str:
    if not np.isfinite([value.low, value.high]).all():
        return ""
    return f"[{points(value.low, unit=False)}, {points(value.high, unit=False)}]"
