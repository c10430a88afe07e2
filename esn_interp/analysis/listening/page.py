"""A blind listening test as one HTML page: pairs, sounds and all, with nothing to install and no network."""

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float
from markupsafe import Markup

from esn_interp.analysis.listening.answers import COLUMNS
from esn_interp.analysis.listening.pairs import PAIRS, ListeningPair, Side, read_pairs
from esn_interp.analysis.result import told
from esn_interp.errors import AudioError, EsnError
from esn_interp.files import write_text
from esn_interp.report.page import STYLE, asset, fill

QUESTION = "Which recording sounds more {emotion}?"
_DECIDING = 4.0
"""Seconds that a listener takes for a pair besides hearing both recordings, one of them twice; a rough guess."""


@dataclass(frozen=True)
class ListeningPage:
    """A page that was written: what is asked how often, for how long it takes, and how large it is."""

    path: Path
    test: str
    question: str
    pairs: int
    checks: int
    minutes: int
    bytes: int
    notes: tuple[str, ...]


def listening_page(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    pairs: int | None = None,
    question: str = QUESTION,
    checks: Sequence[ListeningPair] = (),
    source: bool = False,
    seed: int = 0,
) -> ListeningPage:
    """Write a page for a blind test of preference: two recordings at a time, one of which must be chosen.

    The order of pairs and of sides is drawn anew for every listener, in the browser, unless the address ends in
    ``?seed=N``. Which recording is which can't be seen on the page. Sounds are stored as 16-bit FLAC at their own rate,
    without loss; where one would clip, all are turned down alike, since loudness carries emotion.

    Parameters
    ----------
    folder
        What a conversion study wrote, or its ``listening``; see `read_pairs`.
    out
        The page; by default ``listening.html`` beside ``pairs.jsonl``.
    pairs
        At most so many pairs, drawn evenly over emotions and conditions; catch trials come on top, all of them.
    question
        May hold ``{emotion}``, which becomes that of the pair.
    checks
        Further catch trials, such as those of `catch_pairs`, their files relative to the folder of ``pairs.jsonl``.
    source
        Offer the source recording as well, where a pair has one.
    seed
        Of the draw of pairs, and of the order in which sounds are stored.

    Raises
    ------
    EsnError
        When there are no pairs, or something else is wrong with their list.
    AudioError
        When a recording is missing, empty or can't be read.
    """
    if pairs is not None and pairs < 1:
        raise EsnError(f"a test has at least one pair, not {pairs}")
    if not question.strip():
        raise EsnError("the question is empty; say what listeners are to choose by")
    place, every = read_pairs(folder)
    rng = np.random.default_rng(seed)
    ordinary = [pair for pair in every if not pair.catch]
    asked = [*_drawn(ordinary, pairs, rng), *(pair for pair in every if pair.catch), *checks]
    files = {side.file for pair in asked for side in (pair.first, pair.second)}
    files |= {pair.source for pair in asked if source and pair.source is not None}
    # The order of the sounds tells nothing: it is drawn.
    names = [sorted(files)[at] for at in rng.permutation(len(files))]
    waves = {name: _read(place / name) for name in names}
    loudest = max(float(np.abs(wave).max()) for wave, _ in waves.values())
    gain = min(1.0, 1.0 / loudest) if loudest else 1.0
    sounds = [_flac(gain * wave, rate) for wave, rate in waves.values()]
    seconds = {name: len(wave) / rate for name, (wave, rate) in waves.items()}
    number = {name: at for at, name in enumerate(names)}
    plan = {
        "question": question.strip(),
        "columns": COLUMNS,
        "sample": number[_sample(asked, source)],
        "pairs": [_plan(pair, number, source) for pair in asked],
    }
    digest = hashlib.sha256(json.dumps(plan).encode())
    for sound in sounds:
        digest.update(sound)
    test = digest.hexdigest()[:12]
    lasting = sum(1.5 * (seconds[pair.first.file] + seconds[pair.second.file]) + _DECIDING for pair in asked)
    minutes = ceil(lasting / 60)
    html = _render(test, plan, sounds, trials=len(asked), minutes=minutes, source=source)
    path = Path(out) if out is not None else place / "listening.html"
    write_text(path, html)
    return ListeningPage(
        path=path,
        test=test,
        question=question.strip(),
        pairs=len(asked) - sum(pair.catch for pair in asked),
        checks=sum(pair.catch for pair in asked),
        minutes=minutes,
        bytes=path.stat().st_size,
        notes=_notes(asked, pairs, gain, place),
    )


