"""What the toolkit stands on: Python, packages, processors, disks, and settings that surprise people."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import torch
from huggingface_hub import constants
from packaging.requirements import Requirement

from esn_interp.doctor.finding import BAD, FINE, NOTE, Finding
from esn_interp.files import package_version

PACKAGE = "esn-interp"
LEAST_FREE = 2e9
"""Bytes on the disk of the working folder below which a study may end with a full disk."""
SLOW_ON_CPU = ("DEFAULT", "AVX2")
"""What torch calls the processors that have no instructions for half precision."""


def environment() -> Iterator[Finding]:
    """Everything about the machine and the installation, quickly; nothing is written, no network is asked."""
    yield _python()
    yield from _packages()
    yield from _extras()
    yield from _processors()
    yield from _disk()
    yield from settings(os.environ)


def _python() -> Finding:
    version = platform.python_version()
    told = f"{version} on {platform.system()} {platform.machine()}, {PACKAGE} {package_version()}"
    wanted = metadata.metadata(PACKAGE)["Requires-Python"] if _installed(PACKAGE) else None
    if wanted and version not in Requirement(f"python{wanted}").specifier:
        return Finding("python", BAD, f"{told}; {PACKAGE} wants Python {wanted}: make a new environment with one")
    return Finding("python", FINE, told)


def _packages() -> Iterator[Finding]:
    """Every package that is always needed, by the version that is here against the range that is tested."""
    if not _installed(PACKAGE):
        yield Finding("packages", BAD, f"{PACKAGE} is not installed, only imported: run pip install -e .")
        return
    wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or ()]
    needed = [one for one in wanted if one.marker is None]
    wrong = [told for one in needed if (told := misfit(one))]
    for told in wrong:
        yield Finding("packages", BAD, told)
    if not wrong:
        named = ", ".join(f"{name} {_installed(name)}" for name in ("torch", "transformers", "nnsight", "numpy"))
        yield Finding("packages", FINE, f"all {len(needed)} are here in versions that are tested: {named}")


def misfit(wanted: Requirement) -> str:
    """What is wrong with the installed version of a requirement; nothing when it fits."""
    found = _installed(wanted.name)
    if not found:
        return f"{wanted.name} is missing: pip install '{wanted.name}{wanted.specifier}'"
    if not wanted.specifier.contains(found, prereleases=True):
        return f"{wanted.name} {found} is not one of {wanted.specifier}: pip install '{wanted.name}{wanted.specifier}'"
    return ""


def _extras() -> Iterator[Finding]:
    """Which extras are whole, so that nobody finds out in the middle of a run."""
    wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or ()] if _installed(PACKAGE) else []
    whole: list[str] = []
    for extra in metadata.metadata(PACKAGE).get_all("Provides-Extra", []) if wanted else ():
        own = [one for one in wanted if one.marker and one.marker.evaluate({"extra": extra}) and one.name != PACKAGE]
        if own and not any(misfit(one) for one in own):
            whole.append(extra)
    yield Finding("extras", FINE, f"whole: {', '.join(whole) or 'none'} (pip install '{PACKAGE}[NAME]' adds one)")


def _processors() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    kind = torch.backends.cpu.get_cpu_capability()
    told = f"{cores} cores, {kind}, torch computes in {torch.get_num_threads()} threads"
    if torch.get_num_threads() > cores:
        yield Finding("processor", NOTE, f"{told}: more threads than cores is slower; set OMP_NUM_THREADS={cores}")
    else:
        yield Finding("processor", FINE, told)
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(number)
            free, total = torch.cuda.mem_get_info(number)
            told = f"{card.name}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
            full = free < total / 2
            advice = "; another process holds most of it: see nvidia-smi" if full else ""
            yield Finding(f"card {number}", NOTE if full else FINE, told + advice)
    elif shutil.which("nvidia-smi"):
        way = "reinstall torch for your CUDA, see pytorch.org"
        yield Finding("card", BAD, f"there is a card that this torch ({torch.__version__}) can't use: {way}")
    else:
        slow = "; bfloat16 is slow on this processor, use float32" if kind in SLOW_ON_CPU else ""
        yield Finding("card", NOTE, f"none: bundled models are made for that, a model of 7B takes minutes a clip{slow}")


def _disk() -> Iterator[Finding]:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    told = f"{free / 1e9:.0f} GB free in {here}"
    if not os.access(here, os.W_OK):
        yield Finding("disk", BAD, f"{here} can't be written to: change to another folder, or name --out elsewhere")
    elif free < LEAST_FREE:
        yield Finding("disk", NOTE, f"{told}: statistics of a 7B model take 0.4 GB, a baked checkpoint 15 GB")
    else:
        yield Finding("disk", FINE, told)
    cache = Path(constants.HF_HUB_CACHE)
    near = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if os.access(near, os.W_OK):
        yield Finding("model cache", FINE, f"{cache}, {shutil.disk_usage(near).free / 1e9:.0f} GB free")
    else:
        yield Finding("model cache", BAD, f"{cache} can't be written to: set HF_HOME to a folder of your own")


def settings(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Settings of the environment that surprise people."""
    known = list(_surprises(variables))
    yield from known
    if not known:
        yield Finding("settings", FINE, "no environment variable stands in the way")


def _surprises(variables: Mapping[str, str]) -> Iterator[Finding]:
    on = {name for name, value in variables.items() if value.lower() in {"1", "true", "yes", "on"}}
    for name in sorted(on & {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}):
        yield Finding("settings", NOTE, f"{name} is on: only models in the cache, and bundled ones, can be loaded")
    if "PYTHONOPTIMIZE" in variables or sys.flags.optimize:
        yield Finding("settings", NOTE, "PYTHONOPTIMIZE takes assertions out of every library: unset it")
    if variables.get("CUDA_VISIBLE_DEVICES", "0").strip() in {"", "-1"}:
        yield Finding("settings", NOTE, "CUDA_VISIBLE_DEVICES hides every card: unset it to use one")
    if "OMP_NUM_THREADS" not in variables and (os.cpu_count() or 1) > 16:
        told = "OMP_NUM_THREADS is not set on a machine of many cores: small models are slower on all of them"
        yield Finding("settings", NOTE, f"{told}; try 8")


def _installed(name: str) -> str:
    """The version of a package that is here; empty when it is not."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
