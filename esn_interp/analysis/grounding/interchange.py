"""Interchange patching over a corpus: what a set's gates change when they come from another recording or prompt."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from einops import rearrange
from jaxtyping import Bool, Float, Float32, Float64, Int64

from esn_interp.analysis.grounding.donors import NOBODY, Donors
from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.errors import AudioError, CorpusError
from esn_interp.interventions.patching import patch, recorded_neurons
from esn_interp.models.edits import Edit
from esn_interp.models.recording import PROMPT_SCOPES, Recorder, Recording
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import Recognition

PATCHED = {**{scope: frozenset({scope}) for scope in PROMPT_SCOPES}, "all": frozenset(PROMPT_SCOPES)}
"""Where gates are exchanged: at the tokens of one scope, or at every token of the prompt."""


@runtime_checkable
class Recordable(Listener, Protocol):
    """The part of `AudioLM` that patching needs."""

    def scores(
        self,
        encoded: Any,
        labels: Sequence[str],
        *,
        edits: Sequence[Edit] = (),
        tap: Recorder | None = None,
    ) -> Float[np.ndarray, "clip label"]:
        """Log-probabilities of the labels; shows every layer's gates over the prompt to ``tap``."""
        ...


@dataclass(frozen=True, eq=False)
class Interchange:
    """Per clip, what exchanging a set's gates changes; NaN where a clip has no donor or the set no neuron.

    The first kind of donor is another recording (see `Donors`), the others are the prompts, by name.
    ``change`` is the change of the log-odds of the set's emotion, ``flipped`` whether the answer is another.
    ``random`` is the same as ``change`` at all tokens, for random neurons. ``moves`` are the changes of each
    member's own gate, in absolute value: its mean over the tokens of a scope, under another recording and
    (mean over the prompts) under another prompt.
    """

    kinds: tuple[str, ...]
    change: Float32[np.ndarray, "kind scope set clip"]
    flipped: Float32[np.ndarray, "kind scope set clip"]
    random: Float32[np.ndarray, "kind set clip"]
    moves: SpeakerMeans
    averaged: float
    rows: Int64[np.ndarray, " clip"]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, eq=False)
class _Run:
    """One prompt put to a batch: the answers, and the gates behind them."""

    encoded: Any
    log_probs: Float[np.ndarray, "clip label"]
    recording: Recording


def interchange(
    lm: Recordable,
    clips: Clips,
    sets: NeuronSet,
    donors: Donors,
    *,
    recognition: Recognition,
    prompts: Mapping[str, str],
    random: Sequence[NeuronSet],
    batch_size: int,
    strict: bool,
    progress: bool,
) -> Interchange:
    """Exchange the gates of each set, scope by scope, in all clips that have a donor.

    Only what the gates say is exchanged: where the tokens of a scope are not equally many, each gets the donor's
    mean, and the run that it is compared with gets the clip's own mean there. Every batch meets one of the
    ``random`` sets, in turn.
    """
    kinds = ("audio", *prompts)
    shape = (len(kinds), len(PATCHED), len(sets.emotions), len(clips))
    change, flipped = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
    control = np.full((len(kinds), len(sets.emotions), len(clips)), np.nan, dtype=np.float32)
    speakers = np.unique(np.array(clips.column("speaker")), return_inverse=True)[1]
    moves = _Moves(sets, speakers)
    uneven, skipped = list[np.ndarray](), list[Skipped]()
    used = np.zeros(len(clips), dtype=np.bool_)
    labels = recognition.labels

    def run(waveforms: Sequence[np.ndarray], prompt: str, neurons: Mapping[int, np.ndarray]) -> _Run:
        encoded, recorder = lm.encode(waveforms, prompt), Recorder(neurons)
        answers = lm.scores(encoded, labels, tap=recorder)
        return _Run(encoded, answers, recorder.recording(np.asarray(encoded.scopes)))

    with progress_bar("Exchanging gates", len(clips), enabled=progress) as advance:
        for number, batch in enumerate(_batches(clips, donors, batch_size, skipped, strict)):
            rows, heard = batch.rows, [batch.waveforms[row] for row in batch.rows]
            drawn = random[number % len(random)] if random else None
            neurons = recorded_neurons(sets, *([drawn] if drawn else []))
            own = run(heard, recognition.prompt, neurons)
            lenders = own
            if batch.seats != rows:
                lenders = run([batch.waveforms[row] for row in batch.seats], recognition.prompt, neurons)
            others = [run(heard, prompt, neurons) for prompt in prompts.values()]
            used[rows] = True
            for s, emotion in enumerate(sets.emotions):
                one, sat = sets[emotion], batch.seat_of(donors.row[s, rows])
                served = sat != NOBODY
                if not len(one) or not served.any():
                    continue
                # Who has no donor is patched with itself, and left out of every mean.
                lent = np.where(served, sat, batch.seat_of(np.array(rows)))
                source = [(lenders, lent), *((other, np.arange(len(rows))) for other in others)]
                moves.add(s, one, np.array(rows), served, own, source)
                for k, (lender, seats) in enumerate(source):
                    exchange = _Exchange(lm, labels, recognition.emotions.index(emotion), own, lender, seats)
                    uneven += [exchange.averaged[served, 0]] if k == 0 else []
                    for p, (changed, turned) in enumerate(exchange.effects(one, *PATCHED.values())):
                        change[k, p, s, rows] = np.where(served, changed, np.nan)
                        flipped[k, p, s, rows] = np.where(served, turned, np.nan)
                    if drawn is not None:
                        for changed, _ in exchange.effects(drawn[emotion], PATCHED["all"]):
                            control[k, s, rows] = np.where(served, changed, np.nan)
            advance(len(rows))
    kept = np.flatnonzero(used)
    if not len(kept):
        reason = f"; the first of {len(skipped)} skipped: {skipped[0].reason}" if skipped else ""
        raise CorpusError(f"corpus {clips.name}: no clip to patch{reason}")
    return Interchange(
        kinds=kinds,
        change=change[..., kept],
        flipped=flipped[..., kept],
        random=control[..., kept],
        moves=moves.means,
        averaged=float(np.concatenate(uneven).mean()) if uneven else float("nan"),
        rows=kept,
        skipped=tuple(skipped),
    )