def _render(
    test: str, plan: Mapping[str, object], sounds: Sequence[bytes], *, trials: int, minutes: int, source: bool
) -> str:
    return fill(
        "analysis/listening/page.html.j2",
        styles=(STYLE, "analysis/listening/page.css"),
        test=test,
        trials=trials,
        minutes=minutes,
        source=source,
        plan=Markup(_hidden(json.dumps({"test": test, **plan}), test)),
        sounds=Markup(json.dumps([base64.b64encode(sound).decode("ascii") for sound in sounds])),
        script=Markup(asset("analysis/listening/page.js")),
    )


def _hidden(text: str, key: str) -> str:
    """Text that can't be read in passing. It is no secret: the page itself holds what is needed to undo it."""
    data, keys = text.encode(), key.encode()
    return base64.b64encode(bytes(byte ^ keys[at % len(keys)] for at, byte in enumerate(data))).decode("ascii")


def _plan(pair: ListeningPair, number: dict[str, int], source: bool) -> dict[str, object]:
    def side(one: Side) -> list[object]:
        return [one.condition, number[one.file]]

    return {
        "id": pair.id,
        "emotion": pair.emotion,
        "sides": [side(pair.first), side(pair.second)],
        "source": number[pair.source] if source and pair.source is not None else None,
        "catch": pair.catch,
    }


def _drawn(pairs: Sequence[ListeningPair], most: int | None, rng: np.random.Generator) -> list[ListeningPair]:
    """At most so many pairs, in their order: as many from every emotion and two conditions, as far as they go."""
    if most is None or most >= len(pairs):
        return list(pairs)
    # The turn of a pair is its place in its own group; the first turns are drawn from all groups.
    turns: dict[tuple[str, frozenset[str]], int] = {}
    ranked: list[tuple[int, float, int]] = []
    for at in rng.permutation(len(pairs)).tolist():
        group = (pairs[at].emotion, frozenset((pairs[at].first.condition, pairs[at].second.condition)))
        turns[group] = turns.get(group, 0) + 1
        ranked.append((turns[group], float(rng.random()), at))
    return [pairs[at] for at in sorted(at for _, _, at in sorted(ranked)[:most])]


def _sample(pairs: Sequence[ListeningPair], source: bool) -> str:
    """A recording to set the volume by: one that is not judged, as far as there is one."""
    sources = (pair.source for pair in pairs if source and pair.source is not None)
    catches = (pair.second.file for pair in pairs if pair.catch)
    return next(sources, None) or next(catches, None) or pairs[0].first.file


def _read(path: Path) -> tuple[Float[np.ndarray, " sample"], int]:
    if not path.is_file():
        raise AudioError(f"{path}: {PAIRS} lists this recording, and it is not there; run the study anew")
    try:
        wave, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError):
        raise AudioError(f"{path}: not audio that soundfile can read (wav, flac, ogg, mp3)") from None
    if not len(wave) or not np.isfinite(wave).all():
        raise AudioError(f"{path}: {'not finite' if len(wave) else 'no samples in it'}; take its pair off {PAIRS}")
    return wave.mean(axis=1), int(rate)


def _flac(wave: Float[np.ndarray, " sample"], rate: int) -> bytes:
    """Losslessly half as large as a .wav file, and played by every browser of today."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _notes(asked: Sequence[ListeningPair], most: int | None, gain: float, place: Path) -> tuple[str, ...]:
    checks = sum(pair.catch for pair in asked)
    ordinary = len(asked) - checks
    return told(
        f"{place / PAIRS} has {ordinary} pairs, not {most}: all of them are asked"
        if most is not None and ordinary < most
        else None,
        None if checks else "no catch trials: nothing will tell who listened from who didn't; see --catch",
        f"all recordings were turned down by {-20 * np.log10(gain):.1f} dB, since one would clip"
        if gain < 1
        else None,
    )
