"""Verify a model: run every check on a few clips, and note what each took."""

import platform
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from esn_interp.analysis.verification.checks import CHECKS, NEW_TOKENS, Finding, Skip, Subject, settle
from esn_interp.analysis.verification.result import FAILED, PASSED, SKIPPED, Answer, Check, Verification
from esn_interp.errors import EditError, EsnError
from esn_interp.files import package_version
from esn_interp.models.audio_lm import AudioLM
from esn_interp.progress import track
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus
from esn_interp.tasks.budget import out_of_memory
from esn_interp.tasks.recognition import FREE_QUESTION, Recognition

CORPUS = "toy-studio"
_NAN = float("nan")


def verify(
    lm: AudioLM,
    clips: Clips | None = None,
    *,
    limit: int = 5,
    bake: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> Verification:
    """Find out whether a model does here what it does by itself, for a checkpoint that nobody has tried before.

    The references are independent: the model's own forward and ``generate`` with everything of ours taken out, its
    projections as torch is called with them, and a baked checkpoint that is loaded anew. Bounds follow from the
    working precision.

    Parameters
    ----------
    clips
        What it listens to; by default evaluation clips of toy-studio, which comes with the package.
    limit
        Clips at most, balanced over the emotions.
    bake
        Whether to bake a checkpoint and load it: a full copy where memory and disk have room for it, else a patch.
    seed
        Of the clips and the gates that are drawn.

    Raises
    ------
    EditError
        When the model is steered at this moment.
    ModelError
        When it does not answer questions about audio.
    """
    if lm.standing:
        raise EditError(f"verify: {lm.name} is steered at this moment; leave the block first")
    if clips is None:
        _, _, clips = corpus(CORPUS).split()
    chosen = clips.limit(limit, seed=seed)
    heard = [chosen[row] for row in range(len(chosen))]
    recognition = Recognition(clips.emotions)
    subject = Subject(lm, recognition, [clip.waveform() for clip in heard], seed, bake)
    scores = subject.scores()  # the first run of all, which warms everything up
    checks = [
        _done(name, subject) for name in track(CHECKS, "Verifying", len(CHECKS), enabled=progress)
    ]
    by_emotion = recognition.by_emotion(scores, [clip.id for clip in heard])
    answers = [
        Answer(clip.id, clip.emotion, recognition.emotions[int(row.argmax())], said)
        for clip, row, said in zip(heard, by_emotion, _said(subject), strict=True)
    ]
    return Verification(
        model=lm.name,
        fingerprint=lm.fingerprint,
        family=lm.family.title,
        component=lm.component,
        layers=lm.n_layers,
        gates=lm.n_gates,
        parameters=sum(parameter.numel() for parameter in lm.model.parameters()),
        dtype=str(lm.dtype).removeprefix("torch."),
        device=lm.device.type,
        corpus=clips.name,
        seed=seed,
        date=datetime.now(UTC).date().isoformat(),
        checks=tuple(checks),
        answers=tuple(answers),
        machine=_machine(lm.device),
        versions=_versions(),
    )


def _done(name: str, subject: Subject) -> Check:
    """Run one check; whatever goes wrong in it is what it found."""
    device = subject.lm.device
    _forget_peak(device)
    start = time.perf_counter()
    try:
        finding = CHECKS[name](subject)
        outcome = PASSED if finding.passed else FAILED
    except Skip as reason:
        finding, outcome = Finding(_NAN, _NAN, "", str(reason)), SKIPPED
    except EsnError as error:
        finding, outcome = Finding(_NAN, _NAN, "", str(error)), FAILED
    except Exception as error:
        told, outcome = f"{type(error).__name__}: {error}", FAILED
        if out_of_memory(error):
            told, outcome = "memory does not suffice", SKIPPED
        finding = Finding(_NAN, _NAN, "", " ".join(told.split()))
    settle(device)
    return Check(
        name=name,
        outcome=outcome,
        figure=finding.figure,
        bound=finding.bound,
        unit=finding.unit,
        told=finding.told,
        seconds=time.perf_counter() - start,
        plain_seconds=finding.plain_seconds,
        memory=_peak(device),
    )


def _said(subject: Subject) -> list[str]:
    """What it says freely about each clip, one after the other."""
    lm = subject.lm
    return [lm.generate([wave], FREE_QUESTION, max_new_tokens=2 * NEW_TOKENS)[0] for wave in subject.waveforms]


# ---------------------------------------------------------------- the machine


def _forget_peak(device: torch.device) -> None:
    """Begin to look for the peak of memory anew; Linux forgets a process's when it is told so."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak(device: torch.device) -> float:
    """Bytes at the peak: of the card, or of the process; NaN where the system does not say."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    with suppress(OSError, IndexError):
        told = Path("/proc/self/status").read_text(encoding="ascii").split("VmHWM:")[1]
        return 1024 * float(told.split()[0])
    return _NAN


def _machine(device: torch.device) -> dict[str, str]:
    """Where it was run, as far as it matters for figures."""
    told = {"system": platform.platform(terse=True), "processor": platform.machine()}
    told |= {"threads": str(torch.get_num_threads())}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        told |= {"card": card.name, "memory of the card": f"{card.total_memory / 1e9:.0f} GB"}
        told |= {"CUDA": str(torch.version.cuda), "cards": str(torch.cuda.device_count())}
    return told


def _versions() -> dict[str, str]:
    libraries = ("torch", "transformers", "nnsight", "numpy", "accelerate", "safetensors")
    told = {"esn_interp": package_version(), "Python": platform.python_version()}
    for name in libraries:
        with suppress(metadata.PackageNotFoundError):
            told[name] = metadata.version(name)
    return told
