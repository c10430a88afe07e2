"""From the files of a study to one HTML page that needs nothing else: no network, no second file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from esn_interp.drawing.numbers import percent
from esn_interp.drawing.theme import emotion_colors
from esn_interp.errors import EsnError
from esn_interp.report.page import drawn, fill_with_figures, write_page
from esn_interp.report.sounds import wav_uri
from esn_interp.studies.recognition.article import wording
from esn_interp.studies.recognition.article.captions import captions
from esn_interp.studies.recognition.article.tables import tables
from esn_interp.studies.results import REPORT

Numbers = Mapping[str, Any]


def write_article(folder: Path, study: Numbers, found: Mapping[str, Any]) -> Path:
    """Write the page of a study into its folder, from the content of ``results.json`` and what was found.

    Raises
    ------
    EsnError
        When the sound of a player is no longer in the folder.
    """
    colours = emotion_colors(study["emotions"])
    pages = found.get("pages")
    html = fill_with_figures(
        "studies/recognition/article/page.html.j2",
        study=study,
        say=wording,
        **tables(study),
        colours=colours,
        clips=[player(example, study, folder, colours) for example in study["examples"]["clips"]],
        figures={
            "map": drawn(found["neurons"].plot()),
            "ablation": drawn(found["ablation"].plot()),
            "dose": drawn(found["doses"].plot()),
        },
        captions=captions(study, found["neurons"]),
        pages=pages.write(folder) if pages is not None else {},
    )
    return write_page(folder / REPORT, html)


def player(example: Numbers, study: Numbers, folder: Path, colours: Mapping[str, str]) -> dict[str, Any]:
    """One clip as the template wants it: to hear, and what the model answers to it, edited and unedited."""
    path = folder / example["file"]
    if not path.is_file():
        raise EsnError(f"{path}: the audio of the report is missing; run the study anew")
    sex = f"{example['sex']} voice" if example["sex"] else "voice"
    return {
        "emotion": example["emotion"],
        "transcript": example["transcript"],
        "voice": f"{sex} {example['speaker']}",
        "audio": wav_uri(path.read_bytes()),
        "answers": [_answer(answer, study, colours) for answer in example["answers"]],
    }


def _answer(answer: Numbers, study: Numbers, colours: Mapping[str, str]) -> dict[str, Any]:
    shares: Mapping[str, float] = answer["probabilities"]
    word = max(shares, key=lambda emotion: shares[emotion])
    label = {
        "unedited": "As it is",
        "silenced": f"{answer['neurons']} neurons silenced",
        "steered": f"{answer['neurons']} neurons × {1 + study['settings']['alpha']:g}",
    }[answer["edit"]]
    spoken = ", ".join(f"{emotion} {percent(share)}" for emotion, share in shares.items())
    parts = [
        {
            "width": f"{100 * share:.2f}",
            "colour": colours[emotion],
            "title": f"{emotion} {percent(share)}",
        }
        for emotion, share in shares.items()
    ]
    return {"label": label, "word": word, "share": percent(shares[word]), "spoken": spoken, "parts": parts}
