"""From a study of conversions to one HTML page with sound that needs nothing else."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esn_interp.drawing.theme import emotion_colors
from esn_interp.report.page import Plate, fill_with_figures, write_page


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; a cell may be a pair of a value and its bounds, which stand below it.

    ``marked`` is the position of a row that stands out; with ``folded`` one must ask to see the table.
    """

    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | tuple[str, str], ...], ...]
    marked: int = -1
    folded: str = ""


@dataclass(frozen=True)
class Player:
    """A sound (a WAV file, or None where there was none to keep), what it is, and what judges made of it."""

    label: str
    sound: bytes | None
    told: str


@dataclass(frozen=True)
class Card:
    """Players for one target emotion: the source first, then what was made of it."""

    target: str
    words: str
    voice: str
    players: tuple[Player, ...]


@dataclass(frozen=True, eq=False)
class EvcChapter:
    """A model on a corpus: the numbers at the top, sounds, and sections of sentences, tables and figures."""

    title: str
    key: tuple[tuple[str, str, str], ...]
    lines: tuple[str, ...]
    cards: tuple[Card, ...]
    sections: tuple[tuple[str, tuple[str | Table | Plate, ...]], ...]


def build_evc_report(
    content: Mapping[str, Any], chapters: Sequence[EvcChapter], provenance: Mapping[str, str], path: str | Path
) -> Path:
    """Write the page of a study of conversions."""
    html = fill_with_figures(
        "evc.html.j2",
        study=content,
        chapters=[_chapter(chapter, at) for at, chapter in enumerate(chapters)],
        provenance=provenance,
        settings=json.dumps(content["settings"], indent=2, ensure_ascii=False),
    )
    return write_page(path, html)


def _chapter(chapter: EvcChapter, at: int) -> dict[str, Any]:
    colours = emotion_colors([card.target for card in chapter.cards])
    return {
        "title": chapter.title,
        "key": chapter.key,
        "lines": chapter.lines,
        "cards": [
            {
                **vars(card),
                "colour": colours[card.target],
                "players": [{**vars(one), "audio": _uri(one.sound)} for one in card.players],
            }
            for card in chapter.cards
        ],
        "sections": [
            {"title": title, "parts": [_part(part, f"{at}-{i}-{j}") for j, part in enumerate(parts)]}
            for i, (title, parts) in enumerate(chapter.sections)
        ],
    }


def _part(part: str | Table | Plate, name: str) -> dict[str, Any]:
    if isinstance(part, str):
        return {"kind": "text", "text": part}
    if isinstance(part, Table):
        rows = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in part.rows]
        return {**vars(part), "kind": "table", "name": name, "rows": rows}
    return part.content(name)


def _uri(sound: bytes | None) -> str:
    return "" if sound is None else f"data:audio/wav;base64,{base64.b64encode(sound).decode('ascii')}"
