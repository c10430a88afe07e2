"""What collecting statistics costs beside the plain model: the decoder, the whole way from audio files, and a file."""

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

import esn_interp as esn
from benchmarks.gpu.edits import plain_scores
from benchmarks.models import EMOTIONS, Geometry, noise, qwen2_5_omni
from benchmarks.shared import side_by_side
from esn_interp.models.audio_lm import AudioLM, Encoded
from esn_interp.neurons import kernels, totals
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.layout import SCOPES
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.reduction import KINDS, reduce_gates
from esn_interp.neurons.segments import Segments
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import batches
from esn_interp.tasks.collection import collect
from esn_interp.tasks.recognition import Recognition

QUESTION = Recognition(EMOTIONS)
_BATCH = 16

TILES = ((16, 128, 1), (16, 256, 1), (8, 512, 2))
"""Rows, columns and warps that are tried for the kernel of reductions."""


def measure(geometry: Geometry, device: str, dtype: torch.dtype, found: dict[str, Any]) -> None:
    """Fill ``found``; what was measured so far is there when something fails."""
    at = time.perf_counter()
    lm = qwen2_5_omni(geometry, device=device, dtype=dtype)
    _wait(device)
    found["model_built_s"] = round(time.perf_counter() - at, 1)
    at = time.perf_counter()
    found["fingerprint"] = lm.fingerprint
    found["fingerprint_s"] = round(time.perf_counter() - at, 3)
    found["kernels"] = "triton" if kernels.works(lm.device) else "torch"
    large = geometry.hidden > 1000
    parts: dict[str, Callable[[], Any]] = {}
    for batch in (32, 8, 1) if large else (4, 2):
        parts[f"reductions alone, batch {batch}"] = lambda batch=batch: reductions(lm, batch, device)
        parts[f"decoder with statistics, batch {batch}"] = lambda batch=batch: decoder(lm, batch, device)
    if device.startswith("cuda"):
        parts["sums in main memory, batch 8"] = lambda: main_memory(lm, device)
    for clips, rounds in ((64, 3), (128, 2)) if large else ((12, 3),):
        parts[f"collect, {clips} clips"] = lambda n=clips, rounds=rounds: whole_way(lm, n, device, rounds=rounds)
    parts["statistics file"] = lambda: file_size(lm)
    for name, part in parts.items():
        _say(name)
        try:
            found[name] = part()
        except Exception as error:  # the other parts are worth having
            found[name] = {"error": f"{type(error).__name__}: {error}"}
        if device.startswith("cuda"):
            found[name]["peak_GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


def reductions(lm: AudioLM, batch: int, device: str) -> dict[str, Any]:
    """One layer's gates summed up by clip and scope: ours, a matrix product per sum, and one reading of the gates."""
    encoded = lm.encode(noise(batch, seconds=(3.0, 6.0)), QUESTION.prompt)
    segments = Segments(encoded.scopes, scopes=len(SCOPES))
    torch.manual_seed(0)
    gate = torch.randn(*encoded.scopes.shape, lm.widths[0], device=device, dtype=lm.dtype)
    member = segments.members(gate.device).float()

    def products() -> dict[str, Any]:
        value = gate.float()
        fired, total = member @ (value > 0).float(), member @ value
        squares, sizes = member @ (value * value), member @ value.abs()
        return {"firings": lambda: fired.to(torch.int64), "sums": lambda: torch.stack([total, squares, sizes])}

    def ours() -> dict[str, Any]:
        sums = reduce_gates(gate, segments)
        return {"firings": lambda: sums.firings.to(torch.int64), "sums": lambda: sums.sums}

    def read() -> dict[str, Any]:
        seen = gate.amax()
        return {"largest": lambda: seen.float()}

    def copied() -> dict[str, Any]:
        copy = gate.clone()
        return {"largest": lambda: copy.amax().float()}

    def tiled(*tile: int) -> Callable[[], dict[str, Any]]:
        def way() -> dict[str, Any]:
            before, kernels.TILE = kernels.TILE, tile
            try:
                return ours()
            finally:
                kernels.TILE = before

        return way

    ways = {"one reading": read, "reading and writing": copied, "products": products, "ours": ours}
    if kernels.works(gate.device):
        ways |= {f"ours, tiles of {tile}": tiled(*tile) for tile in TILES if tile != kernels.TILE}
    return side_by_side(
        ways, base="one reading", rounds=15, clock=_clock(device), device=device, relative=1e-4, absolute=1e-2
    )


def decoder(lm: AudioLM, batch: int, device: str) -> dict[str, Any]:
    """Label scores of an encoded batch: plain, with a researcher's hooks that sum gates, and with ours, folded."""
    encoded = lm.encode(noise(batch, seconds=(3.0, 6.0)), QUESTION.prompt)
    origin = Origin.of(lm, corpus="noise", corpus_fingerprint="0")
    accumulator = Accumulator(origin, EMOTIONS)
    emotion, kept = np.arange(batch) % len(EMOTIONS), np.ones(batch, np.bool_)
    names = {kind: at for at, kind in enumerate(KINDS)}

    def run(into: Accumulator) -> np.ndarray:
        tap = into.tap(np.asarray(encoded.scopes))
        scores = lm.scores(encoded, QUESTION.labels, tap=tap)
        into.fold(tap, emotion=emotion, kept=kept, ids=[str(row) for row in range(batch)])
        return scores

    def afresh() -> dict[str, np.ndarray]:
        alone = Accumulator(origin, EMOTIONS)
        run(alone)
        return alone.statistics().sums

    def ours() -> dict[str, Any]:
        scores = run(accumulator)
        sums: dict[str, np.ndarray] = {}

        def of(name: str) -> Callable[[], np.ndarray]:
            def value() -> np.ndarray:
                if not sums:
                    sums.update(afresh())
                return sums[name].sum(axis=0)

            return value

        told = {f"{scope}/{kind}": of(f"{scope}/{kind}") for scope in SCOPES for kind in ("firings", *names)}
        return {"scores": scores, **told}

    def hooked() -> dict[str, Any]:
        with Hooks(lm, encoded) as hooks:
            scores = plain_scores(lm, encoded)
        return {"scores": scores, **hooks.told()}

    low = lm.dtype != torch.float32
    result = side_by_side(
        {
            "plain": lambda: {"scores": plain_scores(lm, encoded)},
            "hooks": hooked,
            "ours": ours,
            "no statistics": lambda: {"scores": lm.scores(encoded, QUESTION.labels)},
        },
        base="plain",
        rounds=9,
        clock=_clock(device),
        device=device,
        relative=0.02 if low else 1e-3,
        absolute=0.05 if low else 1e-3,
    )
    notes = {"tokens": int((np.asarray(encoded.scopes) >= 0).sum()), "width": int(encoded.scopes.shape[1])}
    return result | notes | ({"notes": accumulator.notes} if accumulator.notes else {})


def main_memory(lm: AudioLM, device: str) -> dict[str, Any]:
    """Adding up on the card, and in pinned memory of the host, as where the card has no room: the same to the bit."""
    encoded = lm.encode(noise(8, seconds=(3.0, 6.0)), QUESTION.prompt)
    origin = Origin.of(lm, corpus="noise", corpus_fingerprint="0")
    emotion, kept = np.arange(8) % len(EMOTIONS), np.ones(8, np.bool_)
    free = totals._free

    def way(room: Callable[[torch.device], float]) -> Callable[[], dict[str, Any]]:
        accumulator = Accumulator(origin, EMOTIONS)

        def run(into: Accumulator) -> None:
            totals._free = room
            try:
                tap = into.tap(np.asarray(encoded.scopes))
                lm.scores(encoded, QUESTION.labels, tap=tap)
                into.fold(tap, emotion=emotion, kept=kept, ids=[str(row) for row in range(8)])
            finally:
                totals._free = free

        def sums() -> np.ndarray:
            alone = Accumulator(origin, EMOTIONS)
            run(alone)
            run(alone)
            return np.concatenate([values.ravel() for _, values in sorted(alone.statistics().sums.items())])

        def timed() -> dict[str, Any]:
            run(accumulator)
            return {"sums": sums}

        return timed

    ways = {"on the card": way(free), "in main memory": way(lambda device: 0.0)}
    exact = {"relative": 0.0, "absolute": 0.0}
    return side_by_side(ways, base="on the card", rounds=5, clock=_clock(device), device=device, **exact)


class Hooks:
    """A researcher's loop: sums on the device, a matrix product with ones and zeros for each of them and layer."""

    def __init__(self, lm: AudioLM, encoded: Encoded) -> None:
        self._gates = [gate.module for gate in lm.stacks[lm.component].gates]
        codes = torch.from_numpy(np.asarray(encoded.scopes)).to(lm.device)
        self._member = torch.stack([codes == code for code in range(len(SCOPES))], dim=1).float()
        self._sums: dict[int, list[torch.Tensor]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Hooks":
        for layer, gate in enumerate(self._gates):
            self._stack.callback(gate.register_forward_hook(self._hook(layer)).remove)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _hook(self, layer: int) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
            value = output.float()
            kinds = [(value > 0).float(), value, value * value, value.abs()]
            self._sums[layer] = [self._member @ kind for kind in kinds]

        return hook

    def told(self) -> dict[str, Callable[[], np.ndarray]]:
        """Sums over all clips by name, in float64."""
        sums = dict(self._sums)

        def of(scope: int, kind: int) -> Callable[[], np.ndarray]:
            def value() -> np.ndarray:
                layers = [sums[layer][kind][:, scope].double().sum(dim=0).cpu().numpy() for layer in sorted(sums)]
                whole = np.concatenate(layers)
                return whole.round().astype(np.int64) if kind == 0 else whole

            return value

        kinds = ("firings", *KINDS)
        return {
            f"{scope}/{name}": of(at, kind) for at, scope in enumerate(SCOPES) for kind, name in enumerate(kinds)
        }


def whole_way(lm: AudioLM, count: int, device: str, *, rounds: int) -> dict[str, Any]:
    """Clips on disk to statistics, and the same loop without statistics: batches of 16, audio read between them."""
    with tempfile.TemporaryDirectory() as folder:
        for at, wave in enumerate(noise(count, seconds=(3.0, 6.0))):
            (Path(folder) / EMOTIONS[at % len(EMOTIONS)]).mkdir(exist_ok=True)
            soundfile.write(Path(folder) / EMOTIONS[at % len(EMOTIONS)] / f"{at}.wav", wave, 16_000)
        clips = esn.corpus(folder)
        question = Recognition(clips.emotions)

        def plain() -> dict[str, Any]:
            _plain_loop(lm, clips, question)
            return {}

        def ours(**options: Any) -> Callable[[], dict[str, Any]]:
            def way() -> dict[str, Any]:
                stats = collect(lm, clips, progress=False, **options)
                return {"clips": stats.clips.sum(), "tokens": sum(int(n.sum()) for n in stats.tokens.values())}

            return way

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # random weights label few clips correctly
            return side_by_side(
                {
                    "plain loop": plain,
                    "collect, batches of 16": ours(batch_size=_BATCH),
                    "collect, auto": ours(batch_size="auto"),
                },
                base="plain loop",
                rounds=rounds,
                clock="wall" if device.startswith("cuda") else "cpu",
                device=device,
            )


def _plain_loop(lm: AudioLM, clips: Clips, question: Recognition) -> None:
    skipped: list[Any] = []
    for batch in batches(clips, batch_size=_BATCH, skipped=skipped, strict=True, window=20, longest=30.0):
        encoded = lm.encode(batch.waveforms, question.prompt)
        plain_scores(lm, encoded)


def file_size(lm: AudioLM) -> dict[str, Any]:
    """Statistics of some batches, written and read."""
    accumulator = Accumulator(Origin.of(lm, corpus="noise", corpus_fingerprint="0"), EMOTIONS)
    for seed in range(4):
        waves = noise(8, seconds=(3.0, 6.0), seed=seed)
        encoded = lm.encode(waves, QUESTION.prompt)
        tap = accumulator.tap(np.asarray(encoded.scopes))
        lm.scores(encoded, QUESTION.labels, tap=tap)
        emotion = np.arange(8) % len(EMOTIONS)
        accumulator.fold(tap, emotion=emotion, kept=emotion != seed, ids=[f"{seed} {row}" for row in range(8)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stats.safetensors"
        at = time.perf_counter()
        stats = accumulator.statistics()
        gathered = time.perf_counter() - at
        at = time.perf_counter()
        stats.save(path)
        wrote = time.perf_counter() - at
        at = time.perf_counter()
        loaded = GateStatistics.load(path)
        read = time.perf_counter() - at
        same = all(np.array_equal(loaded.sums[name], values) for name, values in stats.sums.items())
        size = path.stat().st_size
    seconds = {"gathered_s": gathered, "written_s": wrote, "read_s": read}
    return {"GB": round(size / 1e9, 4), "same_to_the_bit": same, **{k: round(v, 3) for k, v in seconds.items()}}


def _clock(device: str) -> str:
    return "wall" if device.startswith("cuda") else "cpu"


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _say(words: str) -> None:
    print(f"   {words}", file=sys.stderr, flush=True)
