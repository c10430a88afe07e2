"""Sounds of a conversion study for ears: pairs for a listening test, and players for the report."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esn_interp.analysis.conversion.effect_figure import TITLES
from esn_interp.analysis.conversion.effect_result import STEERED, UNSTEERED
from esn_interp.analysis.conversion.measures import Outcome
from esn_interp.analysis.listening.pairs import ListeningPair, Side, write_pairs
from esn_interp.drawing.numbers import percent
from esn_interp.errors import AudioError
from esn_interp.files import write_bytes
from esn_interp.report.sounds import wav_of
from esn_interp.speech.clips import Clip
from esn_interp.speech.playable import Speech
from esn_interp.studies.cache import Undone
from esn_interp.studies.conversion.cell import Cell

FOLDER, CLIPS = "listening", "clips"


def write_pairs_of(cell: Cell, out: Path) -> None:
    """Write ``listening/pairs.jsonl`` and its recordings: steered against unsteered, for every target.

    A pair of which one side has no sound is left out; ``results.json`` counts such attempts by name.
    """
    folder, pairs = out / FOLDER, list[ListeningPair]()
    for target in cell.config.targets if cell.config.listening_pairs else ():
        try:
            pairs += _pairs(cell, target, folder)
        except Undone:
            continue
    if pairs:
        write_pairs(folder, pairs)


def _pairs(cell: Cell, target: str, folder: Path) -> list[ListeningPair]:
    found = {name: cell.sounds(unit).of for name, unit in cell.playing(target).items()}
    pairs: list[ListeningPair] = []
    for number, row in enumerate(cell.heard_rows(target), start=1):
        clip = cell.splits["evaluation"][row]
        try:
            sounds = {name: found[name][clip.id, target].wav() for name in (STEERED, UNSTEERED)}
        except (AudioError, KeyError):
            continue
        sounds["source"] = wav_of(clip.waveform())
        names = {name: f"{target}-{number}-{name}.wav" for name in sounds}
        for name, content in sounds.items():
            write_bytes(folder / names[name], content)
        first, second = (Side(condition=name, file=names[name]) for name in (STEERED, UNSTEERED))
        pairs.append(
            ListeningPair(
                id=f"{target}-{number}", emotion=target, first=first, second=second, source=names["source"]
            )
        )
    return pairs


@dataclass(frozen=True)
class Played:
    """One clip for a target: its source, and what was made of it under each condition, with what judges heard."""

    target: str
    clip: Clip
    made: dict[str, tuple[Speech, Outcome]]

    def sounds(self) -> dict[str, bytes | None]:
        """The source and the conversions as WAV files; None where there is no sound."""
        return {"source": wav_of(self.clip.waveform())} | {name: _wav(one) for name, (one, _) in self.made.items()}


def played(cell: Cell) -> Iterator[Played]:
    """What is played of a cell. Each is the first clip of a seeded draw that knows nothing of what became of it."""
    for target in cell.config.targets:
        try:
            units = cell.playing(target)
            clip = cell.splits["evaluation"][cell.heard_rows(target)[0]]
            sounds = {name: cell.sounds(unit).of for name, unit in units.items()}
            rows = {name: cell.outcomes(unit).rows for name, unit in units.items()}
        except Undone:
            continue
        outcomes = {name: next((o for o in some if o.clip == clip.id), None) for name, some in rows.items()}
        made = {name: (sounds[name][clip.id, target], one) for name, one in outcomes.items() if one is not None}
        yield Played(target, clip, made)


def write_players(cell: Cell, out: Path) -> None:
    """Write the sounds that the report plays."""
    for one in played(cell):
        for name, sound in one.sounds().items():
            if sound is not None:
                write_bytes(out / _file(one.target, name), sound)


def told_players(cell: Cell) -> list[dict[str, Any]]:
    """What the report says of each sound, and its file, for ``results.json``."""
    told: list[dict[str, Any]] = []
    for one in played(cell):
        clip, sounds = one.clip, one.sounds()
        heard = {"source": f"{clip.emotion}, as recorded"}
        heard |= {name: _heard(outcome, cell.config.score_judge) for name, (_, outcome) in one.made.items()}
        told.append(
            {
                "target": one.target,
                "words": clip.transcript or "(no transcript)",
                "voice": f"{clip.sex} voice {clip.speaker}" if clip.sex else f"voice {clip.speaker}",
                "players": [
                    {
                        "label": TITLES.get(name, name),
                        "file": _file(one.target, name) if sounds[name] is not None else None,
                        "told": text,
                    }
                    for name, text in heard.items()
                ],
            }
        )
    return told


def _file(target: str, condition: str) -> str:
    return f"{CLIPS}/{target}-{condition}.wav"


def _wav(speech: Speech) -> bytes | None:
    try:
        return speech.wav()
    except AudioError:
        return None


def _heard(outcome: Outcome, judge: str) -> str:
    if not outcome.label:
        return outcome.problem or "nothing to hear"
    chance = percent(outcome.probabilities.get(outcome.target))
    heard = f"heard as {outcome.label} by {judge}, {outcome.target} {chance}"
    words = f"; words heard: “{outcome.heard}”" if outcome.heard else ""
    return heard + words + (f" ({outcome.problem})" if outcome.problem else "")