class _Exchange:
    """Gates of one run lent to another, clip by clip."""

    def __init__(
        self,
        lm: Recordable,
        labels: Sequence[str],
        target: int,
        own: _Run,
        lender: _Run,
        seats: Int64[np.ndarray, " clip"],
    ) -> None:
        self.lm, self.labels, self.own, self.lender, self.seats = lm, labels, own, lender, seats
        self.target = np.full(len(seats), target)
        self.averaged: Bool[np.ndarray, "clip scope"] = lender.recording.unequal(own.recording.scopes, seats)

    def effects(
        self, neurons: NeuronSet, *places: frozenset[str]
    ) -> Iterator[tuple[Float64[np.ndarray, " clip"], Bool[np.ndarray, " clip"]]]:
        """Change of the target's log-odds, and whether the answer changes, against the clip's own gates.

        One pair for each of the ``places`` at whose tokens the gates are exchanged.
        """
        scopes, chosen = self.own.recording.scopes, recorded_neurons(neurons)
        lent = self.lender.recording.of(chosen).seated(scopes, self.seats, self.averaged)
        flat = self.own.recording.of(chosen).seated(scopes, np.arange(len(scopes)), self.averaged)
        for positions in places:
            after, before = self._scores(patch(neurons, lent, positions=positions)), self.own.log_probs
            if self.averaged[:, [scope in positions for scope in PROMPT_SCOPES]].any():
                before = self._scores(patch(neurons, flat, positions=positions))
            turned = after.argmax(axis=1) != before.argmax(axis=1)
            yield log_odds(after, self.target) - log_odds(before, self.target), turned

    def _scores(self, edits: Sequence[Edit]) -> Float[np.ndarray, "clip label"]:
        return self.lm.scores(self.own.encoded, self.labels, edits=edits)


class _Moves:
    """Adds up how far each member's own gate moves, by speaker."""

    def __init__(self, sets: NeuronSet, speakers: Int64[np.ndarray, " clip"]) -> None:
        self.sets, self.speakers = sets, speakers
        shape = (int(speakers.max(initial=-1)) + 1, 2, len(PROMPT_SCOPES), len(sets))
        self.means = SpeakerMeans(np.zeros(shape), np.zeros(shape, dtype=np.int64))

    def add(
        self,
        s: int,
        one: NeuronSet,
        rows: Int64[np.ndarray, " clip"],
        served: Bool[np.ndarray, " clip"],
        own: _Run,
        sources: Sequence[tuple[_Run, Int64[np.ndarray, " clip"]]],
    ) -> None:
        """The members of one set, over the clips that have a donor."""
        members, speaker = np.flatnonzero(self.sets.emotion == s), self.speakers[rows[served]]
        for layer, chosen in recorded_neurons(one).items():
            here = members[self.sets.layer[members] == layer]  # sorted by neuron, as `chosen` is
            only = {layer: chosen}
            before = own.recording.of(only).means(layer)[served]
            moved = [
                np.abs(source.recording.of(only).means(layer)[seats][served] - before)
                for source, seats in sources
            ]
            by_kind = [moved[0], np.mean(moved[1:], axis=0)]
            change = rearrange(by_kind, "kind clip scope member -> clip kind scope member")
            kind, scope = np.indices(change.shape[1:3])[..., None]
            np.add.at(self.means.total, (speaker[:, None, None, None], kind, scope, here), change)
            np.add.at(self.means.count, (speaker[:, None, None, None], kind, scope, here), 1)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Clips to be patched and, among ``seats``, everybody who lends them gates; all by row."""

    rows: list[int]
    seats: list[int]
    waveforms: Mapping[int, np.ndarray]

    def seat_of(self, rows: Int64[np.ndarray, " clip"]) -> Int64[np.ndarray, " clip"]:
        """Where the clips of these rows sit; `NOBODY` for a row that is not here."""
        where = {row: seat for seat, row in enumerate(self.seats)}
        return np.array([where.get(row, NOBODY) for row in rows.tolist()], dtype=np.int64)


def _batches(
    clips: Clips, donors: Donors, batch_size: int, skipped: list[Skipped], strict: bool
) -> Iterator[_Batch]:
    """Batches of clips of one speaker and sentence together, so that most donors are in the batch anyway.

    A clip whose audio is bad is listed once, and neither patched nor lending.
    """
    speaker, sentence = (list(map(str, clips.column(name))) for name in ("speaker", "sentence"))
    order = sorted(range(len(clips)), key=lambda row: (speaker[row], sentence[row], row))
    bad: set[int] = set()
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        lenders = sorted({int(row) for row in donors.row[:, rows].ravel() if row != NOBODY} - set(rows))
        waveforms: dict[int, np.ndarray] = {}
        for row in (*rows, *lenders):
            if row in bad:
                continue
            try:
                waveforms[row] = clips[row].waveform()
            except AudioError as error:
                if strict:
                    raise
                bad.add(row)
                skipped.append(Skipped(clips[row].id, str(error)))
        rows = [row for row in rows if row in waveforms]
        if rows:
            yield _Batch(rows, [*rows, *(row for row in lenders if row in waveforms)], waveforms)
