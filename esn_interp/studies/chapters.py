"""A page with a chapter for each model and corpus: sentences, tables, figures and sounds, and where they come from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esn_interp.drawing.theme import emotion_colors
from esn_interp.report.page import Plate, fill_with_figures, write_page
from esn_interp.report.sounds import wav_uri


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; a cell may be a pair of a value and its bounds, which stand below it.

    ``marked`` is the position of a row that stands out; with ``folded`` one must ask to see the table.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | tuple[str, str], ...], ...]
    marked: int = -1
    folded: str = ""


Part = str | Table | Plate
"""A sentence or more, a table, or a figure."""


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
class Chapter:
    """What was found for one model on one corpus, or between two corpora.

    The numbers at the top, each with what it is and a remark; sentences, tables and figures; sounds; and sections.
    """

    title: str
    parts: tuple[Part, ...] = ()
    key: tuple[tuple[str, str, str], ...] = ()
    cards: tuple[Card, ...] = ()
    sections: tuple[tuple[str, tuple[Part, ...]], ...] = ()


@dataclass(frozen=True)
class Cover:
    """What stands above and below the chapters."""

    about: str
    kicker: str
    lede: tuple[str, ...]
    footer: str = ""


def write_chapters(
    path: str | Path,
    content: Mapping[str, Any],
    cover: Cover,
    chapters: Sequence[Chapter],
    *,
    overview: Sequence[Part] = (),
    provenance: Mapping[str, str],
) -> Path:
    """Write the page of a study from the content of its ``results.json`` and the chapters."""
    html = fill_with_figures(
        "studies/chapters.html.j2",
        study=content,
        page=cover,
        overview=_parts(overview, "all"),
        chapters=[_chapter(chapter, at) for at, chapter in enumerate(chapters)],
        provenance=provenance,
        settings=json.dumps(content["settings"], indent=2, ensure_ascii=False),
    )
    return write_page(path, html)


def provenance(content: Mapping[str, Any], weights: Mapping[str, str], **more: str) -> dict[str, str]:
    """What one needs to know to do it again: the command, models, corpora, seeds and versions.

    Studies that earlier versions wrote do not say the command, nor how many clips there were.
    """
    rows = {"Command": content["command"]} if "command" in content else {}
    rows |= {f"Weights of {model}": told for model, told in weights.items()}
    for corpus in content["corpora"]:
        clips = f", {corpus['clips']} clips" if "clips" in corpus else ""
        rows[f"Clips of {corpus['name'] or corpus['corpus']}"] = f"{corpus['fingerprint']}{clips}"
    return rows | more | {"Seeds": ", ".join(map(str, content["settings"]["seeds"]))} | content["versions"]


def _chapter(chapter: Chapter, at: int) -> dict[str, Any]:
    colours = emotion_colors([card.target for card in chapter.cards])
    return {
        **vars(chapter),
        "parts": _parts(chapter.parts, f"{at}"),
        "cards": [
            {
                **vars(card),
                "colour": colours[card.target],
                "players": [{**vars(one), "audio": wav_uri(one.sound)} for one in card.players],
            }
            for card in chapter.cards
        ],
        "sections": [
            {"title": title, "parts": _parts(parts, f"{at}-{i}")} for i, (title, parts) in enumerate(chapter.sections)
        ],
    }


def _parts(parts: Sequence[Part], place: str) -> list[dict[str, Any]]:
    return [_part(part, f"{place}-{at}") for at, part in enumerate(parts)]


def _part(part: Part, name: str) -> dict[str, Any]:
    if isinstance(part, str):
        return {"kind": "text", "text": part}
    if isinstance(part, Table):
        rows = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in part.rows]
        return {**vars(part), "kind": "table", "name": name, "rows": rows}
    return part.content(name)
