"""What every benchmark shares: ways of doing the same thing, checked to agree and then timed in turns; results."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("esn-interp", "torch", "transformers", "nnsight", "numpy", "pyvene", "transformer-lens")

Outcome = Mapping[str, Any]
"""What a way of doing something came to, by name: arrays, tensors, lists of words, or functions that give them.

Whatever stands under one name must be the same in all ways that have it. Functions are called outside the clock.
"""

Way = Callable[[], Outcome]


class Disagreement(AssertionError):
    """Two ways of doing the same thing came to different results: then their times mean nothing."""


@dataclass(frozen=True)
class Timed:
    """How long one way took, round by round, in seconds; the base's times of the same rounds beside it."""

    wall: np.ndarray
    cpu: np.ndarray
    base_wall: np.ndarray
    base_cpu: np.ndarray

    def facts(self, clock: str) -> dict[str, float]:
        """Median seconds, and the ratio to the base: the median over rounds, its quartiles beside it."""
        seconds, base = (self.cpu, self.base_cpu) if clock == "cpu" else (self.wall, self.base_wall)
        low, middle, high = np.quantile(seconds / base, [0.25, 0.5, 0.75])
        found = dict(seconds=np.median(seconds), ratio=middle, low=low, high=high)
        return {name: float(f"{value:.4g}") for name, value in found.items()}


def side_by_side(
    ways: Mapping[str, Way],
    *,
    base: str,
    rounds: int,
    warm: int = 1,
    clock: str = "cpu",
    relative: float = 1e-4,
    absolute: float = 1e-5,
    device: str = "cpu",
) -> dict[str, Any]:
    """Check that all ways agree, then time them in turns; every ratio is to ``base`` within one round.

    Each round begins with another way, so that none is always the one that follows a certain other.

    Parameters
    ----------
    warm
        Rounds before the first that counts, beside the run that was checked.
    clock
        ``cpu`` (of this process, for what one thread does: other processes disturb it least) or ``wall``.
    relative, absolute
        How far floating-point numbers may be from those of the first way that has them: by a share of each, plus a
        share of the largest (a sum of large numbers that is almost 0 knows no more); whole numbers and words
        must be equal (a way that counts in floating point may miss the ``relative`` share of all counts). How far
        they were is in the result.

    Raises
    ------
    Disagreement
        When they are farther; nothing is timed then.
    """
    agreement = agree({name: way() for name, way in ways.items()}, relative=relative, absolute=absolute)
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for turn in range(warm + rounds):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            _wait(device)
            at, at_cpu = time.perf_counter(), time.process_time()
            ways[name]()
            _wait(device)
            if turn >= warm:
                wall[name].append(time.perf_counter() - at)
                cpu[name].append(time.process_time() - at_cpu)
    walls = {name: np.array(values) for name, values in wall.items()}
    cpus = {name: np.array(values) for name, values in cpu.items()}
    timed = {name: Timed(walls[name], cpus[name], walls[base], cpus[base]) for name in ways}
    return {
        "base": base,
        "clock": clock,
        "rounds": rounds,
        "agreement": agreement,
        "ways": {name: one.facts(clock) for name, one in timed.items()},
    }


def agree(outcomes: Mapping[str, Outcome], *, relative: float, absolute: float) -> dict[str, float]:
    """The largest difference under each name that several ways have, as a share of its largest number.

    Raises
    ------
    Disagreement
        When there is a difference that is too large, or a name that only one way has.
    """
    first: dict[str, tuple[str, np.ndarray]] = {}
    farthest: dict[str, float] = {}
    for way, outcome in outcomes.items():
        for name, value in outcome.items():
            array = _array(value)
            if name not in first:
                first[name] = way, array
                continue
            reference, expected = first[name]
            farthest[name] = max(farthest.get(name, 0.0), _difference(array, expected))
            if not _same(array, expected, relative, absolute):
                raise Disagreement(
                    f"{way} and {reference} differ in {name}: by {farthest[name]:.2g} of its largest number"
                    f" ({array.dtype} {list(array.shape)}, {expected.dtype} {list(expected.shape)})"
                )
    if alone := sorted(set(first) - set(farthest)):
        raise Disagreement(f"only {first[alone[0]][0]} gives {alone[0]}, so nothing shows that it is right")
    return {name: float(f"{value:.2g}") for name, value in farthest.items()}


def require_change(edited: Any, plain: Any, *, least: float) -> None:
    """An edit must show in the scores, or ways that forget it would agree with those that don't."""
    change = float(np.abs(_array(edited) - _array(plain)).max())
    if not change > least:
        raise Disagreement(f"the edit changes the scores by {change:.2g} only, too little to compare ways by")


def machine(*, device: str = "cpu") -> dict[str, Any]:
    """What the figures were measured on."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.system(),
        "python": platform.python_version(),
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        facts |= {"card": properties.name, "card_memory_GB": round(properties.total_memory / 1e9, 1)}
    return facts


def versions() -> dict[str, str]:
    """Of the packages that were measured, and of what they stand on; with the commit, in a checkout."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "describe", "--always", "--dirty"]
        run = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=True)
        found["commit"] = run.stdout.strip()
    return found


def write(path: Path, results: Mapping[str, Any], *, device: str = "cpu") -> None:
    """Results as JSON, with machine and versions before them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"machine": machine(device=device), "versions": versions(), **results}
    path.write_text(json.dumps(whole, indent=1, default=float) + "\n", encoding="utf-8")


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _array(value: Any) -> np.ndarray:
    if callable(value):
        value = value()
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return np.asarray(value)


def _same(ours: np.ndarray, theirs: np.ndarray, relative: float, absolute: float) -> bool:
    if ours.shape != theirs.shape:
        return False
    if theirs.dtype.kind == "f":
        largest = float(np.abs(theirs).max(initial=0)) or 1.0
        return np.allclose(ours, theirs, rtol=relative, atol=absolute * largest)
    if theirs.dtype.kind in "iu" and ours.dtype.kind == "f":  # counts that need not be exact
        return bool(np.abs(ours - theirs).sum() <= relative * np.abs(theirs).sum())
    return np.array_equal(ours, theirs)


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape or theirs.dtype.kind not in "fiu" or not theirs.size:
        return float(not np.array_equal(ours, theirs))
    scale = float(np.abs(theirs).max()) or 1.0
    return float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max()) / scale


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
