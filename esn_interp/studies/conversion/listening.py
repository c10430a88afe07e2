"""Sounds of a conversion study for ears: pairs for a listening test, and players for the report."""

from pathlib import Path
from typing import Any

import soundfile

from esn_interp.analysis.conversion.effect import STEERED, UNSTEERED
from esn_interp.analysis.listening.pairs import ListeningPair, Side, write_pairs
from esn_interp.errors import AudioError
from esn_interp.files import write_atomic, write_bytes
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.studies.cache import Undone
from esn_interp.studies.conversion.cell import EvcCell

FOLDER = "listening"


def write_listening(cell: EvcCell, out: Path) -> None:
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


def _pairs(cell: EvcCell, target: str, folder: Path) -> list[ListeningPair]:
    found = {name: cell.sounds(unit).of for name, unit in cell.playing(target).items()}
    pairs: list[ListeningPair] = []
    for number, row in enumerate(cell.heard_rows(target), start=1):
        clip = cell.splits["evaluation"][row]
        try:
            sides = {name: found[name][clip.id, target].wav() for name in (STEERED, UNSTEERED)}
        except (AudioError, KeyError):
            continue
        names = {name: f"{target}-{number}-{name}.wav" for name in (*sides, "source")}
        for name, content in sides.items():
            write_bytes(folder / names[name], content)
        waveform = clip.waveform()
        write_atomic(
            folder / names["source"],
            lambda path, waveform=waveform: soundfile.write(path, waveform, SAMPLE_RATE, subtype="PCM_16"),
        )
        first, second = (Side(condition=name, file=names[name]) for name in (STEERED, UNSTEERED))
        pairs.append(
            ListeningPair(
                id=f"{target}-{number}", emotion=target, first=first, second=second, source=names["source"]
            )
        )
    return pairs


def players(cell: EvcCell) -> list[dict[str, Any]]:
    """One clip for each target: its source, and what was made of it under each condition, with what judges heard.

    Each is the first clip of a seeded draw that knows nothing of what became of it.
    """
    told: list[dict[str, Any]] = []
    for target in cell.config.targets:
        try:
            units = cell.playing(target)
            clip = cell.splits["evaluation"][cell.heard_rows(target)[0]]
            sounds = {name: cell.sounds(unit).of for name, unit in units.items()}
            rows = {name: cell.outcomes(unit).rows for name, unit in units.items()}
        except Undone:
            continue
        outcomes = {name: next((o for o in some if o.clip == clip.id), None) for name, some in rows.items()}
        told.append(
            {
                "target": target,
                "clip": clip,
                "made": [
                    {"condition": name, "speech": sounds[name][clip.id, target], "outcome": outcome}
                    for name, outcome in outcomes.items()
                    if outcome is not None
                ],
            }
        )
    return told
