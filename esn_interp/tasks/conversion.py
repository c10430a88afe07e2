"""Emotional voice conversion of a corpus: every clip is said with every target emotion but its own. [ESN-EVC]

[ESN-EVC] is Zhao, Ulgen, Koehn, Schuller, Sisman, arXiv 2603.17231.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from esn_interp.errors import CorpusError
from esn_interp.models.conversion import ConversionPrompt, audible, conversion_prompt, warn_of_inaudible
from esn_interp.models.edits import Edit
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import Spoken
from esn_interp.models.sites import GATE
from esn_interp.models.speech_problems import problem_of
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.speech_tap import SpeechTap
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clip, Clips
from esn_interp.speech.known_clips import provenance
from esn_interp.speech.labels import asked_emotion
from esn_interp.tasks.batches import Batch, Skipped, batches
from esn_interp.tasks.conversion_record import Conversion, ConversionRun, conversion_seed
from esn_interp.tasks.conversion_store import ConversionStore
from esn_interp.tasks.listener import SpeakingLM, longest_clip


def conversions(
    lm: SpeakingLM,
    clips: Clips,
    targets: Sequence[str],
    *,
    prompt: ConversionPrompt | None = None,
    edits_for: Callable[[str], Sequence[Edit]] | None = None,
    gates: bool = False,
    manner: Manner | None = None,
    batch_size: int = 4,
    seed: int = 0,
    store: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> ConversionRun:
    """Have every clip said with every target emotion, except its own.

    Each conversion has a seed of its own (see `conversion_seed`), so batches of any size give the same codes, and two
    runs that differ by their edits differ by nothing else.

    Parameters
    ----------
    lm
        A model that speaks, opened at the component whose gates are edited and read.
    edits_for
        The edits when a clip is said with this target emotion; none by default.
    gates
        Whether to sum up every conversion's gates as it is generated, for `conversion_statistics`. Without ``store``
        they stay in memory, 16 bytes for each conversion, scope and gate.
    manner
        Voice, decoding and limits; the model's own by default.
    store
        A folder where every finished conversion is stored: sound, a line of ``conversions.jsonl`` and its gates' sums.
    resume
        Continue what is in ``store``, to the same run as an uninterrupted one.

    Raises
    ------
    ModelError
        When the model does not speak, or not with this voice or in this manner.
    CorpusError
        When there is nothing to convert.
    EsnError
        When the folder holds conversions and is not to be resumed, or they were made with other settings.

    Warns
    -----
    ConversionWarning
        When gates are edited or read that can't change the speech of the forward they are in.
    """
    asked, manner = prompt or conversion_prompt(lm), manner or Manner()
    edits = {target: list(edits_for(target)) if edits_for else [] for target in targets}
    pairs = _pairs(clips, targets)
    warn_of_inaudible(lm, [edit for some in edits.values() for edit in some], all_layers=gates)
    origin = Origin.of(lm, corpus=clips.name, corpus_fingerprint=clips.fingerprint, **provenance(clips))
    settings: dict[str, Any] = {
        "model": lm.name,
        "fingerprint": lm.fingerprint,
        "component": lm.component,
        "corpus": clips.name,
        "corpus_fingerprint": clips.fingerprint,
        "targets": list(targets),
        "prompt": asked.prompt,
        "system": asked.system,
        "manner": asdict(manner),
        "seed": seed,
        "edits": _digest(edits, lm.standing),
        "gates": gates,
    }
    stored = None if store is None else ConversionStore(store, settings, resume=resume)
    made: dict[tuple[str, str], Conversion] = {}
    sums: dict[tuple[str, str], PerClip | None] = {}
    if stored is not None:
        made = {pair: conversion for pair, (conversion, _) in stored.finished.items()}
    skipped: list[Skipped] = []
    with progress_bar("Converting", sum(map(len, pairs.values())), enabled=progress) as advance:
        for number, target in enumerate(targets):
            ids = clips.column("id")
            rows = [row for row in pairs[target] if (ids[row], target) not in made]
            advance(len(pairs[target]) - len(rows))
            request, before = clips.take(rows), len(skipped)
            for batch in batches(request, batch_size=batch_size, skipped=skipped, longest=longest_clip(lm)):
                speech = _Batch(lm, batch, target, number, asked, manner, edits[target], origin, seed, gates)
                for conversion, summed in speech.conversions():
                    pair = conversion.clip, conversion.target
                    made[pair] = conversion
                    if stored is not None:
                        stored.add(conversion, summed, origin)
                    else:
                        sums[pair] = summed
                advance(len(batch))
            advance(len(skipped) - before)
    order = [(clip, target) for clip in clips.column("id") for target in targets if (clip, target) in made]
    result = tuple(made[pair] for pair in order)
    reductions = (
        None if not gates else stored.gates(result) if stored is not None else tuple(sums[pair] for pair in order)
    )
    unique = tuple({one.clip: one for one in skipped}.values())
    return ConversionRun(result, tuple(targets), settings, unique, reductions, origin)


@dataclass(frozen=True)
class _Batch:
    """Clips that are said with one target in one run."""

    lm: SpeakingLM
    batch: Batch
    target: str
    number: int
    prompt: ConversionPrompt
    manner: Manner
    edits: Sequence[Edit]
    origin: Origin
    seed: int
    gates: bool

    def conversions(self) -> list[tuple[Conversion, PerClip | None]]:
        taps: list[SpeechTap] = []

        def tap_for(scopes: Int[np.ndarray, "clip token"], live: Bool[np.ndarray, " clip"]) -> SpeechTap:
            taps.append(SpeechTap(self.origin, scopes, live))
            return taps[-1]

        seeds = [conversion_seed(self.seed, clip.id, self.target) for clip in self.batch.clips]
        request, system = self.prompt.about(self.target)
        said = self.lm.speak_all(
            self.batch.waveforms,
            request,
            seeds=seeds,
            manner=self.manner,
            system=system,
            edits=self.edits,
            tap_for=tap_for if self.gates else None,
        )
        places = [(tap, row) for tap in taps for row in range(len(tap))] if self.gates else []
        result: list[tuple[Conversion, PerClip | None]] = []
        for at, (clip, spoken) in enumerate(zip(self.batch.clips, said, strict=True)):
            conversion = self._conversion(clip, spoken, seeds[at])
            summed = None
            if self.gates and conversion.kind != "nothing said":
                tap, row = places[at]
                summed = tap.clip(row, id=conversion.id, speaker=clip.speaker, emotion=self.number, sentence=clip.id)
            result.append((conversion, summed))
        return result

    def _conversion(self, clip: Clip, said: Spoken, seed: int) -> Conversion:
        return Conversion(
            clip=clip.id,
            speaker=clip.speaker,
            source_emotion=clip.emotion,
            transcript=clip.transcript,
            target=self.target,
            text=said.text,
            waveform=audible(said),
            rate=said.sampling_rate,
            seed=seed,
            problem=problem_of(said, clip.transcript),
            tokens=0 if said.codes is None else len(said.codes),
            codes=said.codes,
        )


def _pairs(clips: Clips, targets: Sequence[str]) -> dict[str, list[int]]:
    """The rows of the clips that are to be said with each target."""
    if not targets or len(set(targets)) != len(targets) or not all(targets):
        raise CorpusError(f"targets {list(targets)}: name one or more emotions, each once")
    emotions = clips.column("emotion")
    for target in targets:
        asked_emotion(target, also=emotions)
    pairs = {target: [row for row, emotion in enumerate(emotions) if emotion != target] for target in targets}
    if not any(pairs.values()):
        raise CorpusError(
            f"corpus {clips.name}: nothing to convert to {', '.join(targets)}: it has"
            f" {'only clips of this emotion' if len(clips) else 'no clips'}"
        )
    return pairs


def _digest(edits: dict[str, list[Edit]], standing: Sequence[Edit]) -> str:
    """A short name of what is edited for each target; empty when nothing is."""
    acting = {target: [edit for edit in (*standing, *some) if not edit.identity] for target, some in edits.items()}
    if not any(acting.values()):
        return ""
    digest = hashlib.sha256()
    for target, some in acting.items():
        digest.update(f"{target}\0{len(some)}\0".encode())
        for edit in some:
            digest.update(_told(edit))
    return digest.hexdigest()[:16]


def _told(edit: Edit) -> bytes:
    """Everything that an edit does, by its own fields: layer and scopes, then every number, field by field."""
    told = {field.name: getattr(edit, field.name) for field in fields(edit) if field.compare}
    site, along = told.pop("site"), told.pop("along")
    # At the gates an edit is called what it was called before there were other sites: stored runs go on.
    elsewhere = "" if site == GATE else f" {site}"
    words = f"{told.pop('layer')} {sorted(told.pop('positions'))}{elsewhere}\0".encode()
    told |= {} if along is None else {"along": along}
    arrays = [np.asarray(np.nan if value is None else value, dtype=np.float64) for value in told.values()]
    return words + b"".join(f"{array.shape}".encode() + array.tobytes() for array in arrays)
